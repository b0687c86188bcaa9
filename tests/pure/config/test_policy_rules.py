"""What written policies become."""

from zoneinfo import ZoneInfo

import pytest
from documents import GOOD, POLICIES, loaded, ruled

from proxy.domain.conditions import (
    ALWAYS,
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
)
from proxy.domain.labels import Kind
from proxy.domain.policies import Rule
from proxy.domain.rules import (
    Attribute,
    Degrade,
    DegradeStep,
    Demand,
    LogLevel,
    PremiumCap,
    Refusal,
    Ruling,
    Strategy,
    Term,
    Weights,
)
from proxy.units import NanoUsd
from tests.policies import a_demand, a_match


def words(word: Word, *values: str) -> Is:
    """The word is one of *values*."""
    return Is(word, frozenset(values))


def rule_of(policy: str) -> Rule:
    """The rule that *policy*, one entry, writes."""
    (rule,) = loaded(ruled(policy)).snapshot.policies.rules
    return rule


def condition_of(when: str) -> Condition:
    """The condition that *when* writes."""
    return rule_of(f"{{id: a, when: {when}, log: none}}").when


@pytest.mark.parametrize(
    ("when", "condition"),
    [
        ("{}", ALWAYS),
        ("{tenant: demo}", words(Word.TENANT, "demo")),
        ("{tier: [pro, free]}", words(Word.TIER, "pro", "free")),
        ("{key_tag: ci}", Has(Group.KEY_TAG, frozenset({"ci"}))),
        ("{route: auto}", words(Word.ROUTE, "auto")),
        ("{endpoint: chat}", words(Word.ENDPOINT, "chat/completions")),
        ("{feature: true}", Is(Word.FEATURE, None)),
        ("{feature: false}", Not(Is(Word.FEATURE, None))),
        ("{user_type: staff}", words(Word.USER_TYPE, "staff")),
        ("{scope: {ticket: true}}", InScope("ticket", None)),
        ("{scope: {ticket: false}}", Not(InScope("ticket", None))),
        ("{header: {X-A: [EU, De]}}", Sent("x-a", frozenset({"eu", "de"}))),
        ("{header: {x-a: true}}", Sent("x-a", None)),
        ("{header: {x-a: false, x-b: y}}", AllOf((Not(Sent("x-a", None)),
                                                  Sent("x-b", frozenset({"y"}))))),
        ("{session: true}", Is(Word.SESSION, None)),
        ("{workload: code}", words(Word.WORKLOAD, "code")),
        ("{workload_origin: caller}", words(Word.WORKLOAD_ORIGIN, "caller")),
        ("{workload_confidence: {min: 0.5}}", Between(Number.WORKLOAD_CONFIDENCE, 0.5, None)),
        ("{sensitivity: public}", words(Word.SENSITIVITY, "public")),
        ("{kinds: email}", Has(Group.KINDS, frozenset({"email"}))),
        ("{disallowed: true}", Has(Group.DISALLOWED, None)),
        ("{lowering_ignored: true}", Is(Word.LOWERING_IGNORED, None)),
        ("{language: [de, und]}", words(Word.LANGUAGE, "de", "und")),
        ("{output_type: json}", words(Word.OUTPUT_TYPE, "json")),
        ("{risk: high}", words(Word.RISK, "high")),
        ("{latency: batch}", words(Word.LATENCY, "batch")),
        ("{max_latency_ms: {max: 1500}}", Between(Number.MAX_LATENCY_MS, None, 1500.0)),
        ("{needs: tools}", Has(Group.NEEDS, frozenset({"tools"}))),
        ("{stream: false}", Not(Is(Word.STREAM, None))),
        ("{tool_origin: one}", words(Word.TOOL_ORIGIN, "one")),
        ("{prompt_tokens: {min: 1, max: 2}}", Between(Number.PROMPT_TOKENS, 1.0, 2.0)),
        ("{draw: {max: 0.1}}", Between(Number.DRAW, None, 0.1)),
        ('{time: {from: "22:30", to: "24:00"}}', During(ZoneInfo("UTC"), 1350, 1440)),
        ("{time: {days: sun}}", During(ZoneInfo("UTC"), days=frozenset({6}))),
        ("{not: {route: auto}}", Not(words(Word.ROUTE, "auto"))),
        ("{any: [{route: auto}, {n: {min: 2}}]}",
         AnyOf((words(Word.ROUTE, "auto"), Between(Number.N, 2.0, None)))),
        ("{all: [{route: auto}, {n: {min: 2}}]}",
         AllOf((words(Word.ROUTE, "auto"), Between(Number.N, 2.0, None)))),
        ("{route: auto, latency: batch}",
         AllOf((words(Word.LATENCY, "batch"), words(Word.ROUTE, "auto")))),
    ],
)  # fmt: skip
def test_condition_is_as_written(when: str, condition: Condition) -> None:
    """One value may stand for a list; several keys are all of them."""
    assert condition_of(when) == condition


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("regulated", {"regulated", "unknown"}),
        ("[internal, regulated]", {"internal", "regulated", "unknown"}),
        ("unknown", {"unknown"}),
        ("[public, internal]", {"public", "internal"}),
    ],
)
def test_what_was_not_read_counts_as_regulated(written: str, meant: set[str]) -> None:
    """Wherever a rule speaks of regulated text, text that nobody read is meant as well."""
    assert condition_of(f"{{sensitivity: {written}}}") == words(Word.SENSITIVITY, *meant)


def test_cost_is_in_nano_dollars_by_the_routes_prices() -> None:
    """Dollars are what people write; prices are those of each route's targets."""
    found = condition_of("{cost_usd: {min: 0.5, max: 2}}")

    assert isinstance(found, Costs)
    assert (found.at_least, found.at_most) == (500_000_000, 2_000_000_000)
    assert [price.input_nanousd for price in found.prices["auto"]] == [2_500_000_000]


@pytest.mark.parametrize(
    ("written", "demands"),
    [
        ("require: {region: [eu, us]}", (a_demand(Attribute.REGION, "eu", "us", by="a"),)),
        ("require: {certifications: [soc2, dpa]}", (
            a_demand(Attribute.CERTIFICATIONS, "dpa", by="a"),
            a_demand(Attribute.CERTIFICATIONS, "soc2", by="a"),
        )),
        ("require: {target: one/big, capabilities: [vision, tools]}", (
            a_demand(Attribute.TARGET, "one/big", by="a"),
            a_demand(Attribute.CAPABILITIES, "tools", by="a"),
            a_demand(Attribute.CAPABILITIES, "vision", by="a"),
        )),
        ("forbid: {tags: [x, y], tier: premium, model: big}", (
            a_demand(Attribute.MODEL, "big", by="a", forbidden=True),
            a_demand(Attribute.TIER, "premium", by="a", forbidden=True),
            a_demand(Attribute.TAGS, "x", "y", by="a", forbidden=True),
        )),
        ("require: {provider: one}, forbid: {provider: two}", (
            a_demand(Attribute.PROVIDER, "one", by="a"),
            a_demand(Attribute.PROVIDER, "two", by="a", forbidden=True),
        )),
    ],
)  # fmt: skip
def test_demands_are_as_written(written: str, demands: tuple[Demand, ...]) -> None:
    """A required list of what a target has several of means all; of what it has one of, any. A
    forbidden list means none of them.
    """
    assert rule_of(f"{{id: a, {written}}}").says == Ruling(applied=("a",), demands=demands)


def test_everything_that_can_be_said_is_kept() -> None:
    """Every key of a policy reaches the rule, under its id."""
    personal, _, night, bad = loaded(GOOD + POLICIES).snapshot.policies.rules

    assert (personal.id, personal.why) == ("personal", "The law.")
    assert personal.says.redact == {Kind.EMAIL}
    assert personal.says.log is LogLevel.METADATA
    assert night.says == Ruling(
        applied=("night",),
        prefer=(a_match(Attribute.TARGET, "one/big"), a_match(Attribute.PROVIDER, "one", "two")),
        weights=Weights(((Term.COST, 0.5), (Term.QUALITY, 1.0))),
        strategy=Strategy.CHEAPEST,
        degrade=Degrade((DegradeStep.FEWER_TOKENS, DegradeStep.MESSAGE), 64, "Later."),
        max_cost_nanousd=NanoUsd(250_000_000),
        max_cost_rule="night",
        max_latency_ms=8000,
        max_latency_rule="night",
        min_quality=0.7,
        min_quality_rule="night",
        max_attempts=1,
        max_output_tokens=512,
        premium_caps=(PremiumCap("night", "ticket", 1),),
        caching_allowed=True,
    )
    assert bad.says.refusal == Refusal("bad", "Not here.")
    assert bad.why is None


def test_snapshot_has_the_policies_and_their_switch() -> None:
    """The built-in rule is on unless it is switched off; headers are the allow-list."""
    policies = loaded(GOOD + POLICIES).snapshot.policies

    assert not policies.tool_loop_stays
    assert loaded(GOOD).snapshot.policies.tool_loop_stays
    assert policies.headers == {"x-data-region"}
    assert {target.id for target in policies.targets} == {"one/big", "two/small", "one/vectors"}


def test_routes_and_targets_have_what_scores_read() -> None:
    """Strategy, weights and degrade of a route; tags and quality of a target."""
    text = GOOD.replace(
        "    max_attempts: 2",
        "    strategy: fastest\n    weights: {latency: 2}\n    degrade: {steps: cheaper_tier}",
    ).replace("    model: small", "    model: small\n    tags: [b, a]\n    quality: {code: 0.9}")
    text = text.replace("    region: eu", "    region: eu\n    tags: own")  # fmt: skip
    snapshot = loaded(text.replace("tags: own", "tags: [own]")).snapshot
    route, small = snapshot.routes["auto"], snapshot.targets["two/small"]

    assert route.strategy is Strategy.FASTEST
    assert route.weights == Weights(((Term.LATENCY, 2.0),))
    assert route.degrade == Degrade((DegradeStep.CHEAPER_TIER,))
    assert (small.tags, small.quality) == ({"a", "b"}, {"code": 0.9})
    assert snapshot.providers["one"].tags == {"own"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kinds: [email, iban]", "kinds: [iban, email]"),
        ("redact: email", "redact: [email, email]"),
        ("min: 0.5, max: 2", "max: 2.0, min: 0.50"),
        ("X-Data-Region", "x-data-region"),
    ],
)
def test_version_stays_where_the_meaning_stays(old: str, new: str) -> None:
    """Order within a set and ways of writing are not part of it."""
    assert POLICIES.count(old) == 1
    changed = loaded(GOOD + POLICIES.replace(old, new))

    assert changed.snapshot.version == loaded(GOOD + POLICIES).snapshot.version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("region: eu}", "region: us}"),
        ("id: bad", "id: worse"),
        ("tool_loop_stays: false", "tool_loop_stays: true"),
        ('from: "22:00"', 'from: "23:00"'),
        ("[fewer_tokens, message]", "[message]"),
    ],
)
def test_version_changes_with_the_meaning(old: str, new: str) -> None:
    """A policy that differs is another config."""
    text = POLICIES.replace(old, new).replace("[message], max_tokens: 64,", "[message],")

    assert loaded(GOOD + text).snapshot.version != loaded(GOOD + POLICIES).snapshot.version
