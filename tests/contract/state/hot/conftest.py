"""Hot connections on both event loops, and servers that misbehave as told."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import hiredis
import pytest
import uvloop

from proxy.state.connection import Connection, StateUnavailableError
from proxy.state.embedded import EmbeddedRedis
from proxy.state.hot import HotRedis
from proxy.tasks import Supervisor

PATIENT_S = 10.0
"""A deadline for tests that are about something else, on a machine that is busy."""


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The gateway runs on uvloop; its tools may run on asyncio's own."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def stall(for_s: float) -> None:
    """Keep the event loop busy, as a long computation would."""
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        pass


@dataclass
class WatchedHot:
    """A hot connection and what it reported, in order."""

    redis: HotRedis
    told: "asyncio.Queue[StateUnavailableError | None]" = field(default_factory=asyncio.Queue)

    async def next_told(self) -> StateUnavailableError | None:
        async with asyncio.timeout(20):
            return await self.told.get()

    async def until_available(self) -> None:
        """Wait until it is connected; what it told on the way there is left out."""
        while await self.next_told() is not None:
            pass

    async def failure_of(self, call: Awaitable[Any]) -> StateUnavailableError:
        """How *call* fails; it must."""
        with pytest.raises(StateUnavailableError) as failed:
            await call
        return failed.value

    async def fail_until_open(self) -> StateUnavailableError:
        """Call until the breaker opens; what it then reported."""
        while self.redis.is_available:
            await self.failure_of(self.redis.call("INCR", "n"))
        told = await self.next_told()
        assert told is not None
        return told


HotMaker = Callable[..., Awaitable[WatchedHot]]


@pytest.fixture
async def a_hot(supervisor: Supervisor) -> AsyncIterator[HotMaker]:
    """Makes hot connections, started and (unless told otherwise) available; stops them at last."""
    made: list[HotRedis] = []

    async def make(
        url: str, *, deadline_s: float = PATIENT_S, wait: bool = True, draw: float = 0.0
    ) -> WatchedHot:
        told: asyncio.Queue[StateUnavailableError | None] = asyncio.Queue()
        hot = HotRedis(url, deadline_s=deadline_s, report=told.put_nowait, chance=lambda: draw)
        hot.start(supervisor)
        made.append(hot)
        watched = WatchedHot(hot, told)
        if wait:
            await watched.until_available()
        return watched

    yield make
    for hot in made:
        await hot.stop()


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, to be stopped, filled and locked."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
async def own_admin(own_redis: EmbeddedRedis) -> AsyncIterator[Connection]:
    """Straight to the test's own Redis, by redis-py."""
    admin = Connection(own_redis.url, deadline_s=PATIENT_S)
    yield admin
    await admin.close()


class StandIn:
    """A server that is no Redis: it takes every command, and answers as `answers` says.

    `answers` maps the name of a command to the bytes of its reply, None to silence, what it does
    not name to the one named "*".
    """

    def __init__(self, **answers: bytes | None) -> None:
        self.url = ""
        self.answers: dict[str, bytes | None] = {"SETRANGE": b":0\r\n", "*": b"+OK\r\n", **answers}
        self.reads: list[list[bytes]] = []
        """The names of the commands that came in one read, which is one write of the client."""
        self.connections = 0
        self.most_at_once = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def now(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def send_to_all(self, chunk: bytes) -> None:
        """Send *chunk* on every connection, asked or not."""
        for writer in self._open:
            writer.write(chunk)

    def close_all(self) -> None:
        """Close every connection."""
        for writer in self._open:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        self.most_at_once = max(self.most_at_once, len(self._open))
        parser = hiredis.Reader()
        try:
            while chunk := await reader.read(1 << 20):
                parser.feed(chunk)
                writer.write(self._answer(parser))
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, parser: hiredis.Reader) -> bytes:
        names = []
        while (command := parser.gets()) is not False:
            names.append(command[0])
        self.reads.append(names)
        answers = (self.answers.get(name.decode(), self.answers["*"]) for name in names)
        return b"".join(answer for answer in answers if answer is not None)


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """A stand-in on a TCP port of its own."""
    made = StandIn()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    made.close_all()
    await server.wait_closed()
