"""What is known of a target right now: the live figures that scoring reads. Pure values.

They come through the ports, from in-process windows or from those that replicas share, and are
part of the snapshot, so a decision stays a function of two values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.domain.labels import Workload


class Breaker(StrEnum):
    """Whether a target is called. HALF_OPEN: for a probe only."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of one target. None: nothing is known yet, which is neither good nor bad.

    `samples` is how many attempts the figures rest on. `error_rate` is in [0, 1].
    `tokens_per_s` is the speed of an answer once it began. `headroom` is the share, in [0, 1],
    of the provider's limits that is left. `bytes_per_token` calibrates size estimates.
    `attempts_per_success` is at least 1. `quality` corrects the configured figure of a workload,
    by addition, in [-1, 1].
    """

    breaker: Breaker = Breaker.CLOSED
    samples: int = 0
    error_rate: float | None = None
    first_token_p50_ms: float | None = None
    first_token_p95_ms: float | None = None
    tokens_per_s: float | None = None
    headroom: float | None = None
    bytes_per_token: float | None = None
    attempts_per_success: float | None = None
    quality: Mapping[Workload, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """What answers of one route and workload were like: for expected cost. None: not known."""

    samples: int = 0
    completion_tokens_p50: int | None = None
    completion_tokens_p95: int | None = None
    attempts_per_success: float | None = None
    tool_calls: float | None = None
