"""A decision, told: as JSON, as a table, and what its rules cost."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from proxy.domain.decision import Decision, Degradation, Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind, Labels, Risk
from proxy.domain.price import Price
from proxy.domain.rules import (
    Attribute,
    DegradeStep,
    Demand,
    Match,
    Refusal,
    Ruling,
)
from proxy.domain.snapshot import Snapshot
from proxy.routing.decide import choose, decide
from proxy.routing.explain import (
    EVERY_RULE,
    Counterfactual,
    compliance_lines,
    counterfactual,
    explained,
    lines_of,
)
from proxy.units import NanoUsd
from tests.builders import (
    a_candidate,
    a_decision,
    a_provider,
    a_route,
    a_snapshot,
    a_standing,
    a_target,
    some_facts,
    some_labels,
)
from tests.routing import any_facts, rulings, worlds

ONE, TWO = a_target("one/m"), a_target("two/m")
STEPPED = Degradation(DegradeStep.FEWER_TOKENS, "no limit", "50 tokens", "cost_above_bound")
ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/routing.md"
SCHEMA = Draft202012Validator(
    json.loads((ROOT / "docs/schemas/decision-1.json").read_text("utf-8"))
)


def test_json_has_the_documented_form() -> None:
    """Spelled out once, so that a change of it is a decision."""
    candidate = a_candidate(ONE, first_token_ms=400.0, total_ms=3400.0)
    decision = a_decision(ONE, TWO)._replace(
        ranking=(candidate, a_candidate(TWO, cost_nanousd=None)),
        rejected=(Rejection("three/m", Reason.POLICY, "eu", "eu"),),
        ruling=Ruling(applied=("eu", "cap")),
        max_output_tokens=50,
        degradation=STEPPED,
        labels=some_labels(kinds=(Kind.EMAIL,), disallowed=("spam",)),
    )

    told = explained(decision)

    labels = told.pop("labels")
    ranked = told.pop("ranked")
    assert told == {
        "schema_version": 1,
        "config_version": "v1",
        "route": "auto",
        "strategy": "priority",
        "selected": {"provider": "one", "model": "m", "target": "one/m"},
        "fallback": {"provider": "two", "model": "m", "target": "two/m"},
        "reason": decision.reason,
        "estimated_cost_usd": 0.000001,
        "max_output_tokens": 50,
        "rejected": [{"target": "three/m", "reason": "policy", "detail": "eu", "rule": "eu"}],
        "rules": ["eu", "cap"],
        "degraded": {
            "step": "fewer_tokens",
            "from": "no limit",
            "to": "50 tokens",
            "reason": "cost_above_bound",
        },
    }
    assert ranked[0] == {
        "rank": 1,
        "provider": "one",
        "model": "m",
        "target": "one/m",
        "tier": "standard",
        "score": 0.5,
        "terms": {
            "cost": 0.5,
            "latency": 0.5,
            "reliability": 0.5,
            "quality": 0.5,
            "headroom": 0.5,
            "affinity": 0.0,
        },
        "predicted": {
            "cost_usd": 0.000001,
            "prompt_tokens": 25,
            "completion_tokens": 300,
            "first_token_ms": 400.0,
            "total_ms": 3400.0,
        },
        "throttled": False,
    }
    assert ranked[1]["predicted"]["cost_usd"] is None
    assert labels["workload"] == {"value": "chat", "origin": "default", "confidence": 0.5}
    assert labels["degradable"] == {"value": "by_ladder", "origin": "default", "confidence": 0.5}
    assert labels["kinds"] == ["email"]
    assert (labels["disallowed"], labels["lowering_ignored"]) == (["spam"], False)


def test_nobody_is_told_as_null() -> None:
    """An empty ranking has no selected one, no fallback and no estimate."""
    told = explained(a_decision()._replace(ranking=()))

    assert [told[name] for name in ("selected", "fallback", "estimated_cost_usd", "degraded")] == [
        None
    ] * 4


def test_what_callers_write_freely_is_not_told() -> None:
    """Neither their users nor sessions, features or scopes."""
    facts = some_facts(
        labels=some_labels(user_type="secret-user"),
        session="secret-session",
        feature="secret-feature",
        scopes=(("ticket", "secret-hash"),),
        headers=(("x-team", "secret-header"),),
    )
    decision = decide(facts, a_snapshot(a_route(ONE)))

    assert "secret" not in json.dumps(explained(decision)) + "".join(lines_of(decision))


def test_page_names_every_field() -> None:
    """docs/routing.md has each key of the JSON, and each label."""
    text = PAGE.read_text("utf-8")
    told = explained(a_decision(ONE)._replace(degradation=STEPPED, rejected=(OUT,)))

    missing = [name for name in _keys(told) if f"`{name}`" not in text]

    assert missing == []


OUT = Rejection("three/m", Reason.POLICY, "eu", "eu")


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    return set()


def test_table_is_readable() -> None:
    """The sentence first, then what is known, the candidates, and who is left out."""
    decision = a_decision(ONE, TWO)._replace(
        ranking=(
            a_candidate(ONE, first_token_ms=400.0, total_ms=3400.0),
            a_candidate(TWO, cost_nanousd=None, throttled=True),
        ),
        rejected=(OUT, Rejection("four/m", Reason.TOO_SLOW, "900 ms, allowed 500 ms")),
        ruling=Ruling(applied=("eu",)),
        labels=some_labels(kinds=(Kind.EMAIL,), risk=Risk.HIGH),
        degradation=STEPPED,
    )

    assert lines_of(decision) == [
        decision.reason,
        "",
        "route     auto (config v1)",
        "strategy  priority",
        "workload  chat (default, 0.50)",
        "text      public, en, holds email",
        "risk      high (caller), degradable by_rule",
        "rules     eu",
        "degraded  fewer_tokens: no limit -> 50 tokens (cost_above_bound)",
        "",
        "#  target             score  cost   latency  reliab.  quality  headroom  affinity"
        "  USD       first ms  total ms",
        "1  one/m              0.500  0.500  0.500    0.500    0.500    0.500     0.000   "
        "  0.000001  400       3400",
        "2  two/m (throttled)  0.500  0.500  0.500    0.500    0.500    0.500     0.000   "
        "  no price  -         -",
        "",
        "-  three/m  policy    eu [eu]",
        "-  four/m   too_slow  900 ms, allowed 500 ms",
    ]


def test_table_of_little_is_short() -> None:
    """Nothing left out, no rules, nothing stepped down."""
    lines = lines_of(a_decision(ONE))

    assert "rules     none" in lines
    assert "text      public, en" in lines
    assert lines[-1] == ""


@settings(deadline=None)
@given(worlds(), any_facts(), rulings())
def test_whatever_is_decided_can_be_told(world: Snapshot, facts: Facts, ruling: Ruling) -> None:
    """As JSON without NaN, and as lines without line feeds."""
    decision = choose(world.routes["auto"], ruling, facts, world)

    told = json.loads(json.dumps(explained(decision), allow_nan=False))
    assert told == explained(decision)
    SCHEMA.validate(told)
    assert not any("\n" in line for line in lines_of(decision))
    assert isinstance(decision.labels, Labels)


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
