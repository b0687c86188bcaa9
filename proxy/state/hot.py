"""Redis for the path of a request: one connection, calls of a tick in one write, a hard deadline.

I/O: a socket; one background task, which keeps the connection. Everything that is not on a
request's path uses `connection` (redis-py) instead. An EVALSHA with 2 keys and 12 arguments costs
11 us of CPU alone and 3 to 5 us with 16 on their way, the awaiting task included; redis-py in the
same runs 36 to 54 us alone and 17 to 21 us in a pipeline of 16.

While Redis is well, `link` is the open connection. When it is lost, or its breaker opens (several
batches in a row late, or Redis unable), calls fail at once, and connecting is tried again: one
attempt at a time, after a random pause that grows to a second. Calls go through again once a
write would: a fresh connection is probed with a write that changes nothing, so that a replica, a
Redis that loads its file and one whose memory is full stay closed until they recover, and neither
flap nor let every request find out for itself.
"""

import asyncio
import hashlib
import random
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Self

from redis.asyncio.connection import ConnectionPool, SSLConnection, UnixDomainSocketConnection

from proxy.state.breaker import LONGEST_PAUSE_S, NotHereError, UnknownScriptError, pause_s
from proxy.state.connection import CommandRefusedError, StateUnavailableError
from proxy.state.link import Argument, Command, Link
from proxy.tasks import Supervisor

HOT_DEADLINE_S: Final = 0.05
CONNECT_S: Final = 1.0
"""For the connection itself, TLS included; the probe on it has the deadline of any call."""

HEARTBEAT_S: Final = 1.0

_STOPPED: Final = "the connection to Redis was stopped"
# Writes nothing to a key that is never there, yet is refused wherever a write would be.
_PROBE: Final[Command] = ("SETRANGE", "pm:{probe}", 0, b"")


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, known to Redis by the SHA-1 of its source, to people by its name."""

    name: str
    source: str = field(repr=False)
    sha1: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha1", digest)


class HotRedis:
    """One Redis, called under *deadline_s*. *url* is `redis://`, `rediss://` or `unix://`, with
    redis-py's options for password, db and TLS.

    `report` is called when Redis becomes unavailable (why) and when it is available again (None),
    once a change. *chance* draws in 0..1 for the pauses.

    Raises:
        ValueError: *url* is none of these, or an option of it is wrong.
        OSError: a certificate that it names cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_s: float = HOT_DEADLINE_S,
        report: Callable[[StateUnavailableError | None], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._address = _Address.of(url)
        self._deadline_s = deadline_s
        self._report = report
        self._chance = chance
        self._link: Link | None = None
        self._why = "Redis has not been reached yet"
        self._was_available: bool | None = None
        self._keeper: asyncio.Task[NoReturn] | None = None

    @property
    def is_available(self) -> bool:
        """Whether a call would be sent now, and not fail at once."""
        return self._link is not None and self._link.trouble is None

    def start(self, supervisor: Supervisor) -> None:
        """Begin to connect, and keep connected until `stop`."""
        self._keeper = supervisor.start("hot redis", self._keep())

    async def stop(self) -> None:
        """Disconnect; calls on their way fail, as do later ones. Harmless to repeat."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._why = _STOPPED

    async def call(self, name: str, *arguments: Argument) -> Any:
        """The reply to one command: bytes, a whole number, None, or a list of these.

        A command must have one reply and leave no trace on the connection, which all share: no
        MULTI, SELECT, SUBSCRIBE, CLIENT REPLY, and none that blocks. Cancelling the caller is
        harmless to others; whether Redis did the work is then as unknown as after a failure.

        Raises:
            StateUnavailableError: Redis did not answer by the deadline, is disconnected, is
                unable to serve (`breaker.UNABLE`), or has too many calls waiting.
            CommandRefusedError: Redis refused this command.
            TypeError: an argument is neither text, bytes nor a whole number.
        """
        link = self._link
        if link is None:
            raise StateUnavailableError(self._why)
        return await link.send((name, *arguments))

    async def run(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Argument] = ()
    ) -> Any:
        """The reply of *script*, of which only the SHA-1 travels.

        Where Redis lacks it, it is sent whole, once: by EVAL, which loads it too and is allowed
        where SCRIPT is not. The deadline is then that of two calls.

        Raises:
            StateUnavailableError, CommandRefusedError: as `call`.
        """
        rest = (len(keys), *keys, *args)
        try:
            try:
                return await self.call("EVALSHA", script.sha1, *rest)
            except UnknownScriptError:
                return await self.call("EVAL", script.source, *rest)
        except CommandRefusedError as error:
            raise type(error)(f"{script.name}: {error}") from error

    async def _keep(self) -> NoReturn:
        failures = 0
        while True:
            began_s = time.monotonic()
            self._why = await self._be_connected()
            self._tell(StateUnavailableError(self._why))
            # A connection that soon fails again is no recovery: the pauses go on growing.
            held = time.monotonic() - began_s > CONNECT_S + LONGEST_PAUSE_S
            failures = 1 if held else failures + 1
            await asyncio.sleep(pause_s(failures, self._chance()))

    async def _be_connected(self) -> str:
        """Connect and stay so for as long as it goes well; why it ended."""
        try:
            link = await self._address.connect(self._deadline_s)
        except StateUnavailableError as error:
            return str(error)
        self._link = link
        try:
            self._tell(None)
            await _watch(link)
        finally:
            link.drop(_STOPPED)
            self._why, self._link = link.trouble or _STOPPED, None
            await asyncio.wait([link.lost])  # the next tick: it is aborted already
        return self._why

    def _tell(self, error: StateUnavailableError | None) -> None:
        is_available = error is None
        if is_available is not self._was_available:
            self._was_available = is_available
            self._report(error)


async def _watch(link: Link) -> None:
    # The beats keep idle connections from being cut on the way, and find out before a request does
    # that Redis is gone or takes no writes any more.
    while link.trouble is None:
        await asyncio.wait([link.lost], timeout=HEARTBEAT_S)
        with suppress(StateUnavailableError):
            await link.send(_PROBE)


@dataclass(frozen=True, slots=True)
class _Address:
    """Where Redis is and how to be let in. `path` is of a unix socket, else `host` and `port`."""

    path: str | None
    host: str
    port: int
    tls: ssl.SSLContext | None
    greeting: tuple[Command, ...] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        # A connection of redis-py that is never opened: it knows the defaults and the options.
        try:
            pool: Any = ConnectionPool.from_url(url)
            parsed = pool.make_connection()
        except TypeError as error:
            raise ValueError(f"The Redis URL has an option that is unknown: {error}") from error
        greeting: list[Command] = []
        if parsed.password:
            named = (parsed.username, parsed.password) if parsed.username else (parsed.password,)
            greeting.append(("AUTH", *named))
        if parsed.db:
            greeting.append(("SELECT", parsed.db))
        greeting.append(_PROBE)
        is_unix = isinstance(parsed, UnixDomainSocketConnection)
        return cls(
            path=parsed.path if is_unix else None,
            host="" if is_unix else parsed.host,
            port=0 if is_unix else parsed.port,
            tls=parsed.ssl_context.get() if isinstance(parsed, SSLConnection) else None,
            greeting=tuple(greeting),
        )

    async def connect(self, deadline_s: float) -> Link:
        """A link that would take a write.

        Raises:
            StateUnavailableError: not reached, not let in, or no proper answer in time.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                link = await self._open(deadline_s)
        except TimeoutError as error:
            raise StateUnavailableError(f"Redis did not connect in {CONNECT_S:g} s") from error
        except OSError as error:
            raise StateUnavailableError(f"Redis cannot be reached: {error}") from error
        try:
            await self._greet(link)
        except BaseException:
            link.drop("the connection to Redis was not completed")
            raise
        return link

    async def _open(self, deadline_s: float) -> Link:
        loop = asyncio.get_running_loop()
        if self.path is not None:
            _, link = await loop.create_unix_connection(lambda: Link(deadline_s), self.path)
        else:
            _, link = await loop.create_connection(
                lambda: Link(deadline_s), self.host, self.port, ssl=self.tls
            )
        return link

    async def _greet(self, link: Link) -> None:
        answers = [link.send(command) for command in self.greeting]
        replies = await asyncio.gather(*answers, return_exceptions=True)
        for reply in replies[:-1]:
            if isinstance(reply, BaseException):
                raise reply
        probed = replies[-1]
        # Any other refusal, as "ERR max number of clients reached", is no answer to rely on.
        if isinstance(probed, BaseException) and not isinstance(probed, NotHereError):
            raise probed
