"""What rules ask of targets, and what they need of the config."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from proxy.domain.catalog import Capability, Target, Tier
from proxy.domain.conditions import ALWAYS, AllOf, AnyOf, Costs, InScope, Is, Not, Sent, Word
from proxy.domain.facts import Facts
from proxy.domain.policies import (
    Policies,
    Rule,
    bars,
    policies_of,
    rebound,
    stated,
)
from proxy.domain.rules import Attribute, Demand, Ruling
from proxy.domain.scopes import scope_hash
from tests.builders import a_provider, a_route, a_target, some_facts
from tests.policies import a_demand, a_rule, demands, facts, rules, targets

EU = a_target(
    "azure/gpt",
    provider=a_provider("azure", region="eu", certifications=frozenset({"dpa"}),
                        tags=frozenset({"vendor"})),
    model="gpt",
    tier=Tier.PREMIUM,
    capabilities=frozenset({Capability.TOOLS}),
    tags=frozenset({"thinks"}),
)  # fmt: skip
SILENT = a_target("local/m")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (Attribute.PROVIDER, "azure"),
        (Attribute.TARGET, "azure/gpt"),
        (Attribute.MODEL, "gpt"),
        (Attribute.REGION, "eu"),
        (Attribute.CERTIFICATIONS, "dpa"),
        (Attribute.TIER, "premium"),
        (Attribute.CAPABILITIES, "tools"),
        (Attribute.TAGS, "thinks"),
        (Attribute.TAGS, "vendor"),
    ],
)
def test_every_attribute_can_be_asked_for(attribute: Attribute, value: str) -> None:
    """Required, it lets pass who has it; forbidden, who has it not. Tags are the provider's too."""
    assert not bars(a_demand(attribute, value, "other"), EU)
    assert bars(a_demand(attribute, "other"), EU)
    assert bars(a_demand(attribute, value, "other", forbidden=True), EU)
    assert not bars(a_demand(attribute, "other", forbidden=True), EU)


@pytest.mark.parametrize("attribute", [Attribute.REGION, Attribute.CAPABILITIES])
def test_what_is_not_stated_could_be_anything(attribute: Attribute) -> None:
    """It fulfils no requirement and escapes no prohibition."""
    assert stated(SILENT, attribute) is None
    assert bars(a_demand(attribute, "eu"), SILENT)
    assert bars(a_demand(attribute, "eu", forbidden=True), SILENT)


@given(demands, targets)
def test_a_demand_and_its_opposite_leave_nobody(demand: Demand, target: Target) -> None:
    """Nothing is both required and forbidden, so one of the two bars it."""
    opposite = Demand(demand.rule_id, demand.match, not demand.forbidden)

    assert bars(demand, target) or bars(opposite, target)


def test_policies_know_the_headers_that_rules_look_at() -> None:
    """They are the allow-list of what facts hold, wherever in a condition they stand."""
    when = AllOf((Not(Sent("x-a", None)), AnyOf((Sent("x-b", None), InScope("t", None)))))

    assert policies_of([a_rule(when=when), a_rule("other")]).headers == {"x-a", "x-b"}


def test_scopes_are_compared_under_the_key() -> None:
    """Rules and facts that were made with one key meet; with another they do not."""
    when = Not(AnyOf((AllOf((InScope("ticket", frozenset({"7"})),)), Is(Word.FEATURE, None))))
    policies = policies_of([a_rule(when=when)], scope_key=b"k")
    seen = some_facts(scopes=(("ticket", scope_hash(b"k", "ticket", "7")),))

    assert policies.index.that_hold(seen) == ()
    assert rebound(policies, (), b"other").index.that_hold(seen) == (0,)
    assert rebound(rebound(policies, (), b"other"), (), b"k") == policies


def test_cost_is_by_the_prices_of_the_routes() -> None:
    """A target without a price says nothing of cost; new prices count once they are bound."""
    rule = a_rule(when=Costs(1, None))
    priced, unpriced = a_route(a_target()), a_route(a_target(price=None))
    policies = policies_of([rule], [priced])

    assert policies.index.that_hold(some_facts()) == (0,)
    assert rebound(policies, [unpriced], b"").index.that_hold(some_facts()) == ()


def test_targets_are_those_of_the_routes_each_once() -> None:
    """A target that several routes share is judged once."""
    one, two = a_target("p/1"), a_target("p/2")

    policies = policies_of([], [a_route(one, two), a_route(two)], tool_loop_stays=False)

    assert policies.targets == (one, two)
    assert rebound(policies, [a_route(one)], b"").tool_loop_stays is False


def test_what_was_worked_out_is_not_handed_on() -> None:
    """Other policies come to something else, so they begin with an empty memory."""
    policies = policies_of([a_rule()])
    policies.rulings["key"] = Ruling()

    assert replace(policies, tool_loop_stays=False).rulings == {}


def test_no_rules_are_the_default() -> None:
    """A config without policies has but the built-in rule."""
    assert policies_of([]) == Policies()
    assert Policies().tool_loop_stays
    assert Rule("r", ALWAYS, Ruling()).why is None


@pytest.mark.slow
@given(rules, facts)
@settings(deadline=None)
def test_binding_changes_no_other_condition(rule: Rule, asked: Facts) -> None:
    """Bound twice is bound once."""
    once = policies_of([rule], scope_key=b"k")

    assert policies_of(once.rules, scope_key=b"k") == once
    assert len(once.index.that_hold(asked)) <= 1
