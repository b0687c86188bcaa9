"""Key stores and rings on a real Redis, a clock that stands still, and a wire that can be cut."""

import asyncio
import string
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.errors import GatewayError
from proxy.state.changes import FeedTimes
from proxy.state.connection import Connection, StateUnavailableError
from proxy.state.keyring import KeyRing, RingHooks, RingTimes
from proxy.state.store import KeyStore
from proxy.state.tokens import Pepper
from proxy.tasks import Supervisor
from proxy.units import LoopSeconds, UnixMs

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
QUICK = RingTimes(lookup_s=1.0, feed=FeedTimes(block_ms=50, answer_s=0.3, pause_s=0.05))


@dataclass
class FakeClock:
    """Stands still until it is moved."""

    loop_s: float = 1000.0
    wall_ms: int = 1_760_000_000_000

    def now(self) -> LoopSeconds:
        return LoopSeconds(self.loop_s)

    def unix_ms(self) -> UnixMs:
        return UnixMs(self.wall_ms)


@dataclass
class WatchedRing:
    """A ring and what it told its hooks, in order."""

    ring: KeyRing
    forgot: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)
    trouble: "asyncio.Queue[StateUnavailableError | None]" = field(default_factory=asyncio.Queue)

    async def verdict(self, token: str) -> str:
        """The tenant that *token* is of, or the code of the refusal."""
        try:
            key = await self.ring.identify(token)
            return key.refused_as or key.identity.tenant_id
        except GatewayError as error:
            return error.code

    async def next_forgotten(self) -> str | None:
        async with asyncio.timeout(5):
            return await self.forgot.get()

    async def next_trouble(self) -> StateUnavailableError | None:
        async with asyncio.timeout(5):
            return await self.trouble.get()

    async def settle(self) -> None:
        """Wait until the ring follows, and leave out what it told on the way there."""
        async with asyncio.timeout(5):
            await self.ring.until_following()
        while not self.forgot.empty():
            self.forgot.get_nowait()
        while not self.trouble.empty():
            self.trouble.get_nowait()


RingMaker = Callable[..., WatchedRing]


class Wire:
    """A unix socket in front of Redis that can be cut, fall silent, or hold replies back."""

    def __init__(self, path: Path, upstream: str) -> None:
        self.url = f"unix://{path}"
        self.replied = asyncio.Event()
        """Set once a reply has come from Redis while replies are held."""
        self._path, self._upstream = path, upstream.removeprefix("unix://")
        self._cut = False
        self._silent: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._clients: set[asyncio.StreamWriter] = set()

    async def open(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, self._path)

    def cut(self) -> None:
        """Close all connections and refuse new ones until `mend`."""
        self._cut = True
        for client in self._clients:
            client.close()

    def mend(self) -> None:
        self._cut = False

    def silence(self) -> None:
        """From here on the connections that stand carry nothing, and are not closed either."""
        self._silent |= self._clients

    def hold_replies(self) -> None:
        self._flowing.clear()
        self.replied.clear()

    def release_replies(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self._cut:
            client.close()
            return
        from_redis, redis = await asyncio.open_unix_connection(self._upstream)
        self._clients.add(client)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, redis, client, is_reply=False))
                group.create_task(self._pump(from_redis, client, client, is_reply=True))
        finally:
            self._clients.discard(client)
            redis.close()
            client.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        *,
        is_reply: bool,
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                if is_reply and not self._flowing.is_set():
                    self.replied.set()
                    await self._flowing.wait()
                if client not in self._silent:
                    writer.write(chunk)
                    await writer.drain()
        writer.close()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def pepper() -> Pepper:
    """The pepper of all replicas."""
    return Pepper(b"a pepper for the tests")


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    """Owns the background tasks; a test in which one failed, fails."""
    failures: list[BaseException] = []
    supervisor = Supervisor(lambda _, error: failures.append(error))
    yield supervisor
    await supervisor.stop()
    assert failures == []


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    """Straight to Redis."""
    connection = Connection(redis_url)
    yield connection
    await connection.close()


@pytest.fixture
def store(connection: Connection, pepper: Pepper, clock: FakeClock) -> KeyStore:
    """The operators' side."""
    return KeyStore(connection, pepper, clock.unix_ms)


@pytest.fixture
async def a_ring(
    redis_url: str, pepper: Pepper, clock: FakeClock, supervisor: Supervisor
) -> AsyncIterator[RingMaker]:
    """Makes rings, started, and stops them in the end."""
    made: list[KeyRing] = []

    def make(url: str = redis_url, times: RingTimes = QUICK) -> WatchedRing:
        forgot: asyncio.Queue[str | None] = asyncio.Queue()
        trouble: asyncio.Queue[StateUnavailableError | None] = asyncio.Queue()
        hooks = RingHooks(trouble.put_nowait, forgot.put_nowait)
        ring = KeyRing(url, pepper, clock=clock, supervisor=supervisor, times=times, hooks=hooks)
        ring.start()
        made.append(ring)
        return WatchedRing(ring, forgot, trouble)

    yield make
    for ring in made:
        await ring.stop()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="pm-t-") as place:
        yield Path(place)


@pytest.fixture
async def wire(redis_url: str, short_dir: Path) -> AsyncIterator[Wire]:
    """A way to the session's Redis that can be disturbed."""
    wire = Wire(short_dir / "wire.sock", redis_url)
    server = await wire.open()
    yield wire
    wire.release_replies()
    wire.cut()
    server.close()
    await server.wait_closed()


@pytest.fixture
def forge() -> Callable[[str], str]:
    """A well-formed token with the id of the one given, and another secret."""

    def forged(token: str) -> str:
        body = f"pm_{token.split('_')[1]}_{'x' * 43}"
        rest, check = zlib.crc32(body.encode()), ""
        for _ in range(6):
            rest, digit = divmod(rest, 62)
            check = BASE62[digit] + check
        return f"{body}_{check}"

    return forged
