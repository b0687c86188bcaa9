"""The benchmark's upstream and clients, against each other over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtest.answers import CHUNKS
from loadtest.plain import load_by_hand
from loadtest.streams import held_streams, run_streams
from loadtest.target import Target
from loadtest.upstream import Upstream, Wheel


@asynccontextmanager
async def an_upstream() -> AsyncIterator[Target]:
    """The scripted upstream, in this loop."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    server = await loop.create_server(lambda: Upstream(wheel), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Target("direct", port, "none", "bench-model", root_pid=0)


@asynccontextmanager
async def a_server_that_cuts() -> AsyncIterator[Target]:
    """A server that begins a stream and closes in the middle of it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nquartz\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Target("cutter", port, "none", "bench-model", root_pid=0)


async def test_streams_arrive_whole_and_are_counted() -> None:
    """Every stream that was asked for comes through byte for byte, with its times."""
    async with an_upstream() as target:
        tally = await run_streams(target, at_once=4, seconds=0, patience_s=20)

    assert tally.errors == 0
    assert tally.streams >= 4
    assert tally.chunks == tally.streams * CHUNKS
    assert len(tally.first_token_s) == tally.streams


async def test_cut_streams_are_errors() -> None:
    """A stream that breaks off is counted, never passed over."""
    async with a_server_that_cuts() as target:
        tally = await run_streams(target, at_once=2, seconds=0, patience_s=20)

    assert tally.streams == 0
    assert tally.errors >= 2


async def test_held_streams_are_open_and_silent() -> None:
    """Held streams have begun, and stay open for as long as memory is looked at."""
    async with an_upstream() as target, held_streams(target, 5, patience_s=20) as held:
        assert (held.streams, held.errors) == (5, 0)


async def test_upstream_answers_plain_calls_over_one_connection() -> None:
    """The client that stands in for wrk gets its answers, and times each of them."""
    async with an_upstream() as target:
        load = await load_by_hand(target, connections=2, seconds=0.1)

    assert load.errors == 0
    assert load.requests > 2
    assert 0 < load.p50_ms <= load.p99_ms
