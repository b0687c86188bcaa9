"""From ready to gone: which exchanges run, and how they are led to their end. I/O: event loop."""

import asyncio

from proxy.errors import GatewayError
from proxy.server.exchange import HttpExchange


class Lifecycle:
    """Knows the running exchanges of a process, and whether it is shutting down."""

    def __init__(self) -> None:
        self.draining = False
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

    async def drain(self, grace_s: float) -> int:
        """Let running exchanges finish for *grace_s* seconds, then break off the rest.

        Returns how many had to be broken off.
        """
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        left = tuple(self._running)
        for exchange in left:
            exchange.drained = True
            exchange.sink.break_off(GatewayError("draining"))
            exchange.cancel()
        if left:
            await self._idle.wait()
        return len(left)
