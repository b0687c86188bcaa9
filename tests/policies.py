"""Builds rules, conditions and rulings, by hand and by hypothesis, for the tests of policies."""

from datetime import UTC
from random import Random
from typing import Any

from hypothesis import strategies as st

from proxy.domain.catalog import Capability, Endpoint, Target, Tier
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
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind, LatencyClass, Sensitivity, Workload
from proxy.domain.policies import Rule
from proxy.domain.rules import (
    Attribute,
    Degrade,
    DegradeStep,
    Demand,
    LogLevel,
    Match,
    PremiumCap,
    Refusal,
    Ruling,
    Strategy,
    Term,
    Weights,
)
from proxy.domain.scopes import scope_hash
from tests.builders import a_provider, a_target, some_facts, some_labels


def a_match(attribute: Attribute, *values: str) -> Match:
    """A target's *attribute* is, or holds, one of *values*."""
    return Match(attribute, frozenset(values))


def a_demand(
    attribute: Attribute, *values: str, by: str = "rule", forbidden: bool = False
) -> Demand:
    """What the rule *by* asks of targets."""
    return Demand(by, a_match(attribute, *values), forbidden)


def a_rule(id_: str = "rule", when: Condition = ALWAYS, **says: Any) -> Rule:
    """A rule that says *says*."""
    return Rule(id_, when, Ruling(applied=(id_,), **says))


SCOPE_KEY = b"a key of the tests"

words = st.sampled_from(["acme", "globex", "code", "regulated", "en", "x"]).map(str)
values = st.frozensets(words, min_size=1, max_size=3)
atoms: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Is, st.sampled_from(Word), st.none() | values),
    st.builds(Has, st.sampled_from(Group), st.none() | st.frozensets(
        st.sampled_from(["email", "iban", "tools", "ci", "bad"]), min_size=1)),
    st.builds(Between, st.sampled_from(Number), st.none() | st.integers(0, 50),
              st.none() | st.integers(10, 60)),
    st.builds(Costs, st.none() | st.integers(0, 9), st.none() | st.integers(0, 10**7)),
    st.builds(Sent, st.sampled_from(["x-a", "x-b"]), st.none() | values),
    st.builds(InScope, st.sampled_from(["ticket", "region"]), st.none() | values),
    st.builds(During, st.just(UTC), st.integers(0, 1439), st.integers(0, 1440),
              st.frozensets(st.integers(0, 6))),
)  # fmt: skip
conditions: st.SearchStrategy[Condition] = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)


def _facts(seed: int) -> Facts:
    """A request; made from a seed, as hypothesis draws so many parts too slowly."""
    chance = Random(seed)
    words = ["acme", "globex", "code", "regulated", "en", "x"]
    scopes = [(chance.choice(["ticket", "region"]), chance.choice(words)) for _ in range(2)]
    headers = [(chance.choice(["x-a", "x-b"]), chance.choice(words)) for _ in range(2)]
    return some_facts(
        tenant_id=chance.choice(["acme", "globex"]),
        tenant_tier=chance.choice(["free", "enterprise"]),
        key_tags=frozenset(chance.sample(["ci"], chance.randint(0, 1))),
        endpoint=chance.choice(list(Endpoint)),
        labels=some_labels(
            workload=chance.choice(list(Workload)),
            sensitivity=chance.choice(list(Sensitivity)),
            language=chance.choice(["en", "de"]),
            latency_class=chance.choice(list(LatencyClass)),
            kinds=chance.choice([(), (Kind.EMAIL,), (Kind.EMAIL, Kind.IBAN)]),
            disallowed=chance.choice([(), ("bad",)]),
            lowering_ignored=chance.random() < 0.5,
        ),
        needs=frozenset(chance.sample(list(Capability), chance.randint(0, 2))),
        stream=chance.random() < 0.5,
        prompt_bytes=chance.randint(0, 200),
        max_output_tokens=chance.choice([None, chance.randint(1, 60)]),
        feature=chance.choice([None, *words]),
        session=chance.choice([None, "x"]),
        scopes=tuple((name, scope_hash(SCOPE_KEY, name, value))
                     for name, value in scopes[: chance.randint(0, 2)]),
        headers=tuple(headers[: chance.randint(0, 2)]),
        tool_origin=chance.choice([None, "p1", "p2"]),
        unix_s=chance.randint(0, 2_000_000_000),
    )  # fmt: skip


def _ruling(seed: int) -> Ruling:
    """What one rule may say. Made from a seed: hypothesis draws two dozen parts too slowly."""
    chance = Random(seed)

    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.3 else None

    by = chance.choice("abc")
    cost, latency, quality = (maybe(chance.randint(1, 5)) for _ in range(3))
    caps = PremiumCap(by, chance.choice(["ticket", "user"]), chance.randint(1, 3))
    return Ruling(
        applied=(by,),
        demands=tuple(_demand(chance) for _ in range(chance.choice([0, 0, 1, 2]))),
        refusal=maybe(Refusal(by, "no")),
        prefer=tuple(_match(chance) for _ in range(chance.choice([0, 0, 1, 2]))),
        weights=maybe(Weights(((chance.choice(list(Term)), 1.0),))),
        strategy=maybe(chance.choice(list(Strategy))),
        degrade=maybe(Degrade((chance.choice(list(DegradeStep)),))),
        redact=frozenset(chance.sample(list(Kind), chance.choice([0, 0, 1, 2]))),
        log=chance.choice(list(LogLevel)),
        max_cost_nanousd=cost,
        max_cost_rule=None if cost is None else by,
        max_latency_ms=latency,
        max_latency_rule=None if latency is None else by,
        min_quality=None if quality is None else quality / 5,
        min_quality_rule=None if quality is None else by,
        max_attempts=maybe(chance.randint(1, 3)),
        max_output_tokens=maybe(chance.randint(1, 3)),
        premium_caps=() if chance.random() < 0.5 else (caps,),
        caching_allowed=maybe(chance.random() < 0.5),
    )


def _match(chance: Random) -> Match:
    attribute = chance.choice(list(_WORDS))
    return a_match(attribute, chance.choice(_WORDS[attribute]))


def _demand(chance: Random) -> Demand:
    return Demand(chance.choice("abc"), _match(chance), chance.random() < 0.5)


def _target(seed: int) -> Target:
    chance = Random(seed)
    provider = a_provider(
        chance.choice(["p1", "p2"]),
        region=chance.choice([None, "eu", "us"]),
        certifications=frozenset(chance.sample(["dpa", "soc2"], chance.randint(0, 2))),
        tags=frozenset(chance.sample(["own"], chance.randint(0, 1))),
    )
    capable = frozenset(chance.sample([Capability.TOOLS, Capability.VISION], chance.randint(0, 2)))
    return a_target(
        f"{provider.id}/{seed}",
        provider=provider,
        tier=chance.choice(list(Tier)),
        capabilities=chance.choice([None, capable]),
        tags=frozenset(chance.sample(["thinks"], chance.randint(0, 1))),
        quality={key: chance.choice([0.3, 0.8])
                 for key in chance.sample(["default", "code"], chance.randint(0, 2))},
    )  # fmt: skip


_WORDS = {
    Attribute.PROVIDER: ["p1", "p2"],
    Attribute.REGION: ["eu", "us"],
    Attribute.CERTIFICATIONS: ["dpa", "soc2"],
    Attribute.TIER: ["premium", "economy"],
    Attribute.CAPABILITIES: ["tools", "vision"],
    Attribute.TAGS: ["own", "thinks"],
}

seeds = st.integers(0, 2**32)
facts = seeds.map(_facts)
rulings = seeds.map(_ruling)
targets = seeds.map(_target)
demands = seeds.map(lambda seed: _demand(Random(seed)))
some_conditions = st.sampled_from([
    ALWAYS, Is(Word.TENANT, frozenset({"acme"})), Is(Word.TIER, frozenset({"free"})),
    Is(Word.FEATURE, None), Not(Is(Word.FEATURE, None)), Has(Group.KINDS, frozenset({"email"})),
    Between(Number.PROMPT_TOKENS, 10, None), Sent("x-a", None),
    InScope("ticket", frozenset({"acme", "x"})),
    AllOf((Is(Word.TENANT, frozenset({"acme"})), Is(Word.STREAM, None))),
    AnyOf((Is(Word.TENANT, frozenset({"globex"})), Sent("x-b", frozenset({"en"})))),
])  # fmt: skip
rules = st.builds(
    lambda number, when, says: Rule(str(number), when, says), seeds, some_conditions, rulings
)
