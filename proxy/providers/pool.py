"""Connections to one origin: how many, which is free, which is too old. I/O: sockets, DNS.

The rules: a place is held from before the connecting until the connection is gone. What becomes
free, a connection or a place, goes to the one who waited longest, by name, so that nobody who
comes later can take it first; who was given something and no longer wants it passes it on.
"""

import asyncio
import socket
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiohappyeyeballs

from proxy.domain.outcome import FailureKind
from proxy.providers.connection import Connection
from proxy.providers.peers import ForbiddenPeerError, check_peer

IDLE_S: Final = 4.0
"""Shorter than the keep-alive of the servers that people run themselves (uvicorn, Node and
llama.cpp: 5 s), so that we close first.
"""

IDLE_TLS_S: Final = 15.0
"""The same where a connection costs more to make, and hosts keep it for a minute at least."""

HAPPY_EYEBALLS_S: Final = 0.25
"""RFC 8305: how long an address is given before the next is tried beside it."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody in the queue. Given: a connection, or None for a place to make one in."""

    given: "asyncio.Future[Connection | None]"
    fresh: bool


class Pool:
    """Hands out connections to *host* and *port*, at most *max_connections* at a time.

    *tls*: None for plain TCP. *allow_private*: to other peers than public ones, too. The last one
    given back is the first handed out, so that the ones that are not needed grow old.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        max_connections: int,
        connect_s: float,
        allow_private: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._port = port
        self._tls = tls
        self._max_connections = max_connections
        self._connect_s = connect_s
        self._allow_private = allow_private
        self._idle_s = IDLE_S if tls is None else IDLE_TLS_S
        self._places_taken = 0
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        self._waiters: deque[_Waiter] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self, *, fresh: bool = False) -> Connection | FailureKind:
        """A connection for one exchange; *fresh*: one that carried none yet. Waits at most
        `connect_s`, for a free place and the connecting together.
        """
        if self._closed:
            return FailureKind.CONNECT
        if not fresh and (connection := self._take_idle()) is not None:
            return connection
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._wait_for_one(fresh=fresh)
        except TimeoutError:
            return FailureKind.CONNECT_TIMEOUT
        except ssl.SSLError:
            return FailureKind.TLS
        except ForbiddenPeerError:
            return FailureKind.FORBIDDEN_PEER
        except (OSError, RuntimeError, UnicodeError):
            # uvloop has a RuntimeError for some addresses; a name can be none that DNS takes.
            return FailureKind.CONNECT

    def close(self) -> None:
        """Drop every connection, whoever uses it or waits for one, and make no more."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        while (waiter := self._first_waiter()) is not None:
            waiter.given.set_exception(ConnectionAbortedError())
        for connection in tuple(self._open):
            connection.sever()

    def _take_idle(self) -> Connection | None:
        now = self._loop.time()
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_open and connection.idle_until > now:
                return connection
            connection.sever()
        return None

    async def _wait_for_one(self, *, fresh: bool) -> Connection:
        if self._places_taken < self._max_connections:
            self._places_taken += 1
            return await self._connect()
        if (oldest := next(iter(self._idle), None)) is not None:
            del self._idle[oldest]  # only who wants a fresh one finds any here
            oldest.sever()
        given = await self._turn(_Waiter(self._loop.create_future(), fresh))
        while given is not None:
            if given.is_open:
                return given
            # Lost on the way here, and its place with it: whose turn it was is still the first.
            given = await self._turn(_Waiter(self._loop.create_future(), fresh), first=True)
        return await self._connect()

    async def _turn(self, waiter: _Waiter, *, first: bool = False) -> Connection | None:
        if self._closed:
            raise ConnectionAbortedError
        if first:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        try:
            return await waiter.given
        except asyncio.CancelledError:
            if waiter.given.cancelled():
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            else:
                self._pass_on(waiter.given)
            raise

    def _pass_on(self, given: "asyncio.Future[Connection | None]") -> None:
        if given.exception() is not None:
            return
        connection = given.result()
        if connection is None:
            self._place_freed()
        elif connection.is_open:
            self._given_back(connection)

    async def _connect(self) -> Connection:
        """Connect in a place that is already ours; it is free again if that fails."""
        try:
            connection = await self._connected()
        except BaseException:
            self._place_freed()
            raise
        self._open.add(connection)
        return connection

    async def _connected(self) -> Connection:
        addresses = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_S, interleave=1, loop=self._loop
        )
        self._check_peer(sock)
        _, connection = await self._loop.create_connection(
            lambda: Connection(self._given_back, self._lost, self._idle_s),
            sock=sock,
            ssl=self._tls,
            server_hostname=self._host if self._tls is not None else None,
        )
        if self._closed or not connection.is_open:
            connection.sever()
            raise ConnectionAbortedError
        return connection

    def _check_peer(self, sock: socket.socket) -> None:
        # Here, and not where the name was looked up: what is connected is what is judged.
        try:
            check_peer(sock.getpeername()[0], allow_private=self._allow_private)
        except OSError:
            sock.close()
            raise

    def _given_back(self, connection: Connection) -> None:
        if self._closed:
            connection.sever()
            return
        waiter = self._first_waiter()
        if waiter is None:
            self._idle[connection] = None
            if self._sweeper is None:
                self._sweeper = self._loop.call_later(self._idle_s, self._sweep)
        elif waiter.fresh:
            connection.sever()  # its place goes to them
        else:
            waiter.given.set_result(connection)

    def _lost(self, connection: Connection) -> None:
        if connection not in self._open:
            return  # so soon that it never counted as one: `_connect` frees its place
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._place_freed()

    def _place_freed(self) -> None:
        waiter = self._first_waiter()
        if waiter is None:
            self._places_taken -= 1
        else:
            waiter.given.set_result(None)

    def _first_waiter(self) -> _Waiter | None:
        """Who waited longest and was neither given anything yet nor cancelled in this turn."""
        while self._waiters and self._waiters[0].given.done():
            self._waiters.popleft()
        return self._waiters[0] if self._waiters else None

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [each for each in self._idle if each.idle_until <= now]:
            del self._idle[connection]
            connection.sever()
        self._sweeper = self._loop.call_later(self._idle_s, self._sweep) if self._idle else None
