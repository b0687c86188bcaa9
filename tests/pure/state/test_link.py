"""The line of calls on one connection, fed by hand."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.connection import CommandRefusedError, StateUnavailableError
from proxy.state.link import MAX_OUTSTANDING, Link

FOR_EVER_S = 3600.0


class Recorder(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def abort(self) -> None:
        self.is_aborted = True


def a_link() -> tuple[Link, Recorder]:
    """A link on the running loop, and what is under it."""
    link, wire = Link(FOR_EVER_S), Recorder()
    link.connection_made(wire)
    return link, wire


async def a_link_with(*commands: str) -> tuple[Link, Recorder, list["asyncio.Future[Any]"]]:
    """A link on which *commands* are on their way."""
    link, wire = a_link()
    answers = [link.send((command,)) for command in commands]
    await asyncio.sleep(0)
    return link, wire, answers


async def test_calls_of_one_tick_leave_as_one_write() -> None:
    """However many calls a tick makes, the connection is written once."""
    _, wire, _ = await a_link_with("A", "B", "C")

    assert wire.writes == [b"*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n"]


async def test_calls_of_two_ticks_leave_as_two_writes() -> None:
    """A call does not wait for the ticks after its own."""
    link, wire, _ = await a_link_with("A")
    link.send(("B",))
    await asyncio.sleep(0)

    assert wire.writes == [b"*1\r\n$1\r\nA\r\n", b"*1\r\n$1\r\nB\r\n"]


async def test_argument_of_another_kind_takes_no_place_in_line() -> None:
    """What cannot be sent is refused before it stands in anybody's way."""
    link, wire, (answer,) = await a_link_with("A")

    with pytest.raises(TypeError):
        link.send(("B", None))  # type: ignore[arg-type]  # the mistake under test
    await asyncio.sleep(0)
    link.data_received(b":1\r\n")

    assert answer.result() == 1
    assert len(wire.writes) == 1


async def test_cancelled_call_keeps_its_place() -> None:
    """The reply of a cancelled call is thrown away; the next one gets its own."""
    link, _, (left, stayed) = await a_link_with("A", "B")
    left.cancel()

    link.data_received(b"+for A\r\n+for B\r\n")

    assert stayed.result() == b"for B"


async def test_error_reply_is_of_its_call_alone() -> None:
    """A refused command fails its caller and nobody else."""
    link, _, (first, second) = await a_link_with("A", "B")

    link.data_received(b"-ERR no\r\n:2\r\n")

    assert isinstance(first.exception(), CommandRefusedError)
    assert second.result() == 2
    assert link.trouble is None


@pytest.mark.parametrize(
    "surplus",
    [b"+surplus\r\n", b"$9\r\nsurp", b">1\r\n+message\r\n", b"garbage\r\n"],
)
async def test_reply_that_nobody_asked_for_ends_the_link(surplus: bytes) -> None:
    """Bytes beyond the last reply make the order doubtful, so the connection is not used again."""
    link, wire, (answer,) = await a_link_with("A")

    link.data_received(b":1\r\n" + surplus)

    assert answer.result() == 1
    assert link.trouble is not None
    assert wire.is_aborted


async def test_bytes_while_nothing_is_asked_end_the_link() -> None:
    """A connection on which nobody waits must be silent."""
    link, wire = a_link()

    link.data_received(b":")

    assert wire.is_aborted
    with pytest.raises(StateUnavailableError, match="nobody had asked for"):
        link.send(("A",))


async def test_reply_ahead_of_its_call_ends_the_link() -> None:
    """A call that was not written yet cannot have been answered."""
    link, _, (asked,) = await a_link_with("A")
    unwritten = link.send(("B",))

    link.data_received(b":1\r\n:2\r\n")

    assert asked.result() == 1
    assert isinstance(unwritten.exception(), StateUnavailableError)


async def test_push_message_ends_the_link() -> None:
    """A message out of band is no reply to the call that waits."""
    link, _, (answer,) = await a_link_with("A")

    link.data_received(b">2\r\n+invalidate\r\n+x\r\n")

    assert isinstance(answer.exception(), StateUnavailableError)


async def test_broken_protocol_fails_all_that_wait() -> None:
    """Behind bytes that are no reply nobody can be served."""
    link, _, answers = await a_link_with("A", "B", "C")

    link.data_received(b":1\r\nHTTP/1.1 400 Bad Request\r\n")

    assert answers[0].result() == 1
    assert all(isinstance(answer.exception(), StateUnavailableError) for answer in answers[1:])


async def test_lost_connection_fails_all_that_wait_once() -> None:
    """Each caller gets an exception of its own; the unwritten and the cancelled are no trouble."""
    link, wire, (first, second, left) = await a_link_with("A", "B", "C")
    left.cancel()
    unwritten = link.send(("D",))

    link.connection_lost(ConnectionResetError("reset"))
    link.connection_lost(None)
    await asyncio.sleep(0)

    reasons = [answer.exception() for answer in (first, second, unwritten)]
    assert all("reset" in str(reason) for reason in reasons)
    assert len({id(reason) for reason in reasons}) == 3
    assert link.lost.done()
    assert len(wire.writes) == 1


async def test_late_timer_polls_once_more_before_it_blames() -> None:
    """A timer that runs ahead of the replies that lie ready gives nothing up yet."""
    loop = asyncio.get_running_loop()
    link, wire = Link(0.05), Recorder()
    link.connection_made(wire)
    answer = link.send(("A",))
    await asyncio.sleep(0)
    loop.call_later(0.051, link.data_received, b":1\r\n")

    stalled_until_s = loop.time() + 0.1
    while loop.time() < stalled_until_s:
        pass

    assert await answer == 1
    assert link.trouble is None


async def test_calls_beyond_the_bound_are_refused() -> None:
    """The line is bounded; those who left it by cancelling still take up a place."""
    link, _ = a_link()
    for _ in range(MAX_OUTSTANDING):
        link.send(("A",)).cancel()

    with pytest.raises(StateUnavailableError, match="wait for Redis already"):
        link.send(("B",))
    await asyncio.sleep(0)
    link.data_received(b":1\r\n")

    link.send(("B",))


RESP = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


def encoded(reply: object) -> bytes:
    """*reply* as Redis would send it."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    assert isinstance(reply, list)
    return b"*%d\r\n" % len(reply) + b"".join(map(encoded, reply))


def pieces(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    """*stream* cut at *cuts* (taken round its length), in order; no piece is empty."""
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    for start, end in pairwise(places):
        yield stream[start:end]


def on_a_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *work* on a loop of its own."""
    asyncio.run(work())


@given(
    replies=st.lists(RESP, min_size=1, max_size=12),
    leavers=st.sets(st.integers(0, 11)),
    cuts=st.lists(st.integers(0, 10_000), max_size=20),
)
def test_any_split_of_the_replies_reaches_the_same_callers(
    replies: list[object], leavers: set[int], cuts: list[int]
) -> None:
    """However the stream is cut and whoever leaves meanwhile, each gets his own reply, whole."""

    async def check() -> None:
        link, _, answers = await a_link_with(*("X" for _ in replies))
        chunks = list(pieces(b"".join(map(encoded, replies)), cuts))
        for at, chunk in enumerate(chunks):
            if at < len(answers) and at in leavers:
                answers[at].cancel()
            link.data_received(chunk)
        for reply, answer in zip(replies, answers, strict=True):
            assert answer.cancelled() or answer.result() == reply
        assert link.trouble is None

    on_a_loop(check)


@given(stream=st.binary(min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_any_bytes_leave_the_link_well_or_ended(stream: bytes, cuts: list[int]) -> None:
    """Bytes from something that is no Redis raise nothing; at worst all callers are told."""

    async def check() -> None:
        link, wire, answers = await a_link_with("A", "B")
        for chunk in pieces(stream, cuts):
            link.data_received(chunk)
        if link.trouble is not None:
            assert wire.is_aborted
            assert all(answer.done() for answer in answers)
        for answer in answers:
            if answer.done():
                answer.exception()  # looked at, so that nothing is reported as never retrieved

    on_a_loop(check)
