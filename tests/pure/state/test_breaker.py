"""When Redis counts as unwell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.breaker import (
    LONGEST_PAUSE_S,
    UNABLE,
    Breaker,
    NotHereError,
    UnknownScriptError,
    pause_s,
    refusal,
)
from proxy.state.connection import CommandRefusedError, StateUnavailableError


@pytest.mark.parametrize("code", sorted(UNABLE))
def test_refusal_about_redis_itself_is_unavailable(code: str) -> None:
    """A Redis that can serve nobody is unavailable; the command is not at fault."""
    assert type(refusal(f"{code} for a reason")) is StateUnavailableError


@pytest.mark.parametrize("code", ["OOM", "READONLY"])
def test_refusal_wrapped_by_a_script_is_unwrapped(code: str) -> None:
    """Redis 6.2 wraps what a script's command was refused with; the inner code counts."""
    text = f"ERR Error running script (call to f_0): @user_script:1: @user_script: 1: -{code} no"

    assert type(refusal(text)) is StateUnavailableError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ERR syntax error", CommandRefusedError),
        ("WRONGTYPE Operation against a key", CommandRefusedError),
        ("BUSYGROUP Consumer Group name already exists", CommandRefusedError),
        ("ERR OOM is only mentioned", CommandRefusedError),
        ("NOSCRIPT No matching script.", UnknownScriptError),
        ("NOPERM this user has no permissions", NotHereError),
        ("MOVED 3999 127.0.0.1:6381", NotHereError),
        ("ASK 3999 127.0.0.1:6381", NotHereError),
        ("", CommandRefusedError),
        ("lower case", CommandRefusedError),
    ],
)
def test_refusal_of_a_command_is_its_own(text: str, kind: type[CommandRefusedError]) -> None:
    """Every other refusal is about the one command, with a kind where a caller must know."""
    assert type(refusal(text)) is kind


def test_refusal_shows_no_arguments() -> None:
    """What Redis quotes of a command's arguments stays out of the message, which may be logged."""
    shown = str(refusal("ERR unknown command 'X', with args beginning with: 'secret' "))

    assert "unknown command 'X'" in shown
    assert "secret" not in shown


@given(text=st.text(max_size=2000))
def test_refusal_takes_any_text(text: str) -> None:
    """Whatever Redis says becomes an exception with a short message."""
    assert len(str(refusal(text))) < 300


def test_breaker_opens_after_three_bad_batches_over_the_span() -> None:
    """Three in a row open it, when the first is a span ago."""
    breaker = Breaker(span_s=0.05)

    assert [breaker.bad(at_s) for at_s in (10.0, 10.06, 10.12)] == [False, False, True]


def test_breaker_stays_closed_within_the_span() -> None:
    """A short pause of Redis that made many batches late at once opens nothing."""
    breaker = Breaker(span_s=0.05)

    assert not any(breaker.bad(10.0 + n / 1000) for n in range(50))
    assert breaker.bad(10.051)


def test_good_batch_starts_the_count_anew() -> None:
    """Only batches in a row count."""
    breaker = Breaker(span_s=0.05)
    breaker.bad(10.0)
    breaker.bad(10.1)
    breaker.good()

    assert [breaker.bad(at_s) for at_s in (10.2, 10.3, 10.4)] == [False, False, True]


@given(failures=st.integers(1, 10_000), draw=st.floats(0, 1))
def test_pause_stays_within_its_bound(failures: int, draw: float) -> None:
    """The pause is never over a second, however often connecting failed."""
    assert 0 <= pause_s(failures, draw) <= LONGEST_PAUSE_S


def test_pause_doubles_and_takes_the_whole_range() -> None:
    """From 0.1 s the bound doubles up to a second; a draw of zero is no pause at all."""
    assert [pause_s(n, 1.0) for n in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert pause_s(5, 0.0) == 0.0
