"""Clients that leave, that read slowly, that never read: they cost little and harm nobody."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proxy.server.protocol import SWEEP_S
from proxy.server.tls import TlsFiles
from tests.gateway import GatewayUnderTest, running_gateway
from tests.pure.wire.recorded import DONE, chunk
from tests.server.downstream import WAIT_S, Client, a_chat, connected, get, post
from tests.server.test_tls import Files
from tests.server.upstream import (
    CHUNKED,
    EVENT_STREAM,
    LAST_CHUNK,
    Line,
    Script,
    chunked,
    config_of,
    raw_upstream,
)
from tests.server.waiting import until

FINISHED = chunk("{}", '"stop"')

BOUND_BYTES = 256 * 1024
"""What the gateway may hold for a client that does not read, beside the kernel's own buffers."""

HIGH_WATER_BYTES = 64 * 1024
"""From here on a transport of asyncio's holds its writer back."""

STALL_S = 0.3
SMALL_BUFFER_BYTES = 4096

EVENT = b'data: {"choices":[{"delta":{"content":"' + b"x" * 900 + b'"}}]}\n\n'
FLOOD = chunked(EVENT * 512)

CUTS = 1000
AT_ONCE = 50
LONGEST_S = 0.12
"""A client stays for anything up to this long."""

SCENES: dict[str, tuple[bool, dict[str, dict[str, Any]]]] = {
    "before the head": (True, {"first": {"latency_ms": {"min": 0, "max": 150}}}),
    "in mid-stream": (True, {"first": {"tokens": 40, "tokens_per_second": 500}}),
    "while the upstream is silent": (True, {"first": {"stall_at_event": 3}}),
    "while comments come": (
        True,
        {"first": {"comments": {"count": 20, "every_ms": 5}, "first_token_ms": 100}},
    ),
    "in failover": (
        True,
        {"first": {"error": {"status": 500}, "latency_ms": 20}, "second": {"latency_ms": 60}},
    ),
    "before a plain answer": (False, {"first": {"tokens": 40, "tokens_per_second": 500}}),
    "in a large plain answer": (False, {"first": {"huge_body_bytes": 3_000_000}}),
    "behind an answer that it does not read": (True, {"first": {"tokens": 20_000}}),
}


@pytest_asyncio.fixture
async def impatient(redis_url: str) -> AsyncIterator[GatewayUnderTest]:
    """A gateway that drops clients which read nothing for a moment."""
    async with running_gateway(redis_url, client_stall_s=STALL_S) as gateway:
        yield gateway


def held_bytes(gateway: GatewayUnderTest) -> int:
    """The most that the gateway holds for one of its clients."""
    server = gateway.runner.server
    assert server is not None
    sizes = [each.get_write_buffer_size() for each in server._connections.values()]
    return max(sizes, default=0)


def is_held_back(gateway: GatewayUnderTest) -> bool:
    """Whether a client is so far behind that nothing more is written for it. That begins above
    HIGH_WATER_BYTES and lasts while far less is held.
    """
    server = gateway.runner.server
    assert server is not None
    return any(each.writing_paused for each in server.connections)


async def leave_early(
    gateway: GatewayUnderTest, request: bytes, stay_s: float, *, after_head: bool = False
) -> None:
    """Send *request*, read for *stay_s* (*after_head*: from the answer's head on) or to the
    end of the answer, and drop the connection.
    """
    async with connected(gateway.port) as client:
        client.send(request)
        head = await client.head() if after_head else None
        try:
            async with asyncio.timeout(stay_s):
                await client.answer_to(head or await client.head())
        except TimeoutError:
            pass


SENT_AHEAD = {
    "nothing": b"",
    "part of a head": b"GET /healthz HT",
    "many requests": get("/healthz") * 300,
    "a large body": post("pm_no_key", b"x" * 300_000),
    "part of a large body": post("pm_no_key", b"x" * 300_000)[:150_000],
    "bytes for another protocol": b"x" * 300_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("ahead", SENT_AHEAD)
async def test_client_that_sent_ahead_is_seen_to_leave(
    redis_url: str, tmp_path: Path, ahead: str, encrypted: bool
) -> None:
    """Whatever waits behind a running request, that ends upstream soon after its client left."""
    files = Files(tmp_path) if encrypted else None
    upgrade = {"connection": "upgrade", "upgrade": "websocket"} if "protocol" in ahead else {}
    begun, left = asyncio.Event(), asyncio.Event()

    async def script(line: Line) -> None:
        begun.set()
        await line.until_left()
        left.set()

    async with (
        raw_upstream() as upstream,
        running_gateway(
            redis_url,
            config_text=config_of(upstream.url),
            names=(),
            tls=files and TlsFiles(files.certificate, files.key),
        ) as gateway,
    ):
        upstream.answers(script)
        async with connected(gateway.port, tls=files and files.client()) as client:
            client.send(post(gateway.token, a_chat(), **upgrade) + SENT_AHEAD[ahead])
            await begun.wait()
            await until(lambda: client.writer.transport.get_write_buffer_size() == 0)
        async with asyncio.timeout(2 * SWEEP_S):
            await left.wait()


async def test_flood_behind_a_running_request_ends_it(redis_url: str) -> None:
    """What is refused is read, but no more of it than a body may have."""
    begun, left = asyncio.Event(), asyncio.Event()

    async def script(line: Line) -> None:
        begun.set()
        await line.until_left()
        left.set()

    async with (
        raw_upstream() as upstream,
        running_gateway(
            redis_url, config_text=config_of(upstream.url), names=(), max_body_bytes=50_000
        ) as gateway,
        connected(gateway.port) as client,
    ):
        upstream.answers(script)
        client.send(post(gateway.token, a_chat()))
        await begun.wait()
        client.send(b"\0\r\n\r\n" + b"x" * 5_000_000)
        await until(left.is_set)


@pytest.mark.slow
async def test_thousand_clients_that_leave_at_any_moment_leave_nothing_behind(
    gateway: GatewayUnderTest,
) -> None:
    """Upstream calls end within a second; no task, exchange or connection is left; each request
    has one record, and whoever had begun to get an answer is charged for it.
    """
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    simulator = gateway.simulator
    await leave_early(gateway, post(gateway.token, a_chat()), 10)
    tasks_before = tasks_of(gateway)
    scenes = list(SCENES.values())

    for wave in range(CUTS // AT_ONCE):
        stream, scripts = scenes[wave % len(scenes)]
        for name in simulator.urls:
            gateway.script(name, **scripts.get(name, {}))
        request = post(gateway.token, a_chat(stream=stream))
        async with asyncio.TaskGroup() as clients:
            for place in range(AT_ONCE):
                # However slow the machine, some leave after their answer began.
                stay_s, begun = chance.uniform(0.001, LONGEST_S), place % 5 == 0
                clients.create_task(leave_early(gateway, request, stay_s, after_head=begun))
        async with asyncio.timeout(1):
            await simulator.until(
                lambda: not any(each.stats.open_calls for each in simulator.providers.values())
            )

    await until(lambda: lifecycle_of(gateway) == 0)
    await until(lambda: tasks_of(gateway) <= tasks_before)
    connections = sum(each.stats.connections_open for each in simulator.providers.values())
    assert connections <= 2 * AT_ONCE
    check_books(gateway)


def tasks_of(gateway: GatewayUnderTest) -> int:
    """How many tasks there are, but for those that the simulator has for each connection."""
    providers = gateway.simulator.providers.values()
    return len(asyncio.all_tasks()) - sum(each.stats.connections_open for each in providers)


def lifecycle_of(gateway: GatewayUnderTest) -> int:
    """How many exchanges are under way."""
    lifecycle = gateway.runner._lifecycle
    assert lifecycle is not None
    return lifecycle.running_count


def check_books(gateway: GatewayUnderTest) -> None:
    """One record a request, none of them blaming a target, each answer with its cost."""
    rows = [row for row in gateway.lines.rows if row["event"] == "request"]
    assert len(rows) == len({row["request_id"] for row in rows})
    assert CUTS * 0.95 < len(rows) <= CUTS + 1  # one whose reset overtakes it never comes in
    assert {row["ending"] for row in rows} == {"complete", "client_gone"}
    answered = [row for row in rows if row["target"] is not None]
    assert len(answered) >= CUTS / 5  # those that waited for its head, at least
    for row in answered:
        assert row["cost_nanousd"] > 0
        assert (row["evidence"] == "reported") or row["ending"] == "client_gone"
    failed = {attempt["failure"] for row in rows for attempt in row["attempts"]}
    assert failed <= {None, "server_error"}
    calls = sum(each.stats.calls for each in gateway.simulator.providers.values())
    assert calls <= sum(len(row["attempts"]) for row in rows)


async def test_stream_that_nobody_reads_is_bounded_and_dropped(redis_url: str) -> None:
    """The upstream is not read faster than the client reads, and the client is not waited for."""
    upstream_sent = 0

    async def script(line: Line) -> None:
        nonlocal upstream_sent
        await line.send(EVENT_STREAM + CHUNKED)
        while not line.is_closing:
            await line.flood(FLOOD)
            upstream_sent += len(FLOOD)

    async with flooded(redis_url, script) as (gateway, client):
        client.writer.transport.pause_reading()
        client.send(post(gateway.token, a_chat(stream=True)))
        held = await most_held(gateway, lambda: bool(gateway.lines.rows))
        (row,) = await gateway.lines.requests(1)
        await until(lambda: held_bytes(gateway) == 0)

    assert 0 < held <= BOUND_BYTES
    assert upstream_sent < 32 * 1024 * 1024  # the kernel's buffers took that, not the gateway
    assert (row["ending"], row["status"]) == ("client_stalled", 200)
    assert row["total_ms"] >= STALL_S * 1000
    assert row["cost_nanousd"] > 0


async def test_slow_reader_is_not_dropped(redis_url: str) -> None:
    """A client that reads a little now and then gets everything, though it takes long."""

    enough = asyncio.Event()
    floods = 0

    async def script(line: Line) -> None:
        nonlocal floods
        await line.send(EVENT_STREAM + CHUNKED)
        while not enough.is_set():
            await line.flood(FLOOD)
            floods += 1
        await line.send(chunked(FINISHED + DONE) + LAST_CHUNK)

    async with flooded(redis_url, script) as (gateway, client):
        client.send(post(gateway.token, a_chat(stream=True)))
        taken = await read_slowly(client, gateway, pauses=4)
        enough.set()
        async with asyncio.timeout(WAIT_S):
            while not taken.endswith(LAST_CHUNK):
                taken += await client.reader.read(HIGH_WATER_BYTES)
        (row,) = await gateway.lines.requests(1)

    assert taken.count(EVENT) == floods * 512
    assert taken.endswith(FINISHED + DONE + b"\r\n" + LAST_CHUNK)
    assert row["ending"] == "complete"
    assert row["total_ms"] > 2 * STALL_S * 1000


@asynccontextmanager
async def flooded(redis_url: str, script: Script) -> AsyncIterator[tuple[GatewayUnderTest, Client]]:
    """An impatient gateway before an upstream that answers by *script*, and a small client."""
    async with (
        raw_upstream() as upstream,
        running_gateway(
            redis_url, config_text=config_of(upstream.url), names=(), client_stall_s=STALL_S
        ) as gateway,
        connected(gateway.port, receive_buffer_bytes=SMALL_BUFFER_BYTES) as client,
    ):
        upstream.answers(script)
        yield gateway, client


async def read_slowly(client: Client, gateway: GatewayUnderTest, *, pauses: int) -> bytes:
    """What a client gets that reads nothing for most of a stall, then a little, and so on."""
    taken = b""
    for _ in range(pauses):
        await until(lambda: is_held_back(gateway))
        await until(partial(_is_past, asyncio.get_running_loop().time() + STALL_S * 0.6))
        taken += await client.reader.readexactly(4 * HIGH_WATER_BYTES)
    return taken


def _is_past(time_s: float) -> bool:
    return asyncio.get_running_loop().time() >= time_s


async def test_answers_that_nobody_reads_do_not_pile_up(impatient: GatewayUnderTest) -> None:
    """A client that pipelines requests and reads no answer is not answered further."""
    impatient.script("first", huge_body_bytes=200_000)
    async with connected(impatient.port, receive_buffer_bytes=SMALL_BUFFER_BYTES) as client:
        client.writer.transport.pause_reading()
        client.send(post(impatient.token, a_chat()) * 60)
        await until(lambda: has_connections(impatient))
        held = await most_held(impatient, lambda: not has_connections(impatient))

    assert 0 < held <= BOUND_BYTES
    assert impatient.calls("first") < 60


@pytest.mark.slow
@pytest.mark.parametrize("close", [True, False])
async def test_connection_with_an_unread_rest_does_not_stay(
    impatient: GatewayUnderTest, close: bool
) -> None:
    """The end of an answer that is over, unread, holds its connection no longer than a stall."""
    for site in impatient.runner.sites:
        listener = site._server.sockets[0]
        with socket.socket(fileno=os.dup(listener.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    impatient.script("first", huge_body_bytes=50_000)
    how = {"connection": "close"} if close else {}
    async with connected(impatient.port, receive_buffer_bytes=SMALL_BUFFER_BYTES) as client:
        client.writer.transport.pause_reading()
        client.send(post(impatient.token, a_chat(), **how))
        await impatient.lines.requests(1)
        held = held_bytes(impatient)
        await until(lambda: not has_connections(impatient))

    assert 0 < held < HIGH_WATER_BYTES


def has_connections(gateway: GatewayUnderTest) -> bool:
    """Whether any client is connected."""
    assert gateway.runner.server is not None
    return bool(gateway.runner.server.connections)


async def most_held(gateway: GatewayUnderTest, ended: Callable[[], bool]) -> int:
    """The most that was held for a client at any time until *ended*."""
    held = 0

    def looked() -> bool:
        nonlocal held
        held = max(held, held_bytes(gateway))
        return ended()

    await until(looked)
    return held
