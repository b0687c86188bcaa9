"""Caps and deadlines on what clients send: over them a clear refusal, and nothing upstream."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from proxy.server.protocol import MAX_WAITING, SWEEP_S, GatewayProtocol, GatewayServer
from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.raw import (
    CHAT,
    RawClient,
    a_chat,
    a_get,
    a_post,
    arrived,
    connected,
    head_of,
    upstream_calls,
)
from tests.server.upstream import JSON_BODY, Line, config_of, raw_upstream

JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"


def server_of(gateway: GatewayUnderTest) -> GatewayServer:
    """The gateway's server, with all its connections."""
    server = gateway.runner.server
    assert isinstance(server, GatewayServer)
    return server


def connection_of(gateway: GatewayUnderTest) -> GatewayProtocol:
    """The gateway's side of its only connection."""
    server = server_of(gateway)
    (connection,) = server.connections
    assert isinstance(connection, GatewayProtocol)
    return connection


class Held:
    """A client whose first request runs, as long as its upstream holds the answer back."""

    def __init__(self, gateway: GatewayUnderTest, client: RawClient) -> None:
        self.gateway = gateway
        self.client = client
        self.arrived = asyncio.Event()
        self.let_go = asyncio.Event()

    async def answer_upstream(self, line: Line) -> None:
        """The upstream's script."""
        self.arrived.set()
        await self.let_go.wait()
        await line.send(JSON_BODY + b"content-length: 2\r\n\r\n{}")

    async def send(self, sent: bytes) -> None:
        """Send *sent* behind the running request and have it read."""
        self.client.send(sent)
        await self.client.flushed()
        await arrived()

    async def ending(self) -> list[tuple[int, str | None]]:
        """Let the request end; the status and error code of all answers until the close."""
        self.let_go.set()
        found = []
        try:
            while True:
                answer = await self.client.answer()
                code = answer.error["code"] if answer.status >= 400 else None
                found.append((answer.status, code))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return found


@asynccontextmanager
async def held(
    redis_url: str, *lines: str, behind: bytes = b"", **server: Any
) -> AsyncIterator[Held]:
    """A client whose request runs; *behind*: what it sends in the same packet."""
    async with (
        raw_upstream() as upstream,
        running_gateway(
            redis_url, config_text=config_of(upstream.url), names=(), **server
        ) as gateway,
        connected(gateway) as client,
    ):
        it = Held(gateway, client)
        upstream.answers(it.answer_upstream)
        client.send(a_post(gateway, None, *lines) + behind)
        await it.arrived.wait()
        yield it


async def test_announced_body_over_the_cap_is_refused_before_it_comes(redis_url: str) -> None:
    """A 413 needs no byte of the body, and asks the client to send nothing more."""
    async with running_gateway(redis_url, max_body_bytes=2000) as gateway, connected(gateway) as it:
        answer = await it.ask(head_of(gateway, "POST", CHAT, JSON, "Content-Length: 2001"))

    assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    assert "2000 bytes" in answer.error["message"]
    assert answer.header("connection") == "close"
    assert upstream_calls(gateway) == 0


async def test_chunked_body_is_refused_as_soon_as_it_passes_the_cap(redis_url: str) -> None:
    """What was not announced is counted as it comes; the end is not waited for."""
    async with running_gateway(redis_url, max_body_bytes=2000) as gateway, connected(gateway) as it:
        it.send(head_of(gateway, "POST", CHAT, JSON, CHUNKED))
        answer = await it.ask(b"3e8\r\n" + b" " * 1000 + b"\r\n3e9\r\n" + b" " * 1001 + b"\r\n")

    assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    assert upstream_calls(gateway) == 0


async def test_body_of_exactly_the_cap_is_taken(redis_url: str) -> None:
    """The cap is the last size that is good."""
    body = a_chat(user="x" * 500)
    async with (
        running_gateway(redis_url, max_body_bytes=len(body)) as gateway,
        connected(gateway) as it,
    ):
        assert (await it.ask(a_post(gateway, body))).status == 200


@pytest.mark.parametrize("depth", [8, 9])
async def test_json_is_read_down_to_the_configured_depth(redis_url: str, depth: int) -> None:
    """The body itself is the first level; one more than the cap is a 400."""
    nested = a_chat(metadata=orjson.loads("[" * (depth - 1) + "]" * (depth - 1)))
    async with running_gateway(redis_url, max_json_depth=8) as gateway, connected(gateway) as it:
        answer = await it.ask(a_post(gateway, nested))

    if depth == 8:
        assert answer.status == 200
    else:
        assert (answer.status, answer.error["code"]) == (400, "body_too_deep")
        assert upstream_calls(gateway) == 0


async def test_hundred_thousand_levels_are_refused_quickly(gateway: GatewayUnderTest) -> None:
    """Absurd depth costs no more than reading it."""
    body = b'{"model":"auto","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    async with connected(gateway) as it:
        started = time.process_time()
        answer = await it.ask(a_post(gateway, body))
        spent_s = time.process_time() - started

    assert (answer.status, answer.error["code"]) == (400, "body_too_deep")
    assert spent_s < 0.5


async def test_head_over_the_cap_in_one_packet_is_refused(redis_url: str) -> None:
    """The sum of all header lines counts, each may be short."""
    lines = [f"X-Filler-{number}: {'x' * 90}" for number in range(40)]
    async with (
        running_gateway(redis_url, max_header_bytes=2048) as gateway,
        connected(gateway) as it,
    ):
        answer = await it.ask(a_get(gateway, "/v1/models", *lines))
        rest = await it.rest()

    assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
    assert answer.header("x-should-retry") == "false"
    assert (answer.header("connection"), rest) == ("close", b"")


async def test_head_over_the_cap_in_drops_is_refused(redis_url: str) -> None:
    """It makes no difference whether a head that is too large comes at once or piece by piece."""
    async with (
        running_gateway(redis_url, max_header_bytes=1024) as gateway,
        connected(gateway) as it,
    ):
        drops = [head_of(gateway, "GET", "/v1/models")[:-2]]
        while sum(map(len, drops)) <= 1024:
            drops.append(f"X-Filler: {'x' * 90}\r\n".encode())
        for drop in drops:
            it.send(drop)
            await arrived()
        answer = await it.answer()
        (row,) = await gateway.lines.requests(1)

    assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
    assert (row["status"], row["error_code"]) == (431, "headers_too_large")


async def test_large_body_behind_a_head_cut_within_its_end_is_taken(redis_url: str) -> None:
    """Wherever a head is cut in two, the body behind it is not taken for more of it."""
    async with (
        running_gateway(redis_url, max_header_bytes=1024) as gateway,
        connected(gateway) as it,
    ):
        whole = a_post(gateway, a_chat(user="x" * 5000))
        end = whole.index(b"\r\n\r\n")
        for cut in range(end, end + 5):
            await arrived()
            connection_of(gateway).data_received(whole[:cut])
            connection_of(gateway).data_received(whole[cut:])
            assert (await it.answer()).status == 200


async def test_more_header_lines_than_the_cap_are_refused(redis_url: str) -> None:
    """Lines are counted whatever their size."""
    async with running_gateway(redis_url, max_header_count=12) as gateway, connected(gateway) as it:
        lines = [f"X-{number}: 1" for number in range(11)]
        answer = await it.ask(a_get(gateway, "/v1/models", *lines))

    assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
    assert "12" in answer.error["message"]


@pytest.mark.parametrize("line", ["target", "header"])
async def test_endless_line_is_refused(gateway: GatewayUnderTest, line: str) -> None:
    """A request line over 8 KiB, or a header line over the cap of all, is a 431."""
    target = "/v1/models/" + "x" * 9000 if line == "target" else "/v1/models"
    lines = [] if line == "target" else ["X-Long: " + "x" * 40_000]
    async with connected(gateway) as it:
        answer = await it.ask(a_get(gateway, target, *lines))
        await it.rest()

    assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
    assert "xxx" not in answer.error["message"]


async def test_connection_over_the_cap_is_told_and_closed(redis_url: str) -> None:
    """The one too many hears a 503 that may be retried; the others are served on."""
    async with (
        running_gateway(redis_url, max_connections=2) as gateway,
        connected(gateway) as first,
        connected(gateway) as second,
    ):
        assert (await first.ask(a_get(gateway, "/v1/models"))).status == 200
        assert (await second.ask(a_get(gateway, "/v1/models"))).status == 200
        async with connected(gateway) as third:
            answer = await third.answer()
            rest = await third.rest()
        assert (await first.ask(a_get(gateway, "/v1/models"))).status == 200

    assert (answer.status, answer.error["code"]) == (503, "overloaded")
    assert (answer.header("retry-after"), answer.header("x-should-retry")) == ("1", None)
    assert rest == b""


def a_head_of(size_bytes: int) -> bytes:
    """A whole request's head with many short lines, a little over *size_bytes* in all."""
    lines = b"".join(b"X-%06d: %b\r\n" % (number, b"x" * 88) for number in range(size_bytes // 100))
    return b"GET /healthz HTTP/1.1\r\nHost: g\r\n" + lines + b"\r\n"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("together", [True, False])
async def test_head_behind_a_running_request_is_capped_too(
    redis_url: str, whole: bool, together: bool
) -> None:
    """A request that runs covers no head behind it, whole or not, in its own packet or a later
    one; the running one gets its answer, then comes the refusal.
    """
    head = a_head_of(3000) if whole else a_head_of(3000)[:-2]
    behind = head[:500] if together else b""
    async with held(redis_url, behind=behind, max_header_bytes=2048) as it:
        await it.send(head[len(behind) :])
        assert await it.gateway.rows() == []
        ending = await it.ending()

    assert ending == [(200, None), (431, "headers_too_large")]


async def test_head_over_the_cap_in_the_packet_of_a_running_request_is_refused(
    redis_url: str,
) -> None:
    """A whole head is measured by its lines, wherever it stands in a packet."""
    async with held(redis_url, behind=a_head_of(3000), max_header_bytes=2048) as it:
        ending = await it.ending()

    assert ending == [(200, None), (431, "headers_too_large")]


async def test_body_behind_a_running_request_is_no_head(redis_url: str) -> None:
    """Of a request that waits, too, only the head falls under the head's cap."""
    async with held(redis_url, max_header_bytes=1024) as it:
        waiting = a_post(it.gateway, a_chat(user="x" * 5000), "Connection: close")
        for start in range(0, len(waiting), 700):
            await it.send(waiting[start : start + 700])
        ending = await it.ending()

    assert ending == [(200, None), (200, None)]


async def test_requests_that_wait_are_counted(redis_url: str) -> None:
    """Behind a running request a bounded number may wait; they are answered, then comes a refusal
    that may be retried, for the rest.
    """
    async with held(redis_url) as it:
        await it.send(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n" * (MAX_WAITING + 100))
        ending = await it.ending()

    assert ending == [(200, None)] * (1 + MAX_WAITING) + [(503, "overloaded")]


@pytest.mark.parametrize("too_many", [0, 1])
async def test_requests_that_come_at_once_are_counted_alike(
    gateway: GatewayUnderTest, too_many: int
) -> None:
    """Of those in the first packet, too, one runs and so many wait behind it."""
    request = b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n"
    async with connected(gateway) as it:
        it.send(request * (1 + MAX_WAITING + too_many))
        statuses = [(await it.answer()).status for _ in range(1 + MAX_WAITING + too_many)]

    assert statuses == [200] * (1 + MAX_WAITING) + [503] * too_many


async def test_garbage_behind_a_running_request_is_refused_once(redis_url: str) -> None:
    """What cannot be parsed is answered in its turn; whatever follows is not looked at."""
    async with held(redis_url) as it:
        for _ in range(3):
            await it.send(b"\0\r\n\r\n")
        ending = await it.ending()

    assert ending == [(200, None), (400, "malformed_request")]


async def test_bytes_behind_an_upgrade_are_bounded(redis_url: str) -> None:
    """What a client sends ahead for a protocol that we do not speak is kept up to a bound."""
    async with held(redis_url, "Connection: Upgrade", "Upgrade: websocket") as it:
        for _ in range(3):
            await it.send(b"x" * 10_000)
        assert not it.let_go.is_set()
        ending = await it.ending()

    assert ending == [(200, None), (503, "overloaded")]


async def test_head_behind_an_upgrade_is_capped_too(redis_url: str) -> None:
    """What was kept behind a request for an upgrade that we do not make is held to the caps."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    async with held(redis_url, *upgrade, max_header_bytes=2048) as it:
        await it.send(a_head_of(3000))
        ending = await it.ending()

    assert ending == [(200, None), (431, "headers_too_large")]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET /v1/models HTTP/1.1\r\nHost: g\r\n"])
async def test_head_that_does_not_come_is_not_waited_for(redis_url: str, sent: bytes) -> None:
    """A connection that is silent, or stops within its head, gets a 408 and is closed."""
    async with (
        running_gateway(redis_url, header_timeout_s=0.1) as gateway,
        connected(gateway) as it,
    ):
        answer = await it.ask(sent)
        rest = await it.rest()
        (row,) = await gateway.lines.requests(1)

    assert (answer.status, answer.error["code"]) == (408, "request_timeout")
    assert answer.header("x-should-retry") == "false"
    assert rest == b""
    assert (row["status"], row["error_code"], row["path"]) == (408, "request_timeout", "other")


async def test_dribbling_head_is_overdue_by_its_first_byte(redis_url: str) -> None:
    """Each further byte buys a client no time; a new request on a kept connection starts anew."""
    async with running_gateway(redis_url, header_timeout_s=10) as gateway, connected(gateway) as it:
        assert (await it.ask(a_get(gateway, "/v1/models"))).status == 200
        connection = connection_of(gateway)
        now = asyncio.get_running_loop().time()
        for byte in b"GET /v1/models HT":
            it.send(bytes([byte]))
            await arrived()
        connection.check_deadline(now + 9)
        it.send(b"T")
        await arrived()
        connection.check_deadline(now + 11)

        assert (await it.answer()).status == 408


async def test_idle_kept_connection_is_not_overdue(redis_url: str) -> None:
    """Between requests the header deadline does not run."""
    async with running_gateway(redis_url, header_timeout_s=10) as gateway, connected(gateway) as it:
        assert (await it.ask(a_get(gateway, "/v1/models"))).status == 200
        await arrived()
        connection_of(gateway).check_deadline(asyncio.get_running_loop().time() + 25)

        assert (await it.ask(a_get(gateway, "/v1/models"))).status == 200


async def test_long_answer_is_not_a_late_head(redis_url: str) -> None:
    """While a request is served, with nothing sent behind it, the header deadline does not run."""
    async with held(redis_url) as it:
        check_deadline_in(it.gateway, 100)
        it.let_go.set()

        assert (await it.client.answer()).status == 200
        assert (await it.client.ask(a_get(it.gateway, "/v1/models"))).status == 200


async def test_head_behind_a_running_request_is_overdue_too(redis_url: str) -> None:
    """A head that begins while a request runs has its deadline; the running one is not harmed."""
    async with held(redis_url, header_timeout_s=10) as it:
        await it.send(b"GET /v1/mod")
        check_deadline_in(it.gateway, 9)
        await it.send(b"e")
        check_deadline_in(it.gateway, 11)
        assert await it.gateway.rows() == []
        ending = await it.ending()

    assert ending == [(200, None), (408, "request_timeout")]


def check_deadline_in(gateway: GatewayUnderTest, ahead_s: float) -> None:
    """What the sweep does, *ahead_s* from now."""
    connection_of(gateway).check_deadline(asyncio.get_running_loop().time() + ahead_s)


async def test_body_that_does_not_come_is_not_waited_for(redis_url: str) -> None:
    """A body has a deadline of its own; over it a 408, and the connection closes."""
    async with running_gateway(redis_url, body_timeout_s=0.05) as gateway, connected(gateway) as it:
        answer = await it.ask(a_post(gateway)[:-5])

    assert (answer.status, answer.error["code"]) == (408, "request_timeout")
    assert answer.header("connection") == "close"
    assert upstream_calls(gateway) == 0


async def test_body_slower_than_the_floor_is_not_waited_for(
    gateway: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace, what comes slower than the floor ends in a 408 long before the deadline."""
    monkeypatch.setattr("proxy.server.exchange.FLOOR_AFTER_S", 0.0)
    monkeypatch.setattr("proxy.server.exchange.FLOOR_BYTES_PER_S", 10**9)
    async with connected(gateway) as it:
        it.send(head_of(gateway, "POST", CHAT, JSON, "Content-Length: 100000"))
        while not gateway.lines.rows:
            it.send(b" ")
            await arrived()
        answer = await it.answer()

    assert (answer.status, answer.error["code"]) == (408, "request_timeout")
    assert upstream_calls(gateway) == 0


async def test_body_whose_framing_breaks_is_refused_once_and_at_once(
    gateway: GatewayUnderTest,
) -> None:
    """A broken chunk is told to whoever waits for the body, and is no second request."""
    async with connected(gateway) as it:
        it.send(head_of(gateway, "POST", CHAT, JSON, CHUNKED))
        await arrived()
        answer = await it.ask(b"ZZ\r\n" + a_post(gateway))
        rest = await it.rest()

    assert (answer.status, answer.error["code"]) == (400, "body_incomplete")
    assert (answer.header("connection"), rest) == ("close", b"")
    assert upstream_calls(gateway) == 0


def test_sweep_is_fine_enough_for_the_deadlines() -> None:
    """Deadlines are looked after twice a second: a twentieth of the usual header deadline."""
    assert SWEEP_S <= 0.5


async def test_sweep_goes_on_after_an_error(gateway: GatewayUnderTest) -> None:
    """Whatever goes wrong with one connection, deadlines are looked after again."""
    server = server_of(gateway)
    no_connection: Any = object()
    server._connections[no_connection] = no_connection
    before = server._sweep_timer
    with pytest.raises(AttributeError):
        server._sweep()
    del server._connections[no_connection]

    assert server._sweep_timer is not before
    assert server._sweep_timer is not None
    assert not server._sweep_timer.cancelled()
