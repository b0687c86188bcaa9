"""The benchmark's upstream and clients, against each other over real sockets."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest.answers import CHUNKS, PACED, large_chat_body
from loadtest.certificates import Certificates, make_certificates
from loadtest.openloop import offer
from loadtest.plain import load_by_hand
from loadtest.sockets import connections_of
from loadtest.streams import held_streams, run_streams
from loadtest.target import Target
from loadtest.upstream import Upstream, Wheel


@asynccontextmanager
async def an_upstream(
    gap_ms: int = 10, certificates: Certificates | None = None
) -> AsyncIterator[Target]:
    """The scripted upstream, in this loop."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop, gap_ms)
    tls = None
    if certificates is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificates.chain, certificates.key)
    server = await loop.create_server(lambda: Upstream(wheel), "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        trust = None if certificates is None else certificates.trust()
        yield Target("direct", port, "none", "bench-model", root_pid=0, tls=trust)


@asynccontextmanager
async def a_server_that_stalls(stall_s: float) -> AsyncIterator[Target]:
    """The scripted upstream in a loop that is blocked once, for so long."""
    async with an_upstream() as target:
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, time.sleep, stall_s)
        yield target


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


async def test_streams_and_calls_go_over_verified_tls(tmp_path: Path) -> None:
    """The upstream speaks TLS, and every client of the bench checks its certificate."""
    certificates = make_certificates(tmp_path)
    async with an_upstream(certificates=certificates) as target:
        tally = await run_streams(target, at_once=2, seconds=0, patience_s=20)
        load = await load_by_hand(target, connections=2, seconds=0.1)

    assert (tally.errors, load.errors) == (0, 0)
    assert tally.streams >= 2


async def test_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """An upstream that is not the one to trust gets no call."""
    (tmp_path / "other").mkdir()
    other = make_certificates(tmp_path / "other").trust()
    async with an_upstream(certificates=make_certificates(tmp_path)) as target:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, "127.0.0.1", target.port, ssl=other, server_hostname="localhost"
            )


async def test_paced_streams_arrive_whole() -> None:
    """Streams of 50 tokens a second are as long as they are said to be."""
    async with an_upstream(gap_ms=2) as target:
        tally = await run_streams(target, at_once=2, seconds=0, patience_s=20, script=PACED)

    assert tally.errors == 0
    assert tally.chunks == tally.streams * PACED.chunks


async def test_large_bodies_are_answered() -> None:
    """A body of 1 MB comes in many pieces, and is one call."""
    async with an_upstream() as target:
        body = large_chat_body(target.model)
        load = await load_by_hand(target, connections=1, seconds=0.1, body=body)

    assert load.errors == 0
    assert load.requests >= 1


async def test_calls_leave_at_their_rate() -> None:
    """All calls that are due are sent and answered, one connection or many."""
    async with an_upstream() as target:
        offered = await offer(target, rate=500, seconds=0.4, connections=8)

    assert (offered.sent, offered.errors, offered.lost) == (200, 0, 0)
    assert len(offered.latencies_s) == 200
    assert 0 < offered.within_ms(0.5) <= offered.within_ms(0.99)


async def test_stall_shows_in_every_call_that_was_due_meanwhile() -> None:
    """Latency counts from the time a call was due: waiting for an answer hides nothing."""
    async with a_server_that_stalls(0.2) as target:
        offered = await offer(target, rate=200, seconds=0.4, connections=4)

    # Of 80 calls some 40 were due in the stall, evenly: a quarter of all waited for 0.1 s or more.
    assert sum(latency_s > 0.05 for latency_s in offered.latencies_s) >= 20


async def test_connections_are_counted_for_the_process_that_accepted_them() -> None:
    """How connections spread over workers is read from the kernel, not from the workers."""
    async with an_upstream() as target, held_streams(target, 3, patience_s=20):
        held = connections_of([os.getpid()], target.port)

    assert held == {os.getpid(): 3}
