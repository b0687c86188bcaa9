"""The last minute of a target in figures: what came of attempts, and how long they took. Pure.

Times go to buckets whose bounds grow by a constant factor (the form of DDSketch: Masson, Rim and
Lee, VLDB 2019), so a quantile is known to within 5 % whatever its size, and the buckets of two
windows, or of two replicas, add up. What must add up is kept as counts; what is made of them is a
`Standing`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from proxy.domain.labels import Workload
from proxy.domain.outcome import FailureKind
from proxy.domain.standing import Breaker, Standing

T = TypeVar("T")

WINDOW_S: Final = 5
WINDOWS: Final = 12
"""Twelve windows of five seconds: the last minute."""

ERROR: Final = 0.05
_GROWTH: Final = (1 + ERROR) / (1 - ERROR)
_LOG_GROWTH: Final = math.log(_GROWTH)
_SHORTEST_MS: Final = 0.1
_LONGEST_MS: Final = 3_600_000.0

LEAST_SAMPLES: Final = 20
"""Fewer attempts say nothing of a share; a breaker and a quality figure wait for as many."""

FAILURES_IN_ROW: Final = 5
BAD_SHARE: Final = 0.5
"""When a breaker opens: so many failures one after another, or this share of a minute's."""

OPEN_S: Final = 10.0
LONGEST_OPEN_S: Final = 300.0
"""How long it stays open, the first time and at most: each time in a row takes twice as long."""

# What says nothing of the target's health: the client's own mistakes, and our stale connections.
BLAMELESS: Final = frozenset({FailureKind.CLIENT_MISTAKE, FailureKind.STALE_CONNECTION})
# A limit is no fault, so it counts in the share, which asks whether to send so much there, but
# never as one of the failures in a row.
SOFT: Final = frozenset({FailureKind.RATE_LIMITED})


def bucket_of(ms: float) -> int:
    """The bucket that *ms* falls into."""
    bounded = min(max(ms, _SHORTEST_MS), _LONGEST_MS)
    return math.ceil(math.log(bounded) / _LOG_GROWTH)


def quantile_ms(buckets: Mapping[int, int], share: float) -> float | None:
    """The time that *share* of the observations in *buckets* did not exceed, to within 5 %."""
    count = sum(buckets.values())
    if not count:
        return None
    wanted = share * (count - 1)
    passed = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed > wanted:
            return 2 * math.exp(bucket * _LOG_GROWTH) / (1 + _GROWTH)
    raise AssertionError("unreachable: the buckets' counts are their sum")


@dataclass(slots=True)
class Window:
    """What came of one target's attempts in five seconds. Adds up with any other.

    `failed` counts by kind. `first_token` are bucketed milliseconds, of streams only. `tokens`
    came in `token_ms`, counted from the first byte; for a plain answer that is the whole attempt.
    """

    ok: int = 0
    failed: dict[FailureKind, int] = field(default_factory=dict)
    first_token: dict[int, int] = field(default_factory=dict)
    tokens: int = 0
    token_ms: float = 0.0

    def add(self, other: "Window") -> None:
        """Count all of *other* in."""
        self.ok += other.ok
        _add(self.failed, other.failed)
        _add(self.first_token, other.first_token)
        self.tokens += other.tokens
        self.token_ms += other.token_ms

    @property
    def blamed(self) -> int:
        """How many attempts failed by what the target may be blamed for."""
        return sum(count for kind, count in self.failed.items() if kind not in BLAMELESS)

    @property
    def samples(self) -> int:
        """How many attempts say something of the target."""
        return self.ok + self.blamed


def merged(windows: Iterable[Window]) -> Window:
    """All *windows* as one."""
    whole = Window()
    for window in windows:
        whole.add(window)
    return whole


@dataclass(frozen=True, slots=True)
class BreakerState:
    """Whether a target is called: open until `open_until` (seconds of the caller's clock), then
    for a probe, until an attempt tells. `times` is how often it opened since an answer was whole.
    """

    in_row: int = 0
    times: int = 0
    open_until: float | None = None

    def seen_at(self, now: float) -> Breaker:
        """What it says at *now*."""
        if self.open_until is None:
            return Breaker.CLOSED
        return Breaker.OPEN if now < self.open_until else Breaker.HALF_OPEN


def after(
    state: BreakerState, kind: FailureKind | None, minute: Window, now: float
) -> BreakerState:
    """The state after an attempt that ended with *kind* (None: it answered) at *now*.

    *minute* has the attempt in it. What begins to answer closes it, but may break yet, so that
    `times` stays (see `completed`); while it is open, what was under way already changes nothing;
    a failed probe opens it again for twice as long.
    """
    if kind in BLAMELESS:
        return state
    if state.seen_at(now) is Breaker.OPEN:
        return state
    if kind is None:
        return BreakerState(0, state.times)
    in_row = state.in_row + (kind not in SOFT)
    probing = state.open_until is not None
    bad = minute.samples >= LEAST_SAMPLES and minute.blamed >= BAD_SHARE * minute.samples
    if not (probing or in_row >= FAILURES_IN_ROW or bad):
        return BreakerState(in_row, state.times)
    open_s = min(OPEN_S * 2**state.times, LONGEST_OPEN_S)
    return BreakerState(0, min(state.times + 1, 16), now + open_s)


def completed(state: BreakerState) -> BreakerState:
    """The state after an answer that came whole: where it is closed, all is forgiven."""
    return state if state.open_until is not None else BreakerState(state.in_row)


def standing_of(
    minute: Window,
    breaker: Breaker,
    *,
    bytes_per_token: float | None = None,
    headroom: float | None = None,
    quality: Mapping[Workload, float] | None = None,
) -> Standing:
    """What *minute* comes to, beside what is known otherwise."""
    samples = minute.samples
    return Standing(
        breaker=breaker,
        samples=samples,
        error_rate=minute.blamed / samples if samples else None,
        first_token_p50_ms=quantile_ms(minute.first_token, 0.5),
        first_token_p95_ms=quantile_ms(minute.first_token, 0.95),
        tokens_per_s=minute.tokens * 1000 / minute.token_ms if minute.token_ms > 0 else None,
        headroom=headroom,
        bytes_per_token=bytes_per_token,
        attempts_per_success=samples / minute.ok if minute.ok else None,
        quality=quality or {},
    )


def _add(counts: dict[T, int], more: Mapping[T, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
