"""From entries of `policies` to rules: conditions, demands and the rest. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final
from zoneinfo import ZoneInfo

from proxy.config.policy_spec import (
    DegradeSpec,
    MatchSpec,
    PolicySpec,
    RangeSpec,
    TimeSpec,
    WhenSpec,
)
from proxy.domain.catalog import Endpoint
from proxy.domain.conditions import (
    MINUTES_PER_DAY,
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
from proxy.domain.labels import Sensitivity
from proxy.domain.policies import Rule
from proxy.domain.rules import (
    Attribute,
    Degrade,
    Demand,
    LogLevel,
    Match,
    PremiumCap,
    Refusal,
    Ruling,
    Term,
    Weights,
)
from proxy.units import NANOUSD_PER_USD, NanoUsd

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ENDPOINTS: Final = {
    "chat": Endpoint.CHAT,
    "completions": Endpoint.COMPLETIONS,
    "embeddings": Endpoint.EMBEDDINGS,
}
_ALL_OF_A_SET: Final = (Attribute.CERTIFICATIONS, Attribute.CAPABILITIES, Attribute.TAGS)
"""Attributes of which a target has several: a requirement of two means both."""


def rule_of(spec: PolicySpec) -> Rule:
    """The rule that *spec* writes."""
    return Rule(spec.id, condition_of(spec.when), _ruling(spec), spec.why)


def condition_of(when: WhenSpec) -> Condition:
    """The condition that *when* writes: all of its keys."""
    parts = tuple(_parts(when))
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _parts(when: WhenSpec) -> Iterator[Condition]:
    said = {key: getattr(when, key) for key in sorted(when.model_fields_set)}
    for key, value in said.items():
        match value:
            case RangeSpec():
                yield _between(key, value)
            case TimeSpec():
                yield _during(value)
            case WhenSpec():
                yield Not(condition_of(value))
            case bool() | tuple() if key in set(Word) | set(Group):
                yield _words(key, value)
            case dict():
                yield from _named(key, value)
            case _:
                parts = tuple(condition_of(part) for part in value)
                yield AllOf(parts) if key == "all_" else AnyOf(parts)


def _words(key: str, said: tuple[str, ...] | bool) -> Condition:
    values = None if isinstance(said, bool) else frozenset(_as_in_facts(key, said))
    condition: Condition = Is(Word(key), values) if key in set(Word) else Has(Group(key), values)
    return Not(condition) if said is False else condition


def _as_in_facts(key: str, words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield ENDPOINTS[word] if key == Word.ENDPOINT else str(word)
        if word == Sensitivity.REGULATED:
            # Text that was not read may hold anything, so it is handled as what must not leak.
            yield str(Sensitivity.UNKNOWN)


def _named(key: str, said: dict[str, tuple[str, ...] | bool]) -> Iterator[Condition]:
    for name, words in sorted(said.items()):
        condition: Condition
        if key == "scope":
            condition = InScope(name, None if isinstance(words, bool) else frozenset(words))
        else:
            lowered = words if isinstance(words, bool) else [word.lower() for word in words]
            condition = Sent(name, None if isinstance(lowered, bool) else frozenset(lowered))
        yield Not(condition) if words is False else condition


def _between(key: str, spec: RangeSpec) -> Condition:
    if key == "cost_usd":
        return Costs(_nanousd(spec.min), _nanousd(spec.max))
    return Between(Number(key), spec.min, spec.max)


def _nanousd(usd: float | None) -> float | None:
    return None if usd is None else usd * NANOUSD_PER_USD


def _during(spec: TimeSpec) -> During:
    return During(
        zone=ZoneInfo(spec.zone),
        start=0 if spec.from_ is None else _minute(spec.from_),
        end=MINUTES_PER_DAY if spec.to is None else _minute(spec.to),
        days=frozenset(DAYS.index(day) for day in spec.days or DAYS),
    )


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _ruling(spec: PolicySpec) -> Ruling:
    by = spec.id
    cap = spec.cap
    return Ruling(
        applied=(by,),
        demands=(*_required(by, spec.require), *_forbidden(by, spec.forbid)),
        refusal=None if spec.refuse is None else Refusal(by, spec.refuse),
        prefer=tuple(match for each in spec.prefer or () for match in _matches(each)),
        weights=weights_of(spec.weights),
        strategy=spec.strategy,
        degrade=degrade_of(spec.degrade),
        redact=frozenset(spec.redact or ()),
        log=spec.log or LogLevel.FULL,
        max_cost_nanousd=None if spec.max_cost_usd is None else NanoUsd(spec.max_cost_usd),
        max_cost_rule=None if spec.max_cost_usd is None else by,
        max_latency_ms=spec.max_latency_ms,
        max_latency_rule=None if spec.max_latency_ms is None else by,
        min_quality=spec.min_quality,
        min_quality_rule=None if spec.min_quality is None else by,
        max_attempts=cap.attempts if cap else None,
        max_output_tokens=cap.max_tokens if cap else None,
        premium_caps=(
            ()
            if spec.premium_cap is None
            else (PremiumCap(by, spec.premium_cap.scope, spec.premium_cap.calls),)
        ),
        caching_allowed=spec.cache,
    )


def _required(by: str, spec: MatchSpec | None) -> Iterator[Demand]:
    for match in _matches(spec):
        each = (
            [Match(match.attribute, frozenset({value})) for value in sorted(match.values)]
            if match.attribute in _ALL_OF_A_SET
            else [match]
        )
        yield from (Demand(by, one, forbidden=False) for one in each)


def _forbidden(by: str, spec: MatchSpec | None) -> Iterator[Demand]:
    for match in _matches(spec):
        yield Demand(by, match, forbidden=True)


def _matches(spec: MatchSpec | None) -> Iterator[Match]:
    for attribute in Attribute if spec is not None else ():
        if (values := getattr(spec, attribute)) is not None:
            yield Match(attribute, frozenset(str(value) for value in values))


def weights_of(written: dict[Term, float] | None) -> Weights | None:
    """The weights that *written* names, in the terms' own order."""
    if written is None:
        return None
    return Weights(tuple((term, written[term]) for term in Term if term in written))


def degrade_of(spec: DegradeSpec | None) -> Degrade | None:
    """The ladder that *spec* writes."""
    return None if spec is None else Degrade(spec.steps, spec.max_tokens, spec.message)
