"""What a process sees of targets becomes figures, and what is old or unchecked does not."""

from typing import Any

import pytest

from proxy.domain.health import FAILURES_IN_ROW, LEAST_SAMPLES, OPEN_S
from proxy.domain.labels import Workload
from proxy.domain.outcome import FailureKind
from proxy.domain.standing import Breaker
from proxy.ports import Answered
from proxy.state.board import HEADROOM_S, LEAST_CALIBRATING_BYTES, Board
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands still until it is moved."""
    return FakeClock()


@pytest.fixture
def board(clock: FakeClock) -> Board:
    """A board that has seen nothing."""
    return Board(clock.now)


def an_answer(**fields: Any) -> Answered:
    """A whole answer of 100 tokens in a second to a prompt of 3,000 bytes, 1,000 tokens."""
    defaults: dict[str, Any] = {
        "target_id": "a/m", "route_id": "auto", "workload": Workload.CHAT, "attempts": 1,
        "broke": False, "prompt_bytes": 3000, "prompt_tokens": 1000,
        "completion_tokens": 100, "parts": 1, "writing_ms": 1000.0, "called_tools": False,
        "bad": None,
    }  # fmt: skip
    return Answered(**{**defaults, **fields})


def calibrated(board: Board, **fields: Any) -> float | None:
    """The bytes per token after as many answers as a figure takes, the last of them of *fields*."""
    for _ in range(LEAST_SAMPLES - 1):
        board.answered(an_answer())
    board.answered(an_answer(**fields))
    return board.standings()["a/m"].bytes_per_token


def test_answers_become_figures(board: Board) -> None:
    """First token, speed, and bytes per token are what the answers were like."""
    board.attempt_ended("a/m", None, 50.0)
    calibrated(board)
    standing = board.standings()["a/m"]
    assert standing.samples == 1
    assert standing.first_token_p50_ms == pytest.approx(50, rel=0.05)
    assert standing.tokens_per_s == pytest.approx(100)
    assert standing.bytes_per_token == pytest.approx(3.0)


def test_plain_answer_tells_no_first_token(board: Board) -> None:
    """It comes whole, so it says nothing of when a stream would begin."""
    board.attempt_ended("a/m", None, None)
    assert board.standings()["a/m"].first_token_p50_ms is None


def test_minute_is_forgotten(board: Board, clock: FakeClock) -> None:
    """After a minute without calls nothing of them is left but the calibration."""
    board.attempt_ended("a/m", FailureKind.SERVER_ERROR, None)
    calibrated(board)
    clock.at += 60
    standing = board.standings()["a/m"]
    assert (standing.samples, standing.error_rate) == (0, None)
    assert standing.bytes_per_token == pytest.approx(3.0)


def test_breaker_opens_and_closes_by_attempts(board: Board, clock: FakeClock) -> None:
    """Failures in a row open it at once; a probe that answers closes it."""
    for _ in range(FAILURES_IN_ROW):
        board.attempt_ended("a/m", FailureKind.CONNECT, None)
    assert board.standings()["a/m"].breaker is Breaker.OPEN
    clock.at += OPEN_S
    assert board.standings()["a/m"].breaker is Breaker.HALF_OPEN
    board.attempt_ended("a/m", None, 10.0)
    assert board.standings()["a/m"].breaker is Breaker.CLOSED


def test_minute_starts_anew_when_a_breaker_closes(board: Board, clock: FakeClock) -> None:
    """A minute full of limits opened it; after a good probe one more limit does not."""
    for _ in range(LEAST_SAMPLES):
        board.attempt_ended("a/m", FailureKind.RATE_LIMITED, None)
    assert board.standings()["a/m"].breaker is Breaker.OPEN
    clock.at += OPEN_S
    board.attempt_ended("a/m", None, 10.0)
    board.attempt_ended("a/m", FailureKind.RATE_LIMITED, None)
    assert board.standings()["a/m"].breaker is Breaker.CLOSED
    assert board.standings()["a/m"].samples == 2


@pytest.mark.parametrize(("broke", "wait_s"), [(True, 2 * OPEN_S), (False, OPEN_S)])
def test_probe_that_breaks_forgives_nothing(
    board: Board, clock: FakeClock, broke: bool, wait_s: float
) -> None:
    """Only an answer that came whole makes the next opening as short as the first."""
    for _ in range(FAILURES_IN_ROW):
        board.attempt_ended("a/m", FailureKind.CONNECT, None)
    clock.at += OPEN_S
    board.attempt_ended("a/m", None, 10.0)
    board.answered(an_answer(broke=broke))
    for _ in range(FAILURES_IN_ROW):
        board.attempt_ended("a/m", FailureKind.CONNECT, None)
    clock.at += wait_s - 1
    assert board.standings()["a/m"].breaker is Breaker.OPEN
    clock.at += 1
    assert board.standings()["a/m"].breaker is Breaker.HALF_OPEN


def test_answer_that_broke_off_is_a_failure(board: Board) -> None:
    """It began, but what counts is that it did not end."""
    board.attempt_ended("a/m", None, 10.0)
    board.answered(an_answer(broke=True))
    standing = board.standings()["a/m"]
    assert (standing.samples, standing.error_rate) == (1, 1.0)
    assert board.histories() == {}


def test_answer_that_broke_off_much_later_is_a_failure_too(board: Board, clock: FakeClock) -> None:
    """The window in which it began is over by then."""
    board.attempt_ended("a/m", None, 10.0)
    clock.at += 90
    board.answered(an_answer(broke=True))
    assert board.standings()["a/m"].error_rate == 1.0


def test_calibration_follows_slowly(board: Board) -> None:
    """One strange prompt does not turn the ratio over, whether it comes first or later."""
    assert calibrated(board, prompt_bytes=10_000) == pytest.approx(3 + 0.05 * 7)
    board.answered(an_answer(prompt_bytes=10_000))
    assert board.standings()["a/m"].bytes_per_token == pytest.approx(3.35 + 0.05 * 6.65)


def test_calibration_waits_for_enough_answers(board: Board) -> None:
    """Until then nothing is known, so that no window is judged by a few prompts."""
    for _ in range(LEAST_SAMPLES - 1):
        board.answered(an_answer())
    assert board.standings()["a/m"].bytes_per_token is None


def test_short_prompts_calibrate_nothing(board: Board) -> None:
    """ "Hi" is two bytes in nine tokens, most of which are the template's."""
    for _ in range(LEAST_SAMPLES):
        board.answered(an_answer(prompt_bytes=2, prompt_tokens=9))
        board.answered(an_answer(prompt_bytes=LEAST_CALIBRATING_BYTES - 1))
    assert board.standings()["a/m"].bytes_per_token is None


@pytest.mark.parametrize(("tokens", "ratio"), [(10**9, 1.0), (1, 16.0)])
def test_calibration_stays_within_what_text_comes_to(
    board: Board, tokens: int, ratio: float
) -> None:
    """A provider that reports nonsense cannot shut every prompt out, or let every one in."""
    for _ in range(LEAST_SAMPLES):
        board.answered(an_answer(prompt_tokens=tokens))
    assert board.standings()["a/m"].bytes_per_token == pytest.approx(ratio)


def test_prompt_without_text_calibrates_nothing(board: Board) -> None:
    """Where bytes tell nothing of tokens, the ratio stays unknown."""
    for _ in range(LEAST_SAMPLES):
        board.answered(an_answer(prompt_bytes=0, completion_tokens=0))
    standing = board.standings()["a/m"]
    assert standing.bytes_per_token is standing.tokens_per_s is None


def test_history_is_by_route_and_workload(board: Board) -> None:
    """How long answers are, how many attempts and tool calls they take."""
    for tokens in range(1, 101):
        board.answered(an_answer(completion_tokens=tokens, attempts=2, called_tools=tokens > 50))
    board.answered(an_answer(workload=Workload.CODE))
    histories = board.histories()
    assert set(histories) == {("auto", "chat"), ("auto", "code")}
    chat = histories["auto", "chat"]
    assert (chat.samples, chat.completion_tokens_p50, chat.completion_tokens_p95) == (100, 50, 95)
    assert (chat.attempts_per_success, chat.tool_calls) == (2.0, 0.5)
    assert board.histories() == histories  # nothing new: as it was


def test_history_counts_tokens_of_one_answer_and_none_that_were_not_reported(
    board: Board,
) -> None:
    """Four answers to one request are each a quarter; silence is no answer of no length."""
    board.answered(an_answer(completion_tokens=400, parts=4))
    for _ in range(10):
        board.answered(an_answer(completion_tokens=0))
    board.answered(an_answer(workload=Workload.CODE, completion_tokens=0))
    histories = board.histories()

    chat, code = histories["auto", "chat"], histories["auto", "code"]
    assert (chat.samples, chat.completion_tokens_p50) == (11, 100)
    assert (code.samples, code.completion_tokens_p50) == (1, None)


def test_bad_answers_lower_quality_of_their_workload(board: Board) -> None:
    """Half of them bad takes a quarter off; too few, or unchecked ones, take nothing."""
    for at in range(LEAST_SAMPLES):
        board.answered(an_answer(bad=at % 2 == 0))
    board.answered(an_answer(workload=Workload.CODE, bad=True))
    quality = board.standings()["a/m"].quality
    assert set(quality) == {Workload.CHAT}
    assert quality[Workload.CHAT] == pytest.approx(-0.25, abs=0.02)


def test_limits_that_are_left_are_kept(board: Board) -> None:
    """The newest word of the provider holds."""
    board.limits_left("a/m", 0.5)
    board.limits_left("a/m", 0.25)
    assert board.standings()["a/m"].headroom == 0.25


def test_limits_that_were_left_are_forgotten(board: Board, clock: FakeClock) -> None:
    """Who had nothing left and is not called any more must not seem so for ever."""
    board.limits_left("a/m", 0.0)
    clock.at += HEADROOM_S - 1
    assert board.standings()["a/m"].headroom == 0.0
    clock.at += 1
    assert board.standings()["a/m"].headroom is None
