"""A decision, told: as JSON and as a table."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from jsonschema import Draft202012Validator

from proxy.domain.decision import Degradation, Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind, Labels, Risk
from proxy.domain.rules import DegradeStep, Ruling
from proxy.domain.snapshot import Snapshot
from proxy.routing.decide import choose, decide
from proxy.routing.expected import Expected, expected_of
from proxy.routing.explain import explained, lines_of
from tests.builders import (
    a_candidate,
    a_decision,
    a_route,
    a_snapshot,
    a_target,
    some_facts,
    some_labels,
)
from tests.routing import any_facts, rulings, worlds

ONE, TWO = a_target("one/m"), a_target("two/m")
STEPPED = Degradation(DegradeStep.FEWER_TOKENS, "no limit", "50 tokens", "cost_above_bound")
KNOWN = Expected(256, 300, 900, 1.25, 0.5)
UNKNOWN = Expected(0, 300, None, None, None)
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

    told = explained(decision, KNOWN)

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
        "expected": {
            "samples": 256,
            "completion_tokens": 300,
            "completion_tokens_p95": 900,
            "attempts": 1.25,
            "tool_calls": 0.5,
        },
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
        "priced": True,
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


def test_target_without_a_price_is_told_as_such() -> None:
    """Its cost is null, and that is no gap in what was worked out."""
    free = a_target("free/m", price=None)

    (told,) = explained(decide(some_facts(), a_snapshot(a_route(free))), UNKNOWN)["ranked"]

    assert (told["priced"], told["predicted"]["cost_usd"]) == (False, None)


def test_nobody_is_told_as_null() -> None:
    """An empty ranking has no selected one, no fallback and no estimate."""
    told = explained(a_decision()._replace(ranking=()), UNKNOWN)

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

    assert "secret" not in json.dumps(explained(decision, KNOWN)) + "".join(
        lines_of(decision, KNOWN)
    )


def test_page_names_every_field() -> None:
    """docs/routing.md has each key of the JSON, and each label."""
    text = PAGE.read_text("utf-8")
    told = explained(a_decision(ONE)._replace(degradation=STEPPED, rejected=(OUT,)), KNOWN)

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

    assert lines_of(decision, KNOWN) == [
        decision.reason,
        "",
        "route     auto (config v1)",
        "strategy  priority",
        "workload  chat (default, 0.50)",
        "text      public, en, holds email",
        "risk      high (caller), degradable by_rule",
        "expects   300 completion tokens (one in twenty above 900), 1.25 attempts, "
        "tool calls 0.50; 256 answers seen",
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
    lines = lines_of(a_decision(ONE), UNKNOWN)

    assert "expects   300 completion tokens; 0 answers seen" in lines
    assert "rules     none" in lines
    assert "text      public, en" in lines
    assert lines[-1] == ""


@settings(deadline=None)
@given(worlds(), any_facts(), rulings())
def test_whatever_is_decided_can_be_told(world: Snapshot, facts: Facts, ruling: Ruling) -> None:
    """As JSON without NaN, and as lines without line feeds."""
    decision = choose(world.routes["auto"], ruling, facts, world)

    expected = expected_of(decision, facts, world)
    told = json.loads(json.dumps(explained(decision, expected), allow_nan=False))
    assert told == explained(decision, expected)
    SCHEMA.validate(told)
    assert not any("\n" in line for line in lines_of(decision, expected))
    assert isinstance(decision.labels, Labels)
