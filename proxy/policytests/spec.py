"""What a file of policy tests may say: keys, kinds and bounds. Pure.

A test is a request, the state of the world that it comes in, and what must become of it. What is
not said of the world is as it is on a quiet day: every breaker closed, nothing measured, prices as
the config has them, no budget.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from proxy.config.fields import Count, Flag, Id, NanoUsdPrice, Text, number_of
from proxy.config.policy_fields import Bound, Names, Share, Texts
from proxy.config.price_spec import PriceSpec
from proxy.config.spec import Spec
from proxy.domain.decision import Reason
from proxy.domain.labels import (
    Degradable,
    Kind,
    LatencyClass,
    OutputType,
    Risk,
    Sensitivity,
    Workload,
)
from proxy.domain.rules import DegradeStep, LogLevel, Strategy
from proxy.domain.standing import Breaker
from proxy.errors import CATALOGUE

MAX_TESTS = 1000
MAX_TIMES = 1_000_000
DEFAULT_ROUTE = "auto"
NOON = "2026-01-06T12:00:00Z"
"""When a request comes that does not say when: a Tuesday."""


def _moment(text: str) -> str:
    try:
        aware = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise ValueError("must be a moment with its zone, such as 2026-01-06T23:30:00+01:00")
    return text


def _draw(value: object) -> float:
    number = number_of(value)
    if not 0 <= number < 1:
        raise ValueError("must be at least 0 and less than 1")
    return float(number)


def _correction(value: object) -> float:
    number = number_of(value)
    if not -1 <= number <= 1:
        raise ValueError("must be between -1 and 1")
    return float(number)


def _code(text: str) -> str:
    if text not in CATALOGUE:
        raise ValueError("must be an error code; docs/errors.md lists them")
    return text


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _reason(value: object) -> object:
    """A word alone is the reason."""
    return {"reason": value} if isinstance(value, str) else value


def _or_not(key: str) -> BeforeValidator:
    """A word alone is *key*; false is that it did not happen."""

    def read(value: object) -> object:
        if value is False:
            return {}
        if isinstance(value, dict) and value:
            return value
        if isinstance(value, str):
            return {key: value}
        raise ValueError(f"must be a word ({key}), a mapping, or false: it did not happen")

    return BeforeValidator(read)


Moment = Annotated[str, Strict(), AfterValidator(_moment)]
Draw = Annotated[float, BeforeValidator(_draw)]
Correction = Annotated[float, BeforeValidator(_correction)]
ErrorCode = Annotated[str, Strict(), AfterValidator(_code)]
AnyText = Annotated[str, Strict()]
SentHeaders = Annotated[dict[Text, Text], AfterValidator(_header_names)]
Calls = Annotated[int, Strict(), Field(ge=0)]


class StandingSpec(Spec):
    """What is known of a target: see `domain.standing.Standing`. `price`, and `unpriced`: in place
    of what the config says.
    """

    breaker: Breaker = Breaker.CLOSED
    samples: Calls | None = None
    error_rate: Share | None = None
    first_token_p50_ms: Bound | None = None
    first_token_p95_ms: Bound | None = None
    tokens_per_s: Bound | None = None
    headroom: Share | None = None
    bytes_per_token: Bound | None = None
    attempts_per_success: Bound | None = None
    quality: dict[Workload, Correction] = Field(default_factory=dict)
    price: PriceSpec | None = None
    unpriced: Flag = False

    @model_validator(mode="after")
    def _is_priced_once(self) -> "StandingSpec":
        if self.unpriced and self.price is not None:
            raise ValueError("has a 'price' and is 'unpriced'; remove one")
        return self


class BudgetSpec(Spec):
    """What the tenant may spend, and what it has spent so far. Of a hard one the most that a call
    can cost is reserved, of a `soft` one what it is expected to cost.
    """

    limit_nanousd: NanoUsdPrice = Field(alias="limit_usd")
    spent_nanousd: NanoUsdPrice = Field(0, alias="spent_usd")
    soft: Flag = False


class WorldSpec(Spec):
    """The state of the world that the request comes in.

    `premium_calls`: by scope, how many premium calls its value has had. `tool_calls_from`: the
    provider that issued the tool calls whose results the request brings. `cached_answer_from`: the
    target whose answer to the very same request is kept.
    """

    targets: dict[Id, StandingSpec] = Field(default_factory=dict)
    budget: BudgetSpec | None = None
    premium_calls: dict[Id, Calls] = Field(default_factory=dict)
    tool_calls_from: Id | None = None
    cached_answer_from: Id | None = None


class RejectedSpec(Spec):
    """Why a target must not be ranked."""

    reason: Reason | None = None
    rule: Id | None = None


class LabelsSpec(Spec):
    """What the classifier must say. `kinds` and `disallowed` are all of them."""

    workload: Workload | None = None
    sensitivity: Sensitivity | None = None
    kinds: Annotated[tuple[Kind, ...] | None, Field(max_length=100)] = None
    language: Text | None = None
    output_type: OutputType | None = None
    risk: Risk | None = None
    degradable: Degradable | None = None
    latency_class: LatencyClass | None = None
    user_type: Text | None = None
    disallowed: tuple[Id, ...] | None = None
    lowering_ignored: Flag | None = None


class DegradedSpec(Spec):
    """What must have been stepped down; with nothing in it, nothing."""

    step: DegradeStep | None = None
    from_: Text | None = Field(None, alias="from")
    to: Text | None = None
    reason: Text | None = None


class RefusedSpec(Spec):
    """What the client must be told; with nothing in it, that it is not refused."""

    code: ErrorCode | None = None
    rule: Id | None = None


class CostSpec(Spec):
    """Bounds on the predicted cost of the first candidate, both inclusive."""

    at_most: NanoUsdPrice | None = None
    at_least: NanoUsdPrice | None = None

    @model_validator(mode="after")
    def _is_a_bound(self) -> "CostSpec":
        if self.at_most is None and self.at_least is None:
            raise ValueError("needs at_most or at_least")
        return self


class ExpectSpec(Spec):
    """What must become of the request. What is not said may be anything.

    `selected`, `fallback`, `admitted`, `never` and the keys of `rejected` are targets, `*` standing
    for any part of an id.
    """

    route: Id | None = None
    strategy: Strategy | None = None
    selected: Text | None = None
    fallback: Text | None = None
    ranked: Annotated[tuple[Id, ...] | None, Field(max_length=100)] = None
    never: Texts | None = None
    rejected: dict[Text, Annotated[RejectedSpec, BeforeValidator(_reason)]] | None = None
    labels: LabelsSpec | None = None
    rules: Names | None = None
    not_rules: Names | None = None
    degraded: Annotated[DegradedSpec, _or_not("step")] | None = None
    refused: Annotated[RefusedSpec, _or_not("code")] | None = None
    message: Text | None = None
    from_cache: Id | None = None
    redacted: Annotated[tuple[Kind, ...] | None, Field(max_length=100)] = None
    log: LogLevel | None = None
    cost_usd: CostSpec | None = None
    max_output_tokens: Count | None = None
    max_attempts: Count | None = None
    throttled: Flag | None = None
    admitted: Text | None = None
    limit_met: Text | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> "ExpectSpec":
        if not self.model_fields_set:
            raise ValueError("expects nothing, so that it could never fail; say something")
        return self


class DefaultsSpec(Spec):
    """What every test of the file has that does not say otherwise."""

    tenant: Id | None = None
    route: Id = DEFAULT_ROUTE
    headers: SentHeaders = Field(default_factory=dict)
    time: Moment = NOON


class TestSpec(Spec):
    """One test. `request` is a body as a client sends it; `prompt`, *prompt_times* over, is the
    user's text of one that is made.
    """

    __test__ = False  # pytest would take it for one of its own

    name: Text
    tenant: Id | None = None
    route: Id | None = None
    endpoint: Literal["chat", "completions", "embeddings"] = "chat"
    prompt: AnyText | None = None
    prompt_times: Annotated[Count, Field(le=MAX_TIMES)] = 1
    request: dict[Text, Any] = Field(default_factory=dict)
    headers: SentHeaders = Field(default_factory=dict)
    time: Moment | None = None
    draw: Draw = 0.5
    key_tags: Annotated[tuple[Id, ...], Field(max_length=16)] = ()
    world: WorldSpec = WorldSpec()
    expect: ExpectSpec

    @model_validator(mode="after")
    def _asks_something(self) -> "TestSpec":
        if self.prompt is None and not self.request:
            raise ValueError("needs a prompt or a request")
        if self.prompt is not None and {"messages", "prompt", "input"} & set(self.request):
            raise ValueError("has a text in 'prompt' and in 'request'; remove one")
        return self


class FileSpec(Spec):
    """A whole file. `config` is relative to it."""

    config: Text | None = None
    defaults: DefaultsSpec = DefaultsSpec()
    tests: Annotated[tuple[TestSpec, ...], Field(min_length=1, max_length=MAX_TESTS)]


def json_number(value: object) -> object:
    """A number of a `request` that JSON does not know as it is read.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError
