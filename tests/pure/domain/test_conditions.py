"""When a rule applies: each kind of condition on facts."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from proxy.domain.catalog import Capability, Endpoint
from proxy.domain.conditions import (
    ALWAYS,
    OUTPUT_TOKENS_UNSAID,
    AllOf,
    AnyOf,
    Between,
    Condition,
    Costs,
    During,
    Group,
    Has,
    InScope,
    Is,
    Not,
    Number,
    Sent,
    Word,
    estimated_prompt_tokens,
)
from proxy.domain.labels import Kind, LatencyClass, OutputType, Risk, Sensitivity, Workload
from proxy.domain.price import Price
from tests.builders import some_facts, some_labels

NEVER = AnyOf(())
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: Any = UTC) -> int:
    """The unix time of *text* in *zone*."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


@pytest.mark.parametrize(
    ("word", "value", "fields"),
    [
        (Word.TENANT, "acme", {}),
        (Word.TIER, "pro", {}),
        (Word.ROUTE, "auto", {}),
        (Word.ENDPOINT, Endpoint.EMBEDDINGS.value, {"endpoint": Endpoint.EMBEDDINGS}),
        (Word.FEATURE, "review", {"feature": "review"}),
        (Word.TOOL_ORIGIN, "openai", {"tool_origin": "openai"}),
        (Word.WORKLOAD, "code", {"workload": Workload.CODE}),
        (Word.WORKLOAD_ORIGIN, "caller", {"workload": Workload.CODE}),
        (Word.RISK, "high", {"risk": Risk.HIGH}),
        (Word.SENSITIVITY, "internal", {"labels": some_labels(sensitivity=Sensitivity.INTERNAL)}),
        (Word.LANGUAGE, "de", {"labels": some_labels(language="de")}),
        (Word.OUTPUT_TYPE, "json", {"labels": some_labels(output_type=OutputType.JSON)}),
        (Word.LATENCY, "batch", {"labels": some_labels(latency_class=LatencyClass.BATCH)}),
        (Word.USER_TYPE, "staff", {"labels": some_labels(user_type="staff")}),
    ],
)
def test_word_is_one_of_its_values(word: Word, value: str, fields: dict[str, Any]) -> None:
    """Every word that facts hold can be asked for; another value is not it."""
    facts = some_facts(**fields)

    assert Is(word, frozenset({value, "other"})).holds(facts)
    assert not Is(word, frozenset({"other"})).holds(facts)
    assert Is(word, None).holds(facts)


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        (Word.SESSION, {"session": "h"}),
        (Word.STREAM, {"stream": True}),
        (Word.LOWERING_IGNORED, {"labels": some_labels(lowering_ignored=True)}),
        (Word.FEATURE, {"feature": "x"}),
    ],
)
def test_flag_is_set_or_not(word: Word, fields: dict[str, Any]) -> None:
    """What is not said, or false, does not hold; its denial does."""
    assert Is(word, None).holds(some_facts(**fields))
    assert not Is(word, None).holds(some_facts())
    assert Not(Is(word, None)).holds(some_facts())


@pytest.mark.parametrize(
    ("group", "value", "fields"),
    [
        (Group.KEY_TAG, "ci", {"key_tags": frozenset({"ci"})}),
        (Group.KINDS, "email", {"labels": some_labels(kinds=(Kind.EMAIL, Kind.IBAN))}),
        (Group.NEEDS, "tools", {"needs": frozenset({Capability.TOOLS})}),
        (Group.DISALLOWED, "weapons", {"labels": some_labels(disallowed=("weapons",))}),
    ],
)
def test_set_has_one_of_the_values(group: Group, value: str, fields: dict[str, Any]) -> None:
    """One in common is enough; None asks for anything at all."""
    facts = some_facts(**fields)

    assert Has(group, frozenset({value, "other"})).holds(facts)
    assert not Has(group, frozenset({"other"})).holds(facts)
    assert Has(group, None).holds(facts)
    assert not Has(group, None).holds(some_facts())


def test_what_was_not_read_may_hold_any_kind() -> None:
    """Rules on kinds bind it, and rules on there being none do not; other sets are known."""
    unread = some_facts(labels=some_labels(sensitivity=Sensitivity.UNKNOWN))
    for values in (None, frozenset({"iban"})):
        assert Has(Group.KINDS, values).holds(unread)
        assert not Not(Has(Group.KINDS, values)).holds(unread)
        assert not Has(Group.DISALLOWED, values).holds(unread)


@pytest.mark.parametrize(
    ("number", "value", "fields"),
    [
        (Number.PROMPT_TOKENS, 26, {"prompt_bytes": 101}),
        (Number.PROMPT_BYTES, 101, {"prompt_bytes": 101}),
        (Number.OUTPUT_TOKENS, 7, {"max_output_tokens": 7}),
        (Number.MESSAGES, 3, {"message_count": 3}),
        (Number.TURNS, 2, {"turns": 2}),
        (Number.IMAGES, 4, {"images": 4}),
        (Number.TOOLS, 5, {"tools": 5}),
        (Number.N, 6, {"n": 6}),
        (Number.MAX_LATENCY_MS, 900, {"max_latency_ms": 900}),
        (Number.WORKLOAD_CONFIDENCE, 1.0, {"workload": Workload.CODE}),
        (Number.DRAW, 0.25, {}),
    ],
)
def test_number_is_between_its_bounds(number: Number, value: float, fields: dict[str, Any]) -> None:
    """Both bounds are part of the range."""
    facts = some_facts(**fields)

    assert Between(number, value, value).holds(facts)
    assert Between(number, None, value).holds(facts)
    assert Between(number, value, None).holds(facts)
    assert not Between(number, value + 0.5, None).holds(facts)
    assert not Between(number, None, value - 0.5).holds(facts)


def test_number_that_is_not_known_is_nowhere() -> None:
    """A request without a bound on its answer is within no bounds, not within all."""
    assert not Between(Number.OUTPUT_TOKENS, None, 10).holds(some_facts())
    assert Not(Between(Number.OUTPUT_TOKENS, None, 10)).holds(some_facts())


def test_prompt_tokens_are_estimated_by_bytes() -> None:
    """Four bytes a token, rounded up: the same for every target."""
    assert estimated_prompt_tokens(some_facts(prompt_bytes=9)) == 3


def test_cost_is_that_of_the_dearest_target_of_the_route() -> None:
    """It bounds what the request may come to: prompt and the answer's bound, n times."""
    prices = {"auto": (Price(1_000_000, 2_000_000), Price(3_000_000, 4_000_000))}
    facts = some_facts(prompt_bytes=400, max_output_tokens=10, n=2)
    nanousd = 100 * 3 + 20 * 4

    assert Costs(nanousd, nanousd, prices).holds(facts)
    assert not Costs(nanousd + 1, None, prices).holds(facts)
    assert not Costs(0, None, {"other": prices["auto"]}).holds(facts)
    assert not Costs(0, None).holds(facts)


def test_cost_without_a_bound_takes_a_usual_answer() -> None:
    """An answer that is not bounded counts as so long; embeddings have none."""
    prices = {"auto": (Price(0, 1_000_000),)}

    assert Costs(OUTPUT_TOKENS_UNSAID, OUTPUT_TOKENS_UNSAID, prices).holds(some_facts())
    assert Costs(0, 0, prices).holds(some_facts(endpoint=Endpoint.EMBEDDINGS))


def test_header_is_compared_without_case() -> None:
    """A caller cannot slip past a rule by writing EU."""
    facts = some_facts(headers=(("x-data-region", " EU "), ("x-other", "eu")))

    assert Sent("x-data-region", frozenset({"eu"})).holds(facts)
    assert not Sent("x-data-region", frozenset({"us"})).holds(facts)
    assert Sent("x-other", None).holds(facts)
    assert not Sent("x-missing", None).holds(facts)


@pytest.mark.parametrize("sent", ["eu, eu", "us, EU", "eu,", " us ,eu ", "eu"])
def test_each_value_of_a_header_counts(sent: str) -> None:
    """Who sends it twice, or a list, does not slip past a rule on one of the values."""
    facts = some_facts(headers=(("x-data-region", sent),))
    assert Sent("x-data-region", frozenset({"eu"})).holds(facts)
    assert not Sent("x-data-region", frozenset({"u"})).holds(facts)


def test_value_with_a_comma_is_a_value_too() -> None:
    """What a config writes is compared as a whole as well."""
    facts = some_facts(headers=(("x-a", "One, Two"),))
    assert Sent("x-a", frozenset({"one, two"})).holds(facts)


def test_scope_is_compared_by_hash() -> None:
    """The value itself is in no facts; that a scope was named can be asked without a hash."""
    facts = some_facts(scopes=(("region", "h1"), ("ticket", "h2")))

    assert InScope("region", frozenset({"eu"}), frozenset({"h1"})).holds(facts)
    assert not InScope("ticket", frozenset({"eu"}), frozenset({"h1"})).holds(facts)
    assert InScope("ticket", None).holds(facts)
    assert not InScope("user", None).holds(facts)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("2026-11-23T21:59", False),  # a Monday
        ("2026-11-23T22:00", True),
        ("2026-11-24T05:59", True),  # the rest of Monday's night
        ("2026-11-24T06:00", False),
        ("2026-11-24T22:00", False),  # Tuesday's night
        ("2026-11-23T03:00", False),  # Sunday's night
    ],
)
def test_window_past_midnight_belongs_to_the_day_it_began(when: str, holds: bool) -> None:
    """Monday from 22 to 6 ends on Tuesday morning."""
    monday_night = During(BERLIN, 22 * 60, 6 * 60, frozenset({0}))

    assert monday_night.holds(some_facts(unix_s=at(when, BERLIN))) is holds


def test_window_follows_the_zone_through_the_year() -> None:
    """Nine o'clock in Berlin is eight in UTC in winter, and seven in summer."""
    morning = During(BERLIN, 9 * 60, 10 * 60)

    assert morning.holds(some_facts(unix_s=at("2026-01-15T08:30")))
    assert morning.holds(some_facts(unix_s=at("2026-07-15T07:30")))
    assert not morning.holds(some_facts(unix_s=at("2026-07-15T08:30")))


def test_window_without_hours_is_the_whole_day() -> None:
    """Days alone make a window; the same start and end make none."""
    saturday, noon = During(UTC, days=frozenset({5})), some_facts(unix_s=at("2026-11-28T12:00"))

    assert saturday.holds(noon)
    assert not saturday.holds(some_facts(unix_s=at("2026-11-27T12:00")))
    assert not During(UTC, 720, 720).holds(noon)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (ALWAYS, True),
        (NEVER, False),
        (AllOf((ALWAYS, ALWAYS)), True),
        (AllOf((ALWAYS, NEVER)), False),
        (AnyOf((NEVER, ALWAYS)), True),
        (AnyOf((NEVER, NEVER)), False),
        (Not(NEVER), True),
        (Not(ALWAYS), False),
    ],
)
def test_conditions_nest(condition: Condition, holds: bool) -> None:
    """All, any and not mean what they say; all of nothing always holds, any of nothing never."""
    assert condition.holds(some_facts()) is holds
