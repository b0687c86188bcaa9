"""What the classifier says of a request: labels, each with where it came from. Pure values.

The words are closed sets, so that rules can be checked against them and records can be counted.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from proxy.values import value


class Workload(StrEnum):
    """What kind of work is asked for."""

    CLASSIFICATION = "classification"
    EXTRACTION = "extraction"
    SUMMARIZATION = "summarization"
    SYNTHESIS = "synthesis"
    CODE = "code"
    REASONING = "reasoning"
    TOOL_USE = "tool_use"
    POLICY_REVIEW = "policy_review"
    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class Sensitivity(StrEnum):
    """How carefully the text must be handled. UNKNOWN: not all of it was read; rules that speak
    of REGULATED mean it too.
    """

    PUBLIC = "public"
    INTERNAL = "internal"
    REGULATED = "regulated"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What was detected in the text."""

    EMAIL = "email"
    PHONE = "phone"
    PAYMENT_CARD = "payment_card"
    NATIONAL_ID = "national_id"
    IBAN = "iban"
    IP_ADDRESS = "ip_address"
    API_KEY = "api_key"
    PRIVATE_KEY = "private_key"
    HEALTH = "health"
    TERM = "term"


class OutputType(StrEnum):
    """What shape the answer should have."""

    TEXT = "text"
    JSON = "json"
    TABLE = "table"
    CODE = "code"
    TOOL_CALL = "tool_call"


class LatencyClass(StrEnum):
    """Whether somebody waits for the answer."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class Risk(StrEnum):
    """What a degraded answer would do."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Degradable(StrEnum):
    """How far a request may be stepped down when nothing fits; its risk alone says so.

    FREELY: by the ladder of the first rule that has one, then by its route's. BY_LADDER: by the
    first of the two that there is. BY_RULE: by a rule's only, which was written on purpose.
    """

    FREELY = "freely"
    BY_LADDER = "by_ladder"
    BY_RULE = "by_rule"


DEGRADABLE: Final[Mapping[Risk, Degradable]] = {
    Risk.LOW: Degradable.FREELY,
    Risk.NORMAL: Degradable.BY_LADDER,
    Risk.HIGH: Degradable.BY_RULE,
}


class Origin(StrEnum):
    """Where a label came from: the caller said so, the request's shape, a rule on its text, or
    nothing of these.
    """

    CALLER = "caller"
    STRUCTURE = "structure"
    RULE = "rule"
    DEFAULT = "default"


T = TypeVar("T")


class Label(NamedTuple, Generic[T]):
    """A label, where it came from and how sure that is: `confidence` from 0 to 1."""

    value: T
    origin: Origin
    confidence: float


@value
class Labels:
    """All labels of one request, free of its text.

    `kinds` are sorted and each once. `language` is an ISO 639-1 code, `und` where it cannot be
    told. `disallowed` names the configured patterns of disallowed content that matched.
    `lowering_ignored`: the caller claimed less sensitivity than was found, and was not believed.
    """

    workload: Label[Workload]
    sensitivity: Label[Sensitivity]
    kinds: tuple[Kind, ...]
    language: Label[str]
    output_type: Label[OutputType]
    risk: Label[Risk]
    latency_class: Label[LatencyClass]
    user_type: str | None = None
    disallowed: tuple[str, ...] = ()
    lowering_ignored: bool = False

    @property
    def degradable(self) -> Label[Degradable]:
        """As sure as the risk that it follows from; so it is nowhere stored."""
        return Label(DEGRADABLE[self.risk.value], self.risk.origin, self.risk.confidence)
