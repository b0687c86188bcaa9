"""What the transports promise of a body: whole, broken, silent, too fast, or left."""

import asyncio

import pytest

from proxy.domain.outcome import Ending, FailureKind
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.replies import a_used, answered, body_of, sending
from tests.fakes import FakeSink
from tests.server.upstream import (
    CHUNKED,
    EVENT_STREAM,
    JSON_BODY,
    LAST_CHUNK,
    Line,
    RawUpstream,
    chunked,
)

BROKEN_BODIES = {
    "cut": (JSON_BODY + b"content-length: 9\r\n\r\n", b"{}", "cut"),
    "reset": (JSON_BODY + b"content-length: 9\r\n\r\n", b"{}", "reset"),
    "chunks cut": (JSON_BODY + CHUNKED, chunked(b"{}"), "cut"),
    "chunks cut within one": (JSON_BODY + CHUNKED, b"9\r\n{}", "cut"),
    "chunk with garbage": (JSON_BODY + CHUNKED, chunked(b"{}") + b"zz\r\n", ""),
    "chunk size with a plus": (JSON_BODY + CHUNKED, chunked(b"{}") + b"+1\r\nx\r\n", ""),
}


@pytest.mark.parametrize("case", BROKEN_BODIES)
@pytest.mark.parametrize("relayed", [False, True])
async def test_broken_body_is_a_failure_or_a_cut(
    client: Client, caller: Caller, upstream: RawUpstream, case: str, relayed: bool
) -> None:
    """What came before is handed over; then it is told, by whichever way it is read."""
    head, body, then = BROKEN_BODIES[case]
    if not then and not client.is_lean:
        return  # aiohttp's client does not tell the reader of a body that its framing broke

    async def script(line: Line) -> None:
        await line.send(head)
        await line.send(body)
        await sending(then=then)(line)

    upstream.answers(script)
    reply = await answered(caller)
    sink = FakeSink()
    ended = await reply.relay_to(sink) if relayed else await body_of(reply)
    reply.close()

    if relayed:
        assert (ended, sink.written) in [(Ending.UPSTREAM_CUT, b"{}"), (Ending.UPSTREAM_CUT, b"")]
        assert sink.written == b"{}" or then == "reset" or "chunk" in case
    else:
        assert ended in {FailureKind.DISCONNECTED, FailureKind.BAD_REPLY}


async def test_body_without_framing_ends_with_the_connection(
    caller: Caller, upstream: RawUpstream
) -> None:
    """Old servers say nothing of a body's length; a clean close is then its end."""
    upstream.answers(sending(JSON_BODY + b"\r\n", b"{", b"}", then="cut"))

    reply = await answered(caller)

    assert await body_of(reply) == b"{}"
    reply.close()


@pytest.mark.parametrize("status", [204, 304])
async def test_status_without_a_body_is_whole(
    caller: Caller, upstream: RawUpstream, status: int
) -> None:
    """Nothing is waited for."""
    upstream.answers(sending(b"HTTP/1.1 %d Nothing\r\n\r\n" % status))

    reply = await answered(caller)

    assert await body_of(reply) == b""
    reply.close()


async def test_relay_pushes_all_and_ends(caller: Caller, upstream: RawUpstream) -> None:
    """What was read before goes on from there; the connection is kept."""
    upstream.sends(b"one", b"two", b"three")
    reply = await answered(caller)
    first = await reply.read()
    sink = FakeSink()

    ending = await reply.relay_to(sink)
    reply.close()

    assert isinstance(first, bytes)
    assert (ending, first + sink.written) == (Ending.COMPLETE, b"onetwothree")
    await a_used(caller, upstream)
    assert upstream.connections == 1


async def test_silence_between_chunks_is_a_stall(client: Client, upstream: RawUpstream) -> None:
    """Each chunk buys the time of one more, and no more."""
    caller = Caller(client, upstream.url, between_chunks_s=0.05)
    upstream.answers(sending(EVENT_STREAM + CHUNKED, chunked(b"one"), then="silence"))
    reply = await answered(caller)
    sink = FakeSink()

    assert await reply.relay_to(sink) is Ending.UPSTREAM_STALLED
    assert sink.written == b"one"
    reply.close()
    await upstream.until_answered()


async def test_deadline_ends_a_body_that_flows(client: Client, upstream: RawUpstream) -> None:
    """However lively it is."""
    caller = Caller(client, upstream.url)

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        while not line.is_closing:
            await line.send(chunked(b"more"))

    upstream.answers(script)
    reply = await answered(caller, within_s=0.05)

    assert await reply.relay_to(FakeSink()) is Ending.DEADLINE
    reply.close()


async def test_client_that_does_not_read_ends_the_relay(
    caller: Caller, upstream: RawUpstream
) -> None:
    """Its time is not the upstream's; the upstream is left."""
    upstream.answers(sending(EVENT_STREAM + CHUNKED, chunked(b"one"), then="silence"))
    reply = await answered(caller)
    sink = FakeSink()
    sink.paused, sink.reads_on = True, False

    assert await reply.relay_to(sink) is Ending.CLIENT_STALLED
    reply.close()
    await upstream.until_answered()


async def test_sink_that_is_closed_ends_the_relay(caller: Caller, upstream: RawUpstream) -> None:
    """No more bytes are wanted: the relay ends with the bytes that closed it."""
    upstream.answers(
        sending(EVENT_STREAM + CHUNKED, chunked(b"one"), chunked(b"two"), then="silence")
    )
    reply = await answered(caller)
    sink = FakeSink()
    sink.leaves_after_writes = 1

    assert await reply.relay_to(sink) is Ending.COMPLETE
    reply.close()
    await upstream.until_answered()  # REST_S later the connection is dropped


async def test_upstream_is_not_read_faster_than_the_client_reads(
    caller: Caller, upstream: RawUpstream
) -> None:
    """While the sink is behind, the upstream is held up by its own full buffers."""
    flooded = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        for _ in range(64):
            await line.flood(chunked(b"x" * 1_000_000))
        flooded.set()

    class Behind(FakeSink):
        def write(self, data: bytes) -> bool:
            super().write(data)
            self.paused = True
            return False

        async def writable(self) -> bool:
            await asyncio.Event().wait()
            return True

    upstream.answers(script)
    reply = await answered(caller)
    sink = Behind()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(reply.relay_to(sink))
        while not sink.written:
            await asyncio.sleep(0)
        for _ in range(200):
            await asyncio.sleep(0)
        relaying.cancel()
    reply.close()

    assert not flooded.is_set()
    assert len(sink.written) < 4_000_000


async def test_reply_that_is_not_read_is_held_up(caller: Caller, upstream: RawUpstream) -> None:
    """Before anybody reads, no more than a bounded few bytes are taken from the upstream."""
    flooded = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        for _ in range(64):
            await line.flood(chunked(b"x" * 1_000_000))
        flooded.set()

    upstream.answers(script)
    reply = await answered(caller)
    for _ in range(500):
        await asyncio.sleep(0)

    assert not flooded.is_set()
    reply.close()
    reply.close()


async def test_reply_that_is_left_cancels_the_upstream(
    caller: Caller, upstream: RawUpstream
) -> None:
    """Closing in the middle drops the connection; the next call makes its own."""
    upstream.answers(sending(EVENT_STREAM + CHUNKED, chunked(b"one"), then="silence"))
    reply = await answered(caller)
    reply.close()
    await upstream.until_answered()

    await a_used(caller, upstream)
    assert upstream.connections == 2


async def test_wait_for_a_head_that_is_left_cancels_the_upstream(
    client: Client, upstream: RawUpstream
) -> None:
    """A client that leaves before its answer takes the connection along, and its place is free."""
    caller = Caller(client, upstream.url, max_connections=1)
    upstream.answers(sending(then="silence"))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(caller.post())
        while not upstream.bodies:
            await asyncio.sleep(0)
        waiting.cancel()
    await upstream.until_answered()

    await a_used(caller, upstream)


async def test_interrupted_read_loses_no_bytes(caller: Caller, upstream: RawUpstream) -> None:
    """A wait that was given up can be taken up again."""
    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        await go_on.wait()
        await line.pieces([b"one"])
        await line.send(LAST_CHUNK)

    upstream.answers(script)
    reply = await answered(caller)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await reply.read()
    go_on.set()

    assert await body_of(reply) == b"one"
    reply.close()
