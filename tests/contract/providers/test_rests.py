"""A large read is handed on in parts, a turn of the loop for each: nobody holds up all others."""

import asyncio
from typing import cast

import pytest

from proxy.domain.outcome import Ending
from proxy.providers.connection import TURN_BYTES, Connection
from proxy.providers.reply import Http1Reply
from proxy.units import LoopSeconds
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.replies import OK, answered, body_of, sending
from tests.contract.providers.test_transport_tls import Secured, secure_upstream
from tests.contract.providers.test_turns import SlowSink, turns
from tests.fakes import FakeSink
from tests.server.upstream import CHUNKED, EVENT_STREAM, LAST_CHUNK, chunked

FLOOD = b"a\n\n" * (5 * TURN_BYTES // 3)
UNFRAMED = OK + b"content-type: text/event-stream\r\n\r\n"


class Cable:
    """A transport that notes whether it may read."""

    def __init__(self) -> None:
        self.is_read = True
        self.aborted = False

    def write(self, data: bytes) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, _name: str) -> None:
        return None


class Wired:
    """A connection on a cable, and what its pool is told."""

    def __init__(self) -> None:
        self.cable = Cable()
        self.idle: list[Connection] = []
        self.lost: list[Connection] = []
        self.connection = Connection(self.idle.append, self.lost.append, 4.0)
        self.connection.connection_made(cast(asyncio.Transport, self.cable))

    async def begun(self, head: bytes = EVENT_STREAM + CHUNKED) -> Http1Reply:
        """A reply whose head came."""
        reply = self.connection.send(b"", b"", 60.0, LoopSeconds(float("inf")))
        self.connection.data_received(head)
        assert await reply.head() is None
        return reply


async def test_flood_leaves_turns_to_others() -> None:
    """Of one read no more is handed on in a turn than its bound; nothing is read meanwhile."""
    wired = Wired()
    reply, sink = await wired.begun(), FakeSink()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(reply.relay_to(sink))
        await turns(2)
        wired.connection.data_received(chunked(FLOOD))
        seen = 0
        while len(sink.written) < len(FLOOD):
            assert not wired.cable.is_read
            assert 0 < len(sink.written) - seen <= TURN_BYTES
            seen = len(sink.written)
            await asyncio.sleep(0)
        await turns(2)
        assert wired.cable.is_read
        wired.connection.data_received(LAST_CHUNK)
    reply.close()

    assert (relaying.result(), sink.written) == (Ending.COMPLETE, FLOOD)
    assert wired.idle == [wired.connection]


@pytest.mark.parametrize("end", ["frame", "close", "cut"])
async def test_rest_waits_for_the_client_and_comes_before_the_end(end: str) -> None:
    """Also where the connection is gone meanwhile: all that came is written, then its end told."""
    wired = Wired()
    framed = end != "close"
    reply = await wired.begun(EVENT_STREAM + CHUNKED if framed else UNFRAMED)
    sink = SlowSink()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(reply.relay_to(sink))
        await turns(2)
        last = LAST_CHUNK if end == "frame" else b""
        wired.connection.data_received(chunked(FLOOD) + last if framed else FLOOD)
        if end == "close":
            wired.connection.eof_received()
        if end != "frame":
            wired.connection.connection_lost(None)
        await turns()
        assert len(sink.written) <= TURN_BYTES
        assert not relaying.done()
        sink.go_on.set()
    reply.close()

    assert sink.written == FLOOD
    assert relaying.result() is (Ending.UPSTREAM_CUT if end == "cut" else Ending.COMPLETE)
    assert wired.lost == ([] if end == "frame" else [wired.connection])


@pytest.mark.parametrize("lost", [True, False])
async def test_rest_of_a_reply_that_was_left_is_dropped(lost: bool) -> None:
    """Nobody wants it, and the connection is not used again."""
    wired = Wired()
    reply = await wired.begun()
    wired.connection.data_received(chunked(FLOOD))
    if lost:
        wired.connection.connection_lost(None)
    reply.close()
    await turns()

    assert (wired.cable.aborted, wired.idle) == (not lost, [])
    assert len(wired.lost) == lost


@pytest.mark.parametrize("behind", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"])
async def test_bytes_behind_an_answer_are_seen_in_the_rest(behind: bytes) -> None:
    """An answer that ends where a turn does may have something behind it in the same read."""
    wired = Wired()
    size = TURN_BYTES - len(OK + b"content-length: 12345\r\n\r\n")
    reply = wired.connection.send(b"", b"", 60.0, LoopSeconds(float("inf")))
    answer = OK + b"content-length: %d\r\n\r\n" % size + b"x" * size
    assert len(answer) == TURN_BYTES
    wired.connection.data_received(answer + behind)
    assert await reply.head() is None
    body = await body_of(reply)
    reply.close()
    await turns()

    assert body == b"x" * size
    assert wired.cable.aborted == bool(behind)
    assert len(wired.idle) == (not behind)


async def test_end_of_tls_comes_behind_the_rest(client: Client) -> None:
    """A body without framing that ends with close_notify in the read of its last bytes."""
    secured = Secured()
    body = b"0123456789" * 100_000
    async with secure_upstream(secured) as upstream:
        upstream.answers(sending(OK + b"\r\n" + body, then="cut"))
        caller = Caller(client, upstream.url.replace("http", "https"), tls=secured.client)
        for _ in range(3):
            reply = await answered(caller)
            assert await body_of(reply) == body
            reply.close()
