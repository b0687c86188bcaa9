"""What the operators wrote, checked and frozen: providers, targets, routes. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.domain.price import Price
from proxy.domain.rules import Degrade, Strategy, Weights

DEFAULT_QUALITY: Final = "default"
"""The key of a target's `quality` for every workload that has no figure of its own."""


class Endpoint(StrEnum):
    """What a client asks for; the value is the path below `/v1`."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"


class Capability(StrEnum):
    """What a target can do beyond plain text in, plain text out."""

    COMPLETIONS = "completions"
    TOOLS = "tools"
    VISION = "vision"
    AUDIO = "audio"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"


class Tier(StrEnum):
    """How dear a target is held to be."""

    ECONOMY = "economy"
    STANDARD = "standard"
    PREMIUM = "premium"


class UsageInStream(StrEnum):
    """How a target comes to report usage in a stream.

    ask: it does when `stream_options.include_usage` says so; always: it does unasked;
    never: it does not know `stream_options`, which is taken out of the request.
    """

    ASK = "ask"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines of one attempt, by phase, in seconds.

    first_byte_s runs from the start of the attempt to a stream's first complete event;
    plain_first_byte_s to the first byte of a plain answer's body, which many providers send only
    when all of it is written. total_s ends the attempt however it goes.
    """

    connect_s: float = 3.0
    first_byte_s: float = 60.0
    plain_first_byte_s: float = 300.0
    between_chunks_s: float = 60.0
    total_s: float = 600.0

    def until_first_byte_s(self, *, stream: bool) -> float:
        """How long an answer may take to begin."""
        return self.first_byte_s if stream else self.plain_first_byte_s


@dataclass(frozen=True, slots=True)
class Provider:
    """An account at a vendor, or a self-hosted server.

    `endpoint_base` is the URL that paths such as `chat/completions` are appended to, with `/v1`
    and without a closing slash. `credential` is a reference (`env:NAME`, `file:PATH`), never a
    secret. `headers` and `query` are sent with every request. `ca_file`: PEM of the authorities to
    trust in place of the system's. `allow_private`: its addresses need not be public ones.
    `tags` are the operators' own words, for rules; they hold for each of its targets.
    """

    id: str
    dialect: str
    endpoint_base: str
    credential: str | None = None
    region: str | None = None
    certifications: frozenset[str] = frozenset()
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_connections: int = 1000
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    ca_file: str | None = None
    allow_private: bool = False
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider. `capabilities` None: not stated, so nothing is ruled out.

    A target with an `embedding_space` serves embeddings and nothing else; one without serves
    chat (and completions where it has that capability). `quality` is the operators' figure, from
    0 to 1, by workload and DEFAULT_QUALITY.
    """

    id: str
    provider: Provider
    model: str
    price: Price | None
    context_window_tokens: int | None = None
    capabilities: frozenset[Capability] | None = None
    tier: Tier = Tier.STANDARD
    usage_in_stream: UsageInStream = UsageInStream.ASK
    embedding_space: str | None = None
    max_output_tokens: int | None = None
    tags: frozenset[str] = frozenset()
    quality: Mapping[str, float] = field(default_factory=dict, hash=False)

    def quality_for(self, workload: str) -> float | None:
        """How good its answers are held to be at *workload*; None: nobody has said."""
        found = self.quality.get(workload)
        return self.quality.get(DEFAULT_QUALITY) if found is None else found


@dataclass(frozen=True, slots=True)
class Route:
    """The model name that a client sends, and its targets in order of preference.

    `deadline_s` bounds a whole request, all its attempts included; `max_attempts` bounds those.
    `strategy`, `weights` and `degrade` hold where no rule says its own; None: the defaults do.
    """

    id: str
    targets: tuple[Target, ...]
    deadline_s: float = 600.0
    max_attempts: int = 3
    strategy: Strategy | None = None
    weights: Weights | None = None
    degrade: Degrade | None = None
