"""What an entry of `policies` may say: keys and how they fit together. Pure.

One value may stand where a list may. `when` with several keys means all of them.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from proxy.config.fields import Count, Flag, HeaderToMatch, Id, Text
from proxy.config.policy_fields import (
    MAX_LATENCY_MS,
    Bound,
    Clock,
    ClockOrMidnight,
    CostBound,
    Ids,
    Language,
    ListOf,
    Many,
    Names,
    Said,
    SaidKinds,
    SetOf,
    Share,
    Texts,
    Weights,
    Zone,
)
from proxy.config.spec import Spec
from proxy.domain.catalog import Capability, Tier
from proxy.domain.labels import Kind, LatencyClass, Origin, OutputType, Risk, Sensitivity, Workload
from proxy.domain.rules import DegradeStep, LogLevel, Strategy


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

    from_: Clock | None = Field(None, alias="from")
    to: ClockOrMidnight | None = None
    zone: Zone = "UTC"
    days: SetOf[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = None

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
    tier: SetOf[Literal["free", "pro", "enterprise"]] | None = None
    key_tag: Said | None = None
    route: Names | None = None
    endpoint: SetOf[Literal["chat", "completions", "embeddings"]] | None = None
    feature: Said | None = None
    user_type: Said | None = None
    scope: Annotated[dict[Id, Said], Field(min_length=1)] | None = None
    header: Annotated[dict[HeaderToMatch, Said], Field(min_length=1)] | None = None
    session: Flag | None = None
    workload: SetOf[Workload] | None = None
    workload_origin: SetOf[Origin] | None = None
    workload_confidence: RangeSpec | None = None
    sensitivity: SetOf[Sensitivity] | None = None
    kinds: SaidKinds | None = None
    disallowed: Said | None = None
    lowering_ignored: Flag | None = None
    language: SetOf[Language] | None = None
    output_type: SetOf[OutputType] | None = None
    risk: SetOf[Risk] | None = None
    latency: SetOf[LatencyClass] | None = None
    max_latency_ms: RangeSpec | None = None
    needs: SetOf[Capability] | None = None
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
    tier: SetOf[Tier] | None = None
    capabilities: SetOf[Capability] | None = None
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

    steps: ListOf[DegradeStep]
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
    redact: SetOf[Kind] | None = None
    log: LogLevel | None = None
    cap: CapSpec | None = None
    premium_cap: PremiumCapSpec | None = None
    max_cost_usd: CostBound | None = None
    max_latency_ms: Annotated[Count, Field(le=MAX_LATENCY_MS)] | None = None
    cache: Flag | None = None
    prefer: ListOf[PreferSpec] | None = None
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
