"""Connections to one origin: how many, which is free, which is too old. I/O: sockets, DNS."""

import asyncio
import socket
import ssl
from collections import deque
from typing import Final

import aiohappyeyeballs

from proxy.domain.outcome import FailureKind
from proxy.providers.connection import Connection

IDLE_S: Final = 15.0
"""Shorter than the keep-alive of any server we know, so that we close first."""

HAPPY_EYEBALLS_S: Final = 0.25
"""RFC 8305: how long an address family is given before the other is tried beside it."""


class Pool:
    """Hands out connections to *host* and *port*, at most *max_connections* at a time.

    *tls*: None for plain TCP. The last one given back is the first handed out, so that the ones
    that are not needed grow old.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        max_connections: int,
        connect_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._port = port
        self._tls = tls
        self._max_connections = max_connections
        self._connect_s = connect_s
        self._open: set[Connection] = set()
        self._connecting = 0
        self._idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None

    async def acquire(self, *, fresh: bool = False) -> Connection | FailureKind:
        """A connection for one exchange; *fresh*: one that carried none yet. Waits at most
        `connect_s`, for a free place and the connecting together.
        """
        if not fresh and (connection := self._take_idle()) is not None:
            return connection
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._wait_for_one(fresh=fresh)
        except TimeoutError:
            return FailureKind.CONNECT_TIMEOUT
        except ssl.SSLError:
            return FailureKind.TLS
        except OSError:
            return FailureKind.CONNECT

    def close(self) -> None:
        """Drop every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._open):
            connection.drop()

    def _take_idle(self) -> Connection | None:
        oldest = self._loop.time() - IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.drop()
        return None

    async def _wait_for_one(self, *, fresh: bool) -> Connection:
        while True:
            if not fresh and (connection := self._take_idle()) is not None:
                return connection
            if len(self._open) + self._connecting < self._max_connections:
                return await self._connect()
            if fresh and self._idle:
                self._idle.pop().drop()  # makes room, in a moment
            await self._turn()

    async def _turn(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake_one()  # the place that was ours to take is another's now
            raise

    async def _connect(self) -> Connection:
        self._connecting += 1
        try:
            addresses = await self._loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
            sock = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_S, interleave=1, loop=self._loop
            )
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._given_back, self._lost),
                sock=sock,
                ssl=self._tls,
                server_hostname=self._host if self._tls is not None else None,
            )
        finally:
            self._connecting -= 1
            self._wake_one()
        self._open.add(connection)
        return connection

    def _given_back(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._wake_one()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(IDLE_S, self._sweep)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _sweep(self) -> None:
        oldest = self._loop.time() - IDLE_S
        for connection in [each for each in self._idle if each.idle_since <= oldest]:
            connection.drop()
        self._idle = [each for each in self._idle if each.is_open]
        self._sweeper = self._loop.call_later(IDLE_S, self._sweep) if self._idle else None
