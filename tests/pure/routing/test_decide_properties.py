"""What holds of every decision, whatever the config, the figures, the request and the rules."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Endpoint, Route, Tier
from proxy.domain.decision import Decision, Reason
from proxy.domain.facts import Facts
from proxy.domain.price import UnpricedPolicy
from proxy.domain.rules import Attribute, Demand, Match, Ruling, Strategy
from proxy.domain.snapshot import Snapshot
from proxy.routing.cost import output_limit, upper_bound
from proxy.routing.decide import choose, decide
from tests.routing import any_facts, dear, ids, reasons, rulings, worlds

any_world = settings(max_examples=200, deadline=None)


@pytest.mark.slow
@any_world
@given(worlds(), any_facts(), rulings())
def test_every_target_is_ranked_or_rejected_with_a_reason(
    world: Snapshot, asked: Facts, ruling: Ruling
) -> None:
    """None is lost, none stands twice, rejections keep the route's order, and the same pair
    decides alike, whether or not something was worked out before.
    """
    route = world.routes["auto"]

    decision = choose(route, ruling, asked, world)

    order = [target.id for target in route.targets]
    rejected = [rejection.target_id for rejection in decision.rejected]
    assert sorted(ids(decision) + rejected) == sorted(order)
    assert [id_ for id_ in order if id_ in rejected] == rejected
    assert all(rejection.detail for rejection in decision.rejected)
    assert choose(route, ruling, asked, world) == decision
    assert choose(route, ruling, asked, replace(world)) == decision


@pytest.mark.slow
@any_world
@given(worlds(), any_facts(), rulings())
def test_nothing_forbidden_is_ever_ranked(world: Snapshot, asked: Facts, ruling: Ruling) -> None:
    """Whatever the config, the figures and the strategy: what a hard rule keeps out stays out."""
    decision = choose(world.routes["auto"], ruling, asked, world)

    for candidate in decision.ranking:
        target = candidate.target
        assert ruling.refusal is None
        assert (asked.endpoint is Endpoint.EMBEDDINGS) == (target.embedding_space is not None)
        assert target.capabilities is None or asked.needs <= target.capabilities
        for demand in ruling.demands:
            held = target.tier in demand.match.values
            assert held is not demand.forbidden
        if ruling.max_cost_nanousd is not None:
            most = upper_bound(target, asked, output_limit(asked, ruling.max_output_tokens))
            assert most is not None
            assert most <= ruling.max_cost_nanousd
        if world.tenants["acme"].budgeted and world.unpriced_policy is UnpricedPolicy.REFUSE:
            assert target.price is not None


@pytest.mark.slow
@any_world
@given(worlds(), any_facts())
def test_tool_loop_never_leaves_its_provider(world: Snapshot, asked: Facts) -> None:
    """Whatever else is said of the request."""
    for candidate in decide(asked, world).ranking:
        assert asked.tool_origin in (None, candidate.target.provider.id)


@pytest.mark.slow
@any_world
@given(worlds(), any_facts(), rulings(), st.randoms(use_true_random=False))
def test_order_in_the_file_matters_as_priority_only(
    world: Snapshot, asked: Facts, ruling: Ruling, random: Any
) -> None:
    """The same targets written in another order are decided alike by every scoring strategy, and
    by the route's own order they are the same set.
    """
    route = world.routes["auto"]
    mixed = list(route.targets)
    random.shuffle(mixed)
    other = replace(route, targets=tuple(mixed))

    one = choose(route, ruling, asked, world)
    two = choose(other, ruling, asked, _with(world, other))

    assert sorted(one.rejected) == sorted(two.rejected)
    if one.strategy in (Strategy.PRIORITY, Strategy.POLICY):
        assert sorted(ids(one)) == sorted(ids(two))
    else:
        assert one.ranking == two.ranking


@pytest.mark.slow
@any_world
@given(worlds(), any_facts(), rulings(), st.data())
def test_dearer_target_never_gets_a_better_cost_term(
    world: Snapshot, asked: Facts, ruling: Ruling, data: st.DataObject
) -> None:
    """Raising any of a target's prices raises neither its cost term nor anybody else's."""
    route = world.routes["auto"]
    at = data.draw(st.integers(0, len(route.targets) - 1))
    price = route.targets[at].price
    if price is None:
        return
    raised = replace(route.targets[at], price=dear(price, data.draw(st.integers(1, 10**11))))
    other = replace(route, targets=(*route.targets[:at], raised, *route.targets[at + 1 :]))

    before = _cost_terms(choose(route, ruling, asked, world))
    after = _cost_terms(choose(other, ruling, asked, _with(world, other)))

    assert all(after[id_] <= before[id_] for id_ in after)


@pytest.mark.slow
@any_world
@given(worlds(), any_facts(), rulings())
def test_another_hard_rule_never_adds_a_candidate(
    world: Snapshot, asked: Facts, ruling: Ruling
) -> None:
    """Except for those that an open breaker kept out, once nobody else is left."""
    route = world.routes["auto"]
    demand = Demand("more", Match(Attribute.TIER, frozenset({"premium"})), forbidden=True)
    stricter = replace(ruling, applied=("more",), demands=(*ruling.demands, demand))

    before = choose(route, ruling, asked, world)
    after = choose(route, stricter, asked, world)

    added = set(ids(after)) - set(ids(before))
    assert {reasons(before)[id_] for id_ in added} <= {Reason.BREAKER_OPEN}
    assert all(each.throttled for each in after.ranking if each.target.id in added)
    assert all(each.target.tier is not Tier.PREMIUM for each in after.ranking)


def _with(world: Snapshot, route: Route) -> Snapshot:
    return replace(world, routes={"auto": route})


def _cost_terms(decision: Decision) -> dict[str, float]:
    return {each.target.id: each.terms.cost for each in decision.ranking}
