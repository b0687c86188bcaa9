"""A minute in figures: quantiles to within their error, windows that add up, the breaker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.health import (
    BAD_SHARE,
    ERROR,
    FAILURES_IN_ROW,
    LEAST_SAMPLES,
    LONGEST_OPEN_S,
    OPEN_S,
    BreakerState,
    Window,
    after,
    bucket_of,
    completed,
    merged,
    quantile_ms,
    standing_of,
)
from proxy.domain.outcome import FailureKind
from proxy.domain.standing import Breaker

BAD = FailureKind.SERVER_ERROR
NOTHING = Window()


def buckets(times: list[float]) -> dict[int, int]:
    """The buckets of *times*."""
    found: dict[int, int] = {}
    for ms in times:
        found[bucket_of(ms)] = found.get(bucket_of(ms), 0) + 1
    return found


@given(st.lists(st.floats(0.2, 3_000_000), min_size=1), st.floats(0, 1))
def test_quantile_is_within_its_error(times: list[float], share: float) -> None:
    """Whatever the sizes, a quantile is off by 5 % at most."""
    exact = sorted(times)[int(share * (len(times) - 1))]
    found = quantile_ms(buckets(times), share)
    assert found == pytest.approx(exact, rel=ERROR + 1e-9)


def test_quantile_of_nothing_is_not_known() -> None:
    """No observation, no figure."""
    assert quantile_ms({}, 0.5) is None


@pytest.mark.parametrize("ms", [-1.0, 0.0, 1e300])
def test_absurd_times_have_a_bucket(ms: float) -> None:
    """A clock that jumps breaks nothing."""
    assert -60 < bucket_of(ms) < 200


@given(st.lists(st.lists(st.sampled_from([None, *FailureKind]), max_size=9), max_size=5))
def test_windows_add_up(windows: list[list[FailureKind | None]]) -> None:
    """Together, windows say what one of all their attempts would say."""
    parts = [window_of(kinds) for kinds in windows]
    assert merged(parts) == window_of([kind for kinds in windows for kind in kinds])


def window_of(kinds: list[FailureKind | None]) -> Window:
    """A window of attempts that ended so, each answer after 10 ms with a token."""
    window = Window()
    for kind in kinds:
        if kind is None:
            window.add(Window(ok=1, first_token={bucket_of(10): 1}, tokens=1, token_ms=2.0))
        else:
            window.add(Window(failed={kind: 1}))
    return window


def test_clients_mistakes_say_nothing_of_a_target() -> None:
    """What a tenant does wrong counts neither as a sample nor as a failure."""
    standing = standing_of(window_of([FailureKind.CLIENT_MISTAKE, None]), Breaker.CLOSED)
    assert (standing.samples, standing.error_rate) == (1, 0)
    assert after(BreakerState(4), FailureKind.CLIENT_MISTAKE, NOTHING, 0) == BreakerState(4)


def test_standing_says_what_the_minute_was_like() -> None:
    """Shares, quantiles and speed come out of the counts."""
    standing = standing_of(window_of([None, None, None, BAD]), Breaker.CLOSED)
    assert (standing.samples, standing.error_rate) == (4, 0.25)
    assert standing.first_token_p50_ms == pytest.approx(10, rel=ERROR)
    assert standing.first_token_p95_ms == pytest.approx(10, rel=ERROR)
    assert standing.tokens_per_s == 500
    assert standing.attempts_per_success == pytest.approx(4 / 3)


def test_standing_of_nothing_knows_nothing() -> None:
    """A target that was not called is neither good nor bad."""
    standing = standing_of(NOTHING, Breaker.CLOSED)
    assert standing.samples == 0
    assert standing.error_rate is standing.first_token_p50_ms is standing.tokens_per_s is None
    assert standing.attempts_per_success is None


def failed(times: int, kind: FailureKind = BAD, state: BreakerState | None = None) -> BreakerState:
    """The breaker after *times* failures at second 0."""
    state = state or BreakerState()
    for _ in range(times):
        state = after(state, kind, NOTHING, 0)
    return state


def test_breaker_opens_after_failures_in_a_row() -> None:
    """Five in a row, and not four, open it for ten seconds; then a probe may go."""
    assert failed(FAILURES_IN_ROW - 1).seen_at(0) is Breaker.CLOSED
    state = failed(FAILURES_IN_ROW)
    assert [state.seen_at(now) for now in (0, OPEN_S - 0.1, OPEN_S)] == [
        Breaker.OPEN,
        Breaker.OPEN,
        Breaker.HALF_OPEN,
    ]


def test_success_ends_the_row() -> None:
    """What counts is failures without an answer between them."""
    state = failed(FAILURES_IN_ROW - 1, state=after(failed(4), None, NOTHING, 0))
    assert state.seen_at(0) is Breaker.CLOSED


def test_rate_limits_open_by_share_only() -> None:
    """A limit is no fault: any number in a row of it does not open, half of a minute's does."""
    limited = FailureKind.RATE_LIMITED
    assert failed(50, limited).seen_at(0) is Breaker.CLOSED
    half = int(LEAST_SAMPLES * BAD_SHARE)
    minute = window_of([None] * half + [limited] * half)
    assert after(BreakerState(), limited, minute, 0).seen_at(0) is Breaker.OPEN


def test_failed_probe_doubles_the_wait_up_to_its_longest() -> None:
    """Each time in a row it stays open twice as long, five minutes at most."""
    state, now, waits = failed(FAILURES_IN_ROW), 0.0, []
    for _ in range(7):
        assert state.open_until is not None
        waits.append(state.open_until - now)
        now = state.open_until
        state = after(state, BAD, NOTHING, now)
    assert waits == [10, 20, 40, 80, 160, LONGEST_OPEN_S, LONGEST_OPEN_S]


def test_probe_that_answers_closes() -> None:
    """One answer is enough to be called again; how often it opened is kept until one is whole."""
    state = after(failed(FAILURES_IN_ROW), None, NOTHING, OPEN_S)
    assert state == BreakerState(0, times=1)
    assert completed(state) == BreakerState()


def test_whole_answer_closes_nothing_by_itself() -> None:
    """It may have been under way since before the breaker opened."""
    state = failed(FAILURES_IN_ROW)
    assert completed(state) == state
    assert completed(BreakerState(3, times=2)) == BreakerState(3)


@pytest.mark.parametrize("kind", [None, BAD])
def test_open_breaker_is_not_moved_by_what_was_under_way(kind: FailureKind | None) -> None:
    """Attempts that began before it opened end after it: they say nothing new."""
    state = failed(FAILURES_IN_ROW)
    assert after(state, kind, NOTHING, 1) == state
