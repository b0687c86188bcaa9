"""Kept answers: found by the same tenant with the same bytes only, bounded in size and time."""

import pytest

from proxy.domain.catalog import Endpoint
from proxy.ports import KeptAnswer
from proxy.state.answers import MAX_ANSWER_BYTES, TTL_S, Answers
from tests.fakes import FakeClock

CHAT = Endpoint.CHAT
ANSWER = KeptAnswer("a/m", b'{"choices":[]}')


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands still until it is moved."""
    return FakeClock()


def key_of(answers: Answers, body: bytes) -> bytes:
    """The key of a chat of one tenant."""
    return answers.key_of("acme", CHAT, body)


def test_same_request_of_the_same_tenant_is_found(clock: FakeClock) -> None:
    """And nothing else: another tenant, endpoint or byte finds nothing."""
    answers = Answers(clock.now)
    answers.keep(key_of(answers, b"{}"), ANSWER)
    assert answers.find(key_of(answers, b"{}")) is ANSWER
    for asked in [
        ("other", CHAT, b"{}"),
        ("acme", Endpoint.COMPLETIONS, b"{}"),
        ("acme", CHAT, b"{ }"),
    ]:
        assert answers.find(answers.key_of(*asked)) is None


def test_answer_is_forgotten_after_its_time(clock: FakeClock) -> None:
    """An hour later it is not given any more, and takes no room."""
    answers = Answers(clock.now)
    answers.keep(key_of(answers, b"{}"), ANSWER)
    clock.at += TTL_S
    assert answers.find(key_of(answers, b"{}")) is None
    assert answers.size_bytes == 0


def test_memory_is_bounded(clock: FakeClock) -> None:
    """The oldest go first; a large answer is not kept at all."""
    answers = Answers(clock.now, max_bytes=3000)
    for number in range(10):
        answers.keep(key_of(answers, b"%d" % number), KeptAnswer("a/m", b"x" * 600))
    found = [n for n in range(10) if answers.find(key_of(answers, b"%d" % n))]
    assert found == [7, 8, 9]
    assert answers.size_bytes <= 3000
    answers.keep(key_of(answers, b"large"), KeptAnswer("a/m", b"x" * (MAX_ANSWER_BYTES + 1)))
    assert answers.find(key_of(answers, b"large")) is None


def test_newer_answer_replaces_the_older(clock: FakeClock) -> None:
    """The same request is kept once."""
    answers = Answers(clock.now)
    newer = KeptAnswer("b/m", b"{}")
    answers.keep(key_of(answers, b"{}"), ANSWER)
    size_bytes = answers.size_bytes
    answers.keep(key_of(answers, b"{}"), newer)
    assert answers.find(key_of(answers, b"{}")) is newer
    assert answers.size_bytes < 2 * size_bytes
