"""What this process has seen of the targets: the live figures behind decisions. No I/O.

Until replicas share their windows, each decides by its own. Noting costs a few additions; what
decisions read is made once a second: of targets anew, since the minute moves on, of histories where
something was noted.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Final

from proxy.domain.health import (
    LEAST_SAMPLES,
    WINDOW_S,
    WINDOWS,
    BreakerState,
    Window,
    after,
    bucket_of,
    completed,
    merged,
    standing_of,
)
from proxy.domain.labels import Workload
from proxy.domain.outcome import FailureKind
from proxy.domain.standing import Breaker, History, Standing
from proxy.ports import Answered

KEPT_ANSWERS: Final = 256
"""The newest answers of a route and workload, which tell how long the next will be."""

_CALIBRATION: Final = 0.05
"""How much one answer's bytes per token count against all before it."""

LEAST_CALIBRATING_BYTES: Final = 1024
"""In a shorter prompt the template's own tokens outweigh those of its text."""

LEAST_BYTES_PER_TOKEN: Final = 1.0
MOST_BYTES_PER_TOKEN: Final = 16.0
"""What lies outside was no ordinary text, and must not decide what fits a window."""

HEADROOM_S: Final = 60.0
"""How long a provider's word on its limits holds: they are counted by the minute."""

_QUALITY: Final = 0.02
_WORST_CORRECTION: Final = -0.5
"""What quality comes down by where every answer was bad."""


class Seen:
    """One target, as this process has seen it."""

    __slots__ = (
        "breaker", "bytes_per_token", "calibrations", "headroom", "headroom_at", "quality",
        "quality_samples", "windows",
    )  # fmt: skip

    def __init__(self) -> None:
        self.windows: deque[tuple[int, Window]] = deque(maxlen=WINDOWS)
        self.breaker = BreakerState()
        self.bytes_per_token = 0.0
        self.calibrations = 0
        self.headroom = 0.0
        self.headroom_at: float | None = None
        self.quality: dict[Workload, float] = {}
        self.quality_samples: dict[Workload, int] = {}

    def window_at(self, now: float) -> Window:
        """The open window."""
        number = int(now // WINDOW_S)
        if not self.windows or self.windows[-1][0] != number:
            self.windows.append((number, Window()))
        return self.windows[-1][1]

    def minute_at(self, now: float) -> Window:
        """The last twelve windows as one."""
        oldest = int(now // WINDOW_S) - WINDOWS
        return merged(window for number, window in self.windows if number > oldest)

    def standing_at(self, now: float) -> Standing:
        """What is known of it now."""
        calibrated = self.calibrations >= LEAST_SAMPLES
        told = self.headroom_at is not None and now - self.headroom_at < HEADROOM_S
        return standing_of(
            self.minute_at(now),
            self.breaker.seen_at(now),
            bytes_per_token=self.bytes_per_token if calibrated else None,
            headroom=self.headroom if told else None,
            quality={
                workload: _WORST_CORRECTION * bad
                for workload, bad in self.quality.items()
                if self.quality_samples[workload] >= LEAST_SAMPLES
            },
        )


class _Answers:
    """What the answers of one route and workload were like."""

    __slots__ = ("attempts", "tokens", "tool_calls")

    def __init__(self) -> None:
        self.tokens: deque[int] = deque(maxlen=KEPT_ANSWERS)
        self.attempts: deque[int] = deque(maxlen=KEPT_ANSWERS)
        self.tool_calls: deque[bool] = deque(maxlen=KEPT_ANSWERS)

    def history(self) -> History:
        tokens = sorted(self.tokens)
        last = len(tokens) - 1
        return History(
            samples=len(self.attempts),
            completion_tokens_p50=tokens[last // 2] if tokens else None,
            completion_tokens_p95=tokens[int(last * 0.95)] if tokens else None,
            attempts_per_success=sum(self.attempts) / len(self.attempts),
            tool_calls=sum(self.tool_calls) / len(self.tool_calls),
        )


class Board:
    """Implements `ports.HealthBoard`. *now*: monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: defaultdict[str, Seen] = defaultdict(Seen)
        self._answers: defaultdict[tuple[str, Workload], _Answers] = defaultdict(_Answers)
        self._touched: set[tuple[str, Workload]] = set()
        self._histories: dict[tuple[str, Workload], History] = {}

    def attempt_ended(
        self, target_id: str, kind: FailureKind | None, first_token_ms: float | None
    ) -> None:
        """See `ports.HealthBoard`."""
        now = self._now()
        seen = self._seen[target_id]
        if kind is None and seen.breaker.seen_at(now) is Breaker.HALF_OPEN:
            seen.windows.clear()  # what opened it must not open it again: the minute starts anew
        window = seen.window_at(now)
        if kind is None:
            window.ok += 1
            if first_token_ms is not None:
                bucket = bucket_of(first_token_ms)
                window.first_token[bucket] = window.first_token.get(bucket, 0) + 1
            if seen.breaker.in_row == 0 and seen.breaker.open_until is None:
                return  # as nearly always: nothing to recover from
        else:
            window.failed[kind] = window.failed.get(kind, 0) + 1
        seen.breaker = after(seen.breaker, kind, seen.minute_at(now), now)

    def answered(self, answer: Answered) -> None:
        """See `ports.HealthBoard`."""
        now = self._now()
        seen = self._seen[answer.target_id]
        if answer.broke:
            window = seen.window_at(now)
            kind = FailureKind.DISCONNECTED
            if window.ok:
                window.ok -= 1  # it had begun, and was counted so
            window.failed[kind] = window.failed.get(kind, 0) + 1
            seen.breaker = after(seen.breaker, kind, seen.minute_at(now), now)
            return
        if seen.breaker.times:
            seen.breaker = completed(seen.breaker)
        if answer.prompt_tokens and answer.prompt_bytes >= LEAST_CALIBRATING_BYTES:
            _calibrate(seen, answer.prompt_bytes / answer.prompt_tokens)
        if answer.completion_tokens and answer.writing_ms:
            window = seen.window_at(now)
            window.tokens += answer.completion_tokens
            window.token_ms += answer.writing_ms
        if answer.bad is not None:
            _weigh(seen, answer.workload, answer.bad)
        self._remember(answer)

    def limits_left(self, target_id: str, share: float) -> None:
        """See `ports.HealthBoard`."""
        seen = self._seen[target_id]
        seen.headroom, seen.headroom_at = share, self._now()

    def standings(self) -> Mapping[str, Standing]:
        """What is known of every target that was ever called."""
        now = self._now()
        return {target_id: seen.standing_at(now) for target_id, seen in self._seen.items()}

    def histories(self) -> Mapping[tuple[str, Workload], History]:
        """What answers were like, by route and workload."""
        for key in self._touched:
            self._histories[key] = self._answers[key].history()
        self._touched.clear()
        return dict(self._histories)

    def _remember(self, answer: Answered) -> None:
        key = (answer.route_id, answer.workload)
        answers = self._answers[key]
        if answer.completion_tokens:  # else it was not reported
            answers.tokens.append(answer.completion_tokens // answer.parts)
        answers.attempts.append(answer.attempts)
        answers.tool_calls.append(answer.called_tools)
        self._touched.add(key)


def _calibrate(seen: Seen, ratio: float) -> None:
    bounded = min(max(ratio, LEAST_BYTES_PER_TOKEN), MOST_BYTES_PER_TOKEN)
    # As in `_weigh`: no single one counts for more than the others while they are few.
    weight = max(_CALIBRATION, 1 / (seen.calibrations + 1))
    seen.bytes_per_token += weight * (bounded - seen.bytes_per_token)
    seen.calibrations += 1


def _weigh(seen: Seen, workload: Workload, bad: bool) -> None:
    share = seen.quality.get(workload, 0.0)
    samples = seen.quality_samples.get(workload, 0)
    # The first ones count alike, as in a mean; later ones by a constant.
    weight = max(_QUALITY, 1 / (samples + 1))
    seen.quality[workload] = share + weight * (bad - share)
    seen.quality_samples[workload] = samples + 1
