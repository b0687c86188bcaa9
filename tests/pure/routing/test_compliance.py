"""What each hard rule costs, by what would be without it."""

from typing import Any

import pytest
from hypothesis import given, settings

from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.price import Price
from proxy.domain.rules import Attribute, Demand, Match, Refusal, Ruling
from proxy.domain.snapshot import Snapshot
from proxy.routing.compliance import (
    EVERY_RULE,
    Counterfactual,
    compliance_lines,
    counterfactual,
)
from proxy.routing.decide import choose, decide
from proxy.units import NanoUsd
from tests.builders import (
    a_provider,
    a_route,
    a_snapshot,
    a_standing,
    a_target,
    some_facts,
)
from tests.routing import any_facts, rulings, worlds

EU = a_target("eu/m", provider=a_provider("eu", region="eu"), price=Price(10**10, 10**10))
US = a_target("us/m", provider=a_provider("us", region="us"), price=Price(10**9, 10**9))
IN_EU = Demand("eu-data", Match(Attribute.REGION, frozenset({"eu"})), forbidden=False)


def told_without(
    ruling: Ruling, *targets: Any, standings: Any = None, **fields: Any
) -> tuple[Decision, dict[str, Counterfactual]]:
    """The decision under *ruling*, and what would be without each of its rules."""
    route, facts = a_route(*targets), some_facts(**fields)
    snapshot = a_snapshot(route, standings=standings or {})
    decision = choose(route, ruling, facts, snapshot)
    found = counterfactual(decision, facts, snapshot)
    return decision, {each.rule: each for each in found}


def test_demand_costs_what_the_other_target_would_save() -> None:
    """The cheaper one in the wrong region, and the difference."""
    ruling = Ruling(applied=("eu-data",), demands=(IN_EU,))

    decision, found = told_without(ruling, US, EU)

    assert decision.estimated_cost_nanousd == 3_490_000
    assert found["eu-data"] == Counterfactual(
        "eu-data", "us/m", 349_000, 3_490_000 - 349_000, ("us/m",)
    )
    assert found[EVERY_RULE] == found["eu-data"]._replace(rule=EVERY_RULE)


def test_refusal_and_bounds_are_hard_rules_too() -> None:
    """Each by itself, and all of them together."""
    refused = Ruling(applied=("no",), refusal=Refusal("no", "No."))
    bounded = Ruling(
        applied=("money", "time"),
        max_cost_nanousd=1,  # type: ignore[arg-type]  # NewType
        max_cost_rule="money",
        max_latency_ms=5,
        max_latency_rule="time",
    )

    _, without_refusal = told_without(refused, US)
    decision, without_bounds = told_without(
        bounded,
        US,
        standings={"us/m": a_standing()},
        max_output_tokens=5,
        stream=True,
    )

    assert without_refusal["no"].selected == "us/m"
    assert decision.ranking == ()
    assert [without_bounds[rule].selected for rule in ("money", "time", EVERY_RULE)] == [
        None,
        None,
        "us/m",
    ]
    assert without_bounds[EVERY_RULE].saved_nanousd is None


def test_least_quality_is_a_hard_rule() -> None:
    """It is listed like the others."""
    ruling = Ruling(applied=("good",), min_quality=0.5, min_quality_rule="good")

    _, found = told_without(ruling, US)

    assert set(found) == {"good", EVERY_RULE}
    assert found["good"].selected == "us/m"


def test_rule_that_costs_nothing_is_told_as_such() -> None:
    """The same target, no saving, nothing opened."""
    ruling = Ruling(applied=("eu-data",), demands=(IN_EU,))

    _, found = told_without(ruling, EU)

    assert (found["eu-data"].saved_nanousd, found["eu-data"].opened) == (0, ())


def test_without_hard_rules_there_is_nothing_to_tell() -> None:
    """Soft ones are no matter of compliance."""
    snapshot = a_snapshot(a_route(US))
    facts = some_facts()

    assert counterfactual(decide(facts, snapshot), facts, snapshot) == ()
    assert compliance_lines(()) == ["No hard rule applied."]


def test_cost_of_compliance_is_a_table() -> None:
    """One line for each rule."""
    found = (
        Counterfactual("eu-data", "us/m", NanoUsd(349_000), 3_141_000, ("us/m", "ca/m")),
        Counterfactual(EVERY_RULE, None, None, None, ()),
    )

    assert compliance_lines(found) == [
        "without          selected  USD       saves USD  opens",
        "eu-data          us/m      0.000349  +0.003141  us/m, ca/m",
        "every hard rule  nobody    -         -          -",
    ]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(worlds(), any_facts(), rulings())
def test_leaving_rules_out_opens_and_never_closes(
    world: Snapshot, facts: Facts, ruling: Ruling
) -> None:
    """Without a hard rule nobody is left out who might answer with it, but for broken ones that
    were called as the last.
    """
    decision = choose(world.routes["auto"], ruling, facts, world)

    for each in counterfactual(decision, facts, world):
        if decision.ranking and not decision.ranking[0].throttled:
            assert each.selected is not None
        assert not {candidate.target.id for candidate in decision.ranking} & set(each.opened)
