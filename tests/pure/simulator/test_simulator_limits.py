import pytest

from proxy.simulator.limits import Limiter, Limits, OverLimit, duration_text


def test_requests_refill_evenly_within_a_minute() -> None:
    """A bucket of 60 a minute gives one back each second."""
    limiter = Limiter(Limits(rpm=60), 0.0)
    for _ in range(60):
        assert limiter.admit(1, 0.0) is None

    assert limiter.admit(1, 0.0) == OverLimit("requests per minute", 1.0)
    assert limiter.admit(1, 0.5) == OverLimit("requests per minute", 0.5)
    assert limiter.admit(1, 1.0) is None


def test_tokens_of_an_answer_are_taken_when_it_ends() -> None:
    """A long answer puts the bucket below zero, and the next call waits for it."""
    limiter = Limiter(Limits(tpm=600), 0.0)
    assert limiter.admit(100, 0.0) is None
    limiter.release(700, 0.0)

    refused = limiter.admit(10, 0.0)
    assert refused == OverLimit("tokens per minute", pytest.approx(21.0))
    assert limiter.admit(10, 21.1) is None


def test_prompt_larger_than_the_bucket_passes_when_it_is_full() -> None:
    """A limit slows down; it never refuses for ever."""
    limiter = Limiter(Limits(tpm=60), 0.0)

    assert limiter.admit(600, 0.0) is None


def test_concurrency_counts_what_was_admitted() -> None:
    """A refused call takes no slot and no request."""
    limiter = Limiter(Limits(rpm=100, max_concurrency=1), 0.0)
    assert limiter.admit(1, 0.0) is None
    assert limiter.admit(1, 0.0) == OverLimit("concurrency", 1.0)

    limiter.release(0, 0.0)
    assert limiter.admit(1, 0.0) is None
    assert dict(limiter.headers(0.0))["x-ratelimit-remaining-requests"] == "98"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0ms"), (0.012, "12ms"), (1.5, "1.5s"), (360, "6m0s")]
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    """Milliseconds, seconds, then minutes and seconds."""
    assert duration_text(seconds) == text
