"""A process that is told to stop: nothing refused, nothing cut inside delay and grace."""

import asyncio
import errno
import select
import signal
import socket
import sys
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import orjson
import pytest

from proxy.server.listener import turn_away
from proxy.simulator.server import running_simulator
from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.child import Served, served
from tests.server.downstream import Answer, a_chat, connected, get, post
from tests.server.waiting import tick

DELAY_S = 0.6
GRACE_S = 1.5
SERVER = f", drain_delay_s: {DELAY_S}, drain_grace_s: {GRACE_S}"

SHORT = {"tokens": 30, "tokens_per_second": 30}
"""About a second: longer than the delay, shorter than delay and grace."""


def directed(script: dict[str, object], **fields: object) -> dict[str, object]:
    """A chat that tells the simulator how to answer it."""
    text = f"[[sim: {orjson.dumps(script).decode()}]]"
    return a_chat(messages=[{"role": "user", "content": text}], **fields)


class Load:
    """Clients that ask and leave, each time on a new connection, until nobody listens."""

    def __init__(self, child: Served) -> None:
        self._child = child
        self.came_to: Counter[str] = Counter()
        self.refused_at: float | None = None

    async def run(self, clients: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._ask_on(stream=number % 2 == 0))

    async def _ask_on(self, *, stream: bool) -> None:
        request = post(self._child.token, a_chat(stream=stream))
        while True:
            try:
                async with connected(self._child.port) as client:
                    self.came_to[await self._one(client.ask(request))] += 1
            except ConnectionRefusedError:
                self.refused_at = self.refused_at or asyncio.get_running_loop().time()
                return

    async def _one(self, asked: Awaitable[Answer]) -> str:
        try:
            answer = await asked
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return "cut"
        return "whole" if answer.is_whole and answer.status == 200 else "broken"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_drain_serves_all_that_came_and_finishes_what_runs(
    redis_url: str, tmp_path: Path, workers: int
) -> None:
    """Not ready at once, yet accepting for the delay; then what runs may finish, for the grace;
    what does not is told so. Exit code 0, nothing left behind.
    """
    loop = asyncio.get_running_loop()
    async with (
        running_simulator() as simulator,
        served(tmp_path, redis_url, simulator.url, server=f"{SERVER}, workers: {workers}") as child,
        connected(child.port) as lasting,
        connected(child.port) as endless,
        connected(child.port, receive_buffer_bytes=4096) as slow,
    ):
        lasting.send(post(child.token, directed(SHORT, stream=True)))
        endless.send(post(child.token, directed({"stall_at_event": 3}, stream=True)))
        slow.send(post(child.token, directed({"huge_body_bytes": 2_000_000})))
        heads = [await client.head() for client in (lasting, endless, slow)]
        slow.writer.transport.pause_reading()
        load = Load(child)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(6))
            while not load.came_to["whole"]:
                await tick()
            child.stop()
            told_at = loop.time()
            while (await child.ask(get("/readyz"))).status != 503:
                assert loop.time() - told_at < DELAY_S / 2
        slow.writer.transport.resume_reading()
        finished, cut, large = await asyncio.gather(
            *(
                client.answer_to(head)
                for client, head in zip((lasting, endless, slow), heads, strict=True)
            )
        )
        code = await child.exit_code()
        took_s = loop.time() - told_at

    assert load.came_to.keys() == {"whole"}, load.came_to
    assert load.refused_at is not None
    assert load.refused_at - told_at >= DELAY_S * 0.9
    assert finished.is_whole
    assert finished.body.endswith(b"data: [DONE]\n\n")
    assert large.is_whole
    assert_told_of_the_end(cut)
    assert code == 0
    assert DELAY_S + GRACE_S <= took_s < DELAY_S + GRACE_S + 4
    assert list(child.scratch.iterdir()) == []
    assert sum(row["broken_off"] for row in child.lines("drain_ended")) == 1
    rows = child.lines("request")
    assert sum(row["ending"] == "drained" for row in rows) == 1
    assert sum(row["status"] == 200 for row in rows) == load.came_to["whole"] + 3


def assert_told_of_the_end(answer: Answer) -> None:
    """The stream ended in an error event that says why, and is seen to be broken."""
    assert not answer.is_whole
    assert b"[DONE]" not in answer.body
    assert orjson.loads(answer.events[-1])["error"]["code"] == "draining"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's socket filter")
def test_listener_that_turns_away_keeps_who_is_in_its_queue() -> None:
    """A connection that stands is still accepted; a new one finds nobody, and is not refused."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as early,
        socket.socket() as late,
    ):
        turn_away(listening.fileno())
        late.setblocking(False)
        assert late.connect_ex(listening.getsockname()) == errno.EINPROGRESS
        accepted, _ = listening.accept()
        with accepted:
            early.sendall(b"still here")
            assert accepted.recv(100) == b"still here"
        assert select.select([], [late], [], 0.05) == ([], [], [])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_second_signal_ends_at_once_and_tells_everyone(
    redis_url: str, tmp_path: Path, workers: int
) -> None:
    """Whoever cannot wait for the drain tells the process again, as often as they like: clients
    hear why they are cut off, the log blames none of them, and nothing else is said.
    """
    patient = f", drain_delay_s: 30, drain_grace_s: 30, workers: {workers}"
    async with (
        running_simulator() as simulator,
        served(tmp_path, redis_url, simulator.url, server=patient) as child,
        connected(child.port) as streaming,
        connected(child.port) as waiting,
    ):
        streaming.send(post(child.token, directed({"stall_at_event": 3}, stream=True)))
        waiting.send(post(child.token, directed({"hang": "head"})))
        head = await streaming.head()
        (provider,) = simulator.providers.values()
        await simulator.until(lambda: provider.stats.calls == 2)
        child.stop()
        while (await child.ask(get("/readyz"))).status == 200:
            pass
        for _ in range(3):
            child.process.send_signal(signal.SIGINT)
        cut, refused = await streaming.answer_to(head), await waiting.answer()
        code = await child.exit_code(within_s=5)

    assert_told_of_the_end(cut)
    assert (refused.status, refused.is_whole) == (503, True)
    assert orjson.loads(refused.body)["error"]["code"] == "draining"
    assert code == 0
    endings = {(row["ending"], row["status"]) for row in child.lines("request")}
    assert endings == {("drained", 200), ("drained", 503)}
    assert sum(row["broken_off"] for row in child.lines("drain_ended")) == 2
    assert child.lines("library_log") == []


@pytest.mark.slow
async def test_end_of_the_drain_is_the_last_line(redis_url: str, tmp_path: Path) -> None:
    """Whoever reads the log to its end has read what became of every request."""
    async with (
        running_simulator() as simulator,
        served(tmp_path, redis_url, simulator.url, server=", drain_delay_s: 0") as child,
        connected(child.port) as client,
    ):
        client.send(post(child.token, directed({"tokens": 5, "tokens_per_second": 20})))
        (provider,) = simulator.providers.values()
        await simulator.until(lambda: provider.stats.calls == 1)
        child.stop()
        answer = await client.answer()
        await child.exit_code()

    assert answer.status == 200
    events = [orjson.loads(line)["event"] for line in child.out.read_bytes().splitlines()]
    assert events[-2:] == ["request", "drain_ended"]


async def test_request_on_a_kept_connection_is_served_while_draining(
    gateway: GatewayUnderTest,
) -> None:
    """A client that is connected already is answered, and told not to come back."""
    async with connected(gateway.port) as client:
        await client.ask(post(gateway.token, a_chat()))
        lifecycle = gateway.runner._lifecycle
        assert lifecycle is not None
        lifecycle.draining = True
        answer = await client.ask(post(gateway.token, a_chat()))
        rest = await client.rest()

    assert (answer.status, answer.is_whole, rest) == (200, True, b"")
    assert answer.header("connection") == "close"


async def test_answer_that_has_not_begun_is_refused_when_the_grace_ends(redis_url: str) -> None:
    """Before its head a request gets a plain 503 that may be tried elsewhere."""
    async with (
        running_gateway(redis_url, drain_grace_s=0.1) as gateway,
        connected(gateway.port) as client,
    ):
        gateway.script("first", hang="head")
        client.send(post(gateway.token, a_chat()))
        await gateway.simulator.until(lambda: gateway.calls("first") == 1)
        await gateway.runner.cleanup()
        answer = await client.answer()
        (row,) = await gateway.lines.requests(1)

    assert (answer.status, answer.is_whole) == (503, True)
    assert orjson.loads(answer.body)["error"]["code"] == "draining"
    assert answer.header("x-should-retry") is None
    assert (row["ending"], row["status"]) == ("drained", 503)
