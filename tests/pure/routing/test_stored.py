"""A decision as a record keeps it, and the world that it was made in."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from proxy.domain.facts import Facts
from proxy.domain.labels import Workload
from proxy.domain.price import Price
from proxy.domain.rules import Ruling, Strategy
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import History
from proxy.routing.decide import choose, decide
from proxy.routing.stored import restored, stored, world_of
from tests.builders import a_route, a_snapshot, a_standing, a_target, some_facts
from tests.routing import any_facts, rulings, worlds


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(worlds(), any_facts(), rulings())
def test_decision_replays_equal_from_its_json(
    world: Snapshot, facts: Facts, ruling: Ruling
) -> None:
    """With the config of its version and nothing of what was known then; float for float."""
    decision = choose(world.routes["auto"], ruling, facts, world)
    config = replace(world, standings={}, histories={})

    found = restored(json.loads(json.dumps(stored(facts, world, decision))), config)

    assert found.decision == decision
    assert found.facts == facts
    then = world_of(found, config)
    assert choose(then.routes["auto"], found.decision.ruling, found.facts, then) == decision


def test_price_of_then_is_kept() -> None:
    """Prices change without the config: a decision is replayed at those that it saw."""
    route = a_route(a_target("a/m"), a_target("b/m"), strategy=Strategy.CHEAPEST)
    history = {("auto", Workload.CHAT): History(9, completion_tokens_p50=5)}
    world = a_snapshot(route, standings={"a/m": a_standing()}, histories=history)
    facts = some_facts()
    kept = json.loads(json.dumps(stored(facts, world, decide(facts, world))))
    dearer = tuple(replace(target, price=Price(7, 7)) for target in route.targets)
    extra = a_route(a_target("c/m"))
    now = a_snapshot(replace(route, targets=dearer), replace(extra, id="other"))

    found = restored(kept, now)

    then = world_of(found, now)
    assert then.targets["a/m"] == route.targets[0]
    assert then.targets["c/m"] == extra.targets[0]
    assert (then.standings, then.histories) == (world.standings, world.histories)
    assert decide(found.facts, then) == found.decision == decide(facts, world)


def test_nothing_known_is_kept_as_nothing() -> None:
    """No standing, no history."""
    world = a_snapshot(a_route())
    facts = some_facts()

    found = restored(stored(facts, world, decide(facts, world)), world)

    assert (world_of(found, world).standings, found.history) == ({}, None)
