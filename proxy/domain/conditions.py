"""When a rule applies: a tree of conditions on the facts of a request. Pure values.

A fact that is not there fulfils no condition on it, so `Not` of one holds for it. But where the
text was not read to its end, every condition on its kinds holds, and no `Not` of one: what was
not read may hold any kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from operator import attrgetter
from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.domain.facts import Facts
from proxy.domain.labels import Sensitivity
from proxy.domain.price import Price, cost_of
from proxy.domain.usage import BYTES_PER_TOKEN, estimated_usage

OUTPUT_TOKENS_UNSAID: Final = 1024
"""How long an answer is taken to be where the request does not bound it, for estimated cost."""

MINUTES_PER_DAY: Final = 24 * 60


class Word(StrEnum):
    """A fact that is one word, or a flag; the value is how it is written in a config."""

    TENANT = "tenant"
    FEATURE = "feature"
    ROUTE = "route"
    WORKLOAD = "workload"
    TOOL_ORIGIN = "tool_origin"
    USER_TYPE = "user_type"
    LANGUAGE = "language"
    OUTPUT_TYPE = "output_type"
    TIER = "tier"
    SENSITIVITY = "sensitivity"
    RISK = "risk"
    ENDPOINT = "endpoint"
    LATENCY = "latency"
    WORKLOAD_ORIGIN = "workload_origin"
    SESSION = "session"
    STREAM = "stream"
    LOWERING_IGNORED = "lowering_ignored"


class Group(StrEnum):
    """A fact that is a set of words."""

    KEY_TAG = "key_tag"
    KINDS = "kinds"
    NEEDS = "needs"
    DISALLOWED = "disallowed"


class Number(StrEnum):
    """A fact that is a number."""

    PROMPT_TOKENS = "prompt_tokens"
    OUTPUT_TOKENS = "output_tokens"
    PROMPT_BYTES = "prompt_bytes"
    MESSAGES = "messages"
    TURNS = "turns"
    IMAGES = "images"
    TOOLS = "tools"
    N = "n"
    MAX_LATENCY_MS = "max_latency_ms"
    WORKLOAD_CONFIDENCE = "workload_confidence"
    DRAW = "draw"


WORD_OF: Final[Mapping[Word, Callable[[Facts], str | bool | None]]] = {
    Word.TENANT: attrgetter("tenant_id"),
    Word.FEATURE: attrgetter("feature"),
    Word.ROUTE: attrgetter("route_id"),
    Word.WORKLOAD: attrgetter("labels.workload.value"),
    Word.TOOL_ORIGIN: attrgetter("tool_origin"),
    Word.USER_TYPE: attrgetter("labels.user_type"),
    Word.LANGUAGE: attrgetter("labels.language.value"),
    Word.OUTPUT_TYPE: attrgetter("labels.output_type.value"),
    Word.TIER: attrgetter("tenant_tier"),
    Word.SENSITIVITY: attrgetter("labels.sensitivity.value"),
    Word.RISK: attrgetter("labels.risk.value"),
    Word.ENDPOINT: attrgetter("endpoint"),
    Word.LATENCY: attrgetter("labels.latency_class.value"),
    Word.WORKLOAD_ORIGIN: attrgetter("labels.workload.origin"),
    Word.SESSION: attrgetter("session"),
    Word.STREAM: attrgetter("stream"),
    Word.LOWERING_IGNORED: attrgetter("labels.lowering_ignored"),
}

GROUP_OF: Final[Mapping[Group, Callable[[Facts], frozenset[str] | tuple[str, ...]]]] = {
    Group.KEY_TAG: attrgetter("key_tags"),
    Group.KINDS: attrgetter("labels.kinds"),
    Group.NEEDS: attrgetter("needs"),
    Group.DISALLOWED: attrgetter("labels.disallowed"),
}


def may_hold_any(group: Group, facts: Facts) -> bool:
    """Whether *group* may hold elements that nobody looked for: kinds, in what was not read."""
    return group is Group.KINDS and facts.labels.sensitivity.value == Sensitivity.UNKNOWN


def estimated_prompt_tokens(facts: Facts) -> int:
    """The prompt's tokens by its bytes, the same for every target."""
    return -(-facts.prompt_bytes // BYTES_PER_TOKEN)


_NUMBER_OF: Final[Mapping[Number, Callable[[Facts], float | None]]] = {
    Number.PROMPT_TOKENS: estimated_prompt_tokens,
    Number.OUTPUT_TOKENS: attrgetter("max_output_tokens"),
    Number.PROMPT_BYTES: attrgetter("prompt_bytes"),
    Number.MESSAGES: attrgetter("message_count"),
    Number.TURNS: attrgetter("turns"),
    Number.IMAGES: attrgetter("images"),
    Number.TOOLS: attrgetter("tools"),
    Number.N: attrgetter("n"),
    Number.MAX_LATENCY_MS: attrgetter("max_latency_ms"),
    Number.WORKLOAD_CONFIDENCE: attrgetter("labels.workload.confidence"),
    Number.DRAW: attrgetter("draw"),
}


@dataclass(frozen=True, slots=True)
class Is:
    """The word is one of *values*; None: it is said at all, or the flag is set."""

    word: Word
    values: frozenset[str] | None

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        found = WORD_OF[self.word](facts)
        return bool(found) if self.values is None else found in self.values


@dataclass(frozen=True, slots=True)
class Has:
    """The set holds, or may hold, one of *values*; None: anything."""

    group: Group
    values: frozenset[str] | None

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        if may_hold_any(self.group, facts):
            return True
        found = GROUP_OF[self.group](facts)
        return bool(found) if self.values is None else not self.values.isdisjoint(found)


@dataclass(frozen=True, slots=True)
class Between:
    """The number is known and within the bounds, both inclusive; None: no bound."""

    number: Number
    at_least: float | None
    at_most: float | None

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        return _within(_NUMBER_OF[self.number](facts), self.at_least, self.at_most)


@dataclass(frozen=True, slots=True)
class Costs:
    """What the request may cost at the dearest target of its route is within the bounds, in
    nano-dollars. `prices` are those of each route's targets; a route without prices fulfils
    nothing.
    """

    at_least: float | None
    at_most: float | None
    prices: Mapping[str, tuple[Price, ...]] = field(default_factory=dict, hash=False)

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        prices = self.prices.get(facts.route_id)
        if not prices:
            return False
        usage = estimated_usage(facts.prompt_bytes, _output_tokens(facts))
        return _within(max(cost_of(usage, price) for price in prices), self.at_least, self.at_most)


@dataclass(frozen=True, slots=True)
class Sent:
    """The header *name* (lower case) was sent, with one of *values*; None: with any.

    Values are compared without regard to case: `EU` for `eu` must not slip past a rule. Nor must a
    header that was sent twice, or with a list: each of its values counts.
    """

    name: str
    values: frozenset[str] | None

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        return any(
            name == self.name and (self.values is None or not self.values.isdisjoint(_each(value)))
            for name, value in facts.headers
        )


def _each(value: str) -> list[str]:
    """A header's *value* as it is, and the members of the list that it may be (RFC 9110, 5.6.1)."""
    lowered = value.lower()
    return [lowered.strip(), *(member.strip() for member in lowered.split(","))]


@dataclass(frozen=True, slots=True)
class InScope:
    """The scope *name* was named, with one of *values*; None: with any.

    Facts hold only hashes of scopes' values, so `hashes` are what is compared: see
    `policies.policies_of`, which knows the key.
    """

    name: str
    values: frozenset[str] | None
    hashes: frozenset[str] = frozenset()

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        return any(
            name == self.name and (self.values is None or hashed in self.hashes)
            for name, hashed in facts.scopes
        )


@dataclass(frozen=True, slots=True)
class During:
    """The local time is in a window of the day, on one of *days* (0 is Monday).

    The window runs from the minute *start* up to, without, the minute *end* of the day; with an
    end before the start it runs past midnight and belongs to the day that it began on.
    """

    zone: tzinfo
    start: int = 0
    end: int = MINUTES_PER_DAY
    days: frozenset[int] = frozenset(range(7))

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        local = datetime.fromtimestamp(facts.unix_s, self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start <= self.end:
            return self.start <= minute < self.end and day in self.days
        if minute < self.end:
            return (day - 1) % 7 in self.days
        return minute >= self.start and day in self.days


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds. Without parts it always does."""

    parts: "tuple[Condition, ...]" = ()

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        for part in self.parts:  # noqa: SIM110 - a generator costs as much as a condition
            if not part.holds(facts):
                return False
        return True


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: "tuple[Condition, ...]"

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        for part in self.parts:  # noqa: SIM110 - a generator costs as much as a condition
            if part.holds(facts):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"

    def holds(self, facts: Facts) -> bool:
        """Whether this is so of *facts*."""
        return not self.part.holds(facts)


Condition = AllOf | AnyOf | Not | Is | Has | Between | Costs | Sent | InScope | During

ALWAYS: Final = AllOf()


def _within(found: float | None, at_least: float | None, at_most: float | None) -> bool:
    if found is None or (at_least is not None and found < at_least):
        return False
    return at_most is None or found <= at_most


def _output_tokens(facts: Facts) -> int:
    if facts.endpoint is Endpoint.EMBEDDINGS:
        return 0
    return (facts.max_output_tokens or OUTPUT_TOKENS_UNSAID) * facts.n
