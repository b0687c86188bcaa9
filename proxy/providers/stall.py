"""The deadlines of a body that is being relayed: between chunks, and in all. I/O: one timer.

A timer that is moved for every chunk would cost more than the chunk, so it is left alone and
looks, when it fires, how long ago the last chunk came.
"""

import asyncio
from types import TracebackType

import aiohttp

from proxy.domain.outcome import Ending
from proxy.units import LoopSeconds


class Stalled(Exception):  # noqa: N818 - an event of the stream, not an error of ours
    """Raised to the reader of a body whose time is up."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.value)
        self.ending = ending


class StallWatch:
    """Watches a body from `with` to its end; breaks the reader's wait when time is up."""

    def __init__(
        self, content: aiohttp.StreamReader, between_chunks_s: float, deadline: LoopSeconds
    ) -> None:
        self._content = content
        self._between_chunks_s = between_chunks_s
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> "StallWatch":
        self.moved()
        self._timer = self._loop.call_at(min(self._due, self._deadline), self._look)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def moved(self) -> None:
        """Bytes came: the time between chunks starts anew."""
        self._due = self._loop.time() + self._between_chunks_s

    def rest(self) -> None:
        """The client is behind: the upstream is not to blame for what passes until `moved`."""
        self._due = float("inf")

    def _look(self) -> None:
        now = self._loop.time()
        if now >= self._deadline:
            self._content.set_exception(Stalled(Ending.DEADLINE))
        elif now >= self._due:
            self._content.set_exception(Stalled(Ending.UPSTREAM_STALLED))
        else:
            wait_s = min(self._due - now, self._between_chunks_s, self._deadline - now)
            self._timer = self._loop.call_later(wait_s, self._look)
