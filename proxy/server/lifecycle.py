"""From ready to gone: which exchanges run, and how they are led to their end. I/O: event loop."""

import asyncio
from collections.abc import Callable

from proxy.errors import GatewayError
from proxy.server.exchange import HttpExchange

LAST_WAIT_S = 5.0


class Lifecycle:
    """Knows the running exchanges of a process, and whether it is shutting down: `draining`, new
    exchanges are still served; `closed`, they are refused.
    """

    def __init__(self, keep_books: Callable[[], None] = lambda: None) -> None:
        """*keep_books* counts and logs the exchanges that are over and still wait for that."""
        self.keep_books = keep_books
        self.draining = False
        self.closed = False
        self._running: set[HttpExchange] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running_count(self) -> int:
        """How many exchanges are under way."""
        return len(self._running)

    def enter(self, exchange: HttpExchange) -> None:
        """*exchange* began."""
        self._running.add(exchange)
        self._idle.clear()
        if self.draining:
            exchange.sink.close_after()

    def leave(self, exchange: HttpExchange) -> None:
        """*exchange* is over."""
        self._running.discard(exchange)
        if not self._running:
            self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

    async def until_idle(self, within_s: float) -> None:
        """Wait until nothing is under way, at most *within_s* seconds."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            pass

    async def close(self) -> int:
        """Take no more exchanges, and break off those that run; how many did.

        Bounded: whoever does not end within LAST_WAIT_S is left to the connection's own end.
        """
        self.closed = True
        left = tuple(self._running)
        for exchange in left:
            exchange.drained = True
            exchange.sink.break_off(GatewayError("draining"))
            exchange.cancel()
        if left:
            await self.until_idle(LAST_WAIT_S)
        return len(left)
