"""What an entry of `policies` may say: keys, kinds and bounds. Pure, but for the table of zones.

One value may stand where a list may. `when` with several keys means all of them.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from proxy.config.fields import (
    Count,
    Flag,
    HeaderToMatch,
    Id,
    Name,
    Text,
    nanousd_of,
    number_of,
    printable_text,
    sorted_set,
)
from proxy.config.near import did_you_mean
from proxy.config.spec import Spec
from proxy.domain.catalog import DEFAULT_QUALITY, Capability, Tier
from proxy.domain.labels import Kind, LatencyClass, Origin, OutputType, Risk, Sensitivity, Workload
from proxy.domain.rules import DegradeStep, LogLevel, Strategy, Term

MAX_POLICIES = 500
MAX_WORDS = 1000
MAX_AMOUNT = 10**12
MAX_WEIGHT = 1000
MAX_LATENCY_MS = 86_400_000

_T = TypeVar("_T")

_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_LANGUAGE = re.compile(r"[a-z]{2}|und")


def _many(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


def _said(value: object) -> tuple[str, ...] | bool:
    """Words, or true: it is said at all; false: it is not."""
    if isinstance(value, bool):
        return value
    words = value if isinstance(value, list | tuple) else (value,)
    if not words or len(words) > MAX_WORDS or not all(isinstance(word, str) for word in words):
        raise ValueError(
            "must be text, a list of texts, true (it is said at all) or false (it is not); put "
            "numbers in quotes"
        )
    return sorted_set(tuple(printable_text(word) for word in words))


def _said_kinds(value: object) -> tuple[str, ...] | bool:
    said, known = _said(value), [kind.value for kind in Kind]
    for word in () if isinstance(said, bool) else said:
        if word not in known:
            raise ValueError(
                f"must hold kinds, true or false; known are {', '.join(known)}"
                f"{did_you_mean(word, known)}"
            )
    return said


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("must be an ISO 639-1 code such as en, or und (it cannot be told)")
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        area = name.partition("/")[0]
        near = did_you_mean(name, [zone for zone in available_timezones() if zone.startswith(area)])
        raise ValueError(
            f"is not a time zone that is known here, such as Europe/Berlin{near}"
        ) from None
    return name


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError('must be a time of the day such as "06:00"; quote it')
    return text


def _clock_or_midnight(text: str) -> str:
    return text if text == "24:00" else _clock(text)


def _bound(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= MAX_AMOUNT:
        raise ValueError(f"must be between 0 and {MAX_AMOUNT}")
    return float(number)


def _share(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= 1:
        raise ValueError("must be between 0 and 1")
    return float(number)


def _weight(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= MAX_WEIGHT:
        raise ValueError(f"must be a weight between 0 and {MAX_WEIGHT}")
    return float(number)


def _workload_or_default(key: str) -> str:
    known = [DEFAULT_QUALITY, *[workload.value for workload in Workload]]
    if key not in known:
        raise ValueError(f"must be one of {', '.join(known)}{did_you_mean(key, known)}")
    return key


def _not_all_zero(weights: dict[Term, float]) -> dict[Term, float]:
    if not any(weights.values()):
        raise ValueError("needs at least one weight above 0")
    return weights


def _cost_bound(value: object) -> int:
    nanousd = nanousd_of(value)
    if nanousd == 0:
        raise ValueError("must be more than 0 dollars")
    return nanousd


Many = Annotated[tuple[_T, ...], Field(min_length=1, max_length=MAX_WORDS)]
_ONE_OR_MORE = BeforeValidator(_many)
_SORTED = AfterValidator(sorted_set)
Names = Annotated[Many[Name], _ONE_OR_MORE, _SORTED]
Ids = Annotated[Many[Id], _ONE_OR_MORE, _SORTED]
Texts = Annotated[Many[Text], _ONE_OR_MORE, _SORTED]
# Any, as a union would report a problem once for each of its kinds; the checks return those.
Said = Annotated[Any, BeforeValidator(_said)]
SaidKinds = Annotated[Any, BeforeValidator(_said_kinds)]
Language = Annotated[str, Strict(), AfterValidator(_language)]
Bound = Annotated[float, BeforeValidator(_bound)]
Share = Annotated[float, BeforeValidator(_share)]
Weights = Annotated[
    dict[Term, Annotated[float, BeforeValidator(_weight)]],
    Field(min_length=1),
    AfterValidator(_not_all_zero),
]
Quality = dict[Annotated[str, Strict(), AfterValidator(_workload_or_default)], Share]


class RangeSpec(Spec):
    """A number's bounds, both inclusive."""

    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "RangeSpec":
        if self.min is None and self.max is None:
            raise ValueError("needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("has a min above its max, so nothing can be between")
        return self


class TimeSpec(Spec):
    """`time`: a window of the day, in a zone, on some days of the week."""

    from_: Annotated[str, Strict(), AfterValidator(_clock)] | None = Field(None, alias="from")
    to: Annotated[str, Strict(), AfterValidator(_clock_or_midnight)] | None = None
    zone: Annotated[str, Strict(), AfterValidator(_zone)] = "UTC"
    days: (
        Annotated[
            Many[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], _ONE_OR_MORE, _SORTED
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _is_a_window(self) -> "TimeSpec":
        if (self.from_ is None) != (self.to is None):
            raise ValueError("needs both from and to, or neither")
        if self.from_ is None and self.days is None:
            raise ValueError("needs from and to, or days")
        return self


class WhenSpec(Spec):
    """`when`: conditions on a request's facts. Several keys: all of them."""

    tenant: Names | None = None
    tier: Annotated[Many[Literal["free", "pro", "enterprise"]], _ONE_OR_MORE, _SORTED] | None = None
    key_tag: Said | None = None
    route: Names | None = None
    endpoint: (
        Annotated[Many[Literal["chat", "completions", "embeddings"]], _ONE_OR_MORE, _SORTED] | None
    ) = None
    feature: Said | None = None
    user_type: Said | None = None
    scope: Annotated[dict[Id, Said], Field(min_length=1)] | None = None
    header: Annotated[dict[HeaderToMatch, Said], Field(min_length=1)] | None = None
    session: Flag | None = None
    workload: Annotated[Many[Workload], _ONE_OR_MORE, _SORTED] | None = None
    workload_origin: Annotated[Many[Origin], _ONE_OR_MORE, _SORTED] | None = None
    workload_confidence: RangeSpec | None = None
    sensitivity: Annotated[Many[Sensitivity], _ONE_OR_MORE, _SORTED] | None = None
    kinds: SaidKinds | None = None
    disallowed: Said | None = None
    lowering_ignored: Flag | None = None
    language: Annotated[Many[Language], _ONE_OR_MORE, _SORTED] | None = None
    output_type: Annotated[Many[OutputType], _ONE_OR_MORE, _SORTED] | None = None
    risk: Annotated[Many[Risk], _ONE_OR_MORE, _SORTED] | None = None
    latency: Annotated[Many[LatencyClass], _ONE_OR_MORE, _SORTED] | None = None
    max_latency_ms: RangeSpec | None = None
    needs: Annotated[Many[Capability], _ONE_OR_MORE, _SORTED] | None = None
    stream: Flag | None = None
    tool_origin: Said | None = None
    prompt_tokens: RangeSpec | None = None
    prompt_bytes: RangeSpec | None = None
    output_tokens: RangeSpec | None = None
    cost_usd: RangeSpec | None = None
    messages: RangeSpec | None = None
    turns: RangeSpec | None = None
    images: RangeSpec | None = None
    tools: RangeSpec | None = None
    n: RangeSpec | None = None
    draw: RangeSpec | None = None
    time: TimeSpec | None = None
    all_: "Many[WhenSpec] | None" = Field(None, alias="all")
    any_: "Many[WhenSpec] | None" = Field(None, alias="any")
    not_: "WhenSpec | None" = Field(None, alias="not")


class MatchSpec(Spec):
    """What `require`, `forbid` and `prefer` say of a target and its provider."""

    provider: Names | None = None
    target: Names | None = None
    model: Texts | None = None
    region: Ids | None = None
    certifications: Ids | None = None
    tier: Annotated[Many[Tier], _ONE_OR_MORE, _SORTED] | None = None
    capabilities: Annotated[Many[Capability], _ONE_OR_MORE, _SORTED] | None = None
    tags: Ids | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "MatchSpec":
        if not self.model_fields_set:
            raise ValueError("says nothing; name what a target must match, such as region: eu")
        return self


class PreferSpec(MatchSpec):
    """One preference; several of them stand in a list, so that their order is plain."""

    @model_validator(mode="after")
    def _is_one(self) -> "PreferSpec":
        if len(self.model_fields_set) > 1:
            raise ValueError("has several keys; write a list, the most preferred first")
        return self


class DegradeSpec(Spec):
    """`degrade`: the ladder for when nothing fits."""

    steps: Annotated[Many[DegradeStep], _ONE_OR_MORE]
    max_tokens: Annotated[Count, Field(le=100_000_000)] | None = None
    message: Text | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "DegradeSpec":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        last = {DegradeStep.MESSAGE, DegradeStep.REFUSE}
        if len(set(self.steps)) < len(self.steps):
            yield "names a step twice; remove one of the two"
        if last & set(self.steps[:-1]):
            yield "goes on after message or refuse, which end it; put that step last"
        for step, key, value in (
            (DegradeStep.FEWER_TOKENS, "max_tokens", self.max_tokens),
            (DegradeStep.MESSAGE, "message", self.message),
        ):
            if (step in self.steps) != (value is not None):
                yield f"needs both the step {step} and {key}, or neither"


class CapSpec(Spec):
    """`cap`: bounds of attempts and of an answer's length."""

    attempts: Annotated[Count, Field(le=3)] | None = None
    max_tokens: Annotated[Count, Field(le=100_000_000)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "CapSpec":
        if not self.model_fields_set:
            raise ValueError("needs attempts or max_tokens")
        return self


class PremiumCapSpec(Spec):
    """`premium_cap`: how many premium attempts each value of a scope gets."""

    scope: Id
    calls: Annotated[Count, Field(le=1_000_000)]


class PolicySpec(Spec):
    """An entry of `policies`."""

    id: Id
    why: Text | None = None
    when: WhenSpec = WhenSpec()
    require: MatchSpec | None = None
    forbid: MatchSpec | None = None
    min_quality: Share | None = None
    refuse: Text | None = None
    redact: Annotated[Many[Kind], _ONE_OR_MORE, _SORTED] | None = None
    log: LogLevel | None = None
    cap: CapSpec | None = None
    premium_cap: PremiumCapSpec | None = None
    max_cost_usd: Annotated[int, BeforeValidator(_cost_bound)] | None = None
    max_latency_ms: Annotated[Count, Field(le=MAX_LATENCY_MS)] | None = None
    cache: Flag | None = None
    prefer: Annotated[Many[PreferSpec], _ONE_OR_MORE] | None = None
    weights: Weights | None = None
    strategy: Strategy | None = None
    degrade: DegradeSpec | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "PolicySpec":
        if self.model_fields_set <= {"id", "why", "when"}:
            raise ValueError("says nothing; add require, forbid, prefer or another word")
        return self


class BuiltInSpec(Spec):
    """`built_in_rules`: the rules that hold without being written."""

    tool_loop_stays: Flag = True
