"""Deadlines for many waits at once, by one coarse timer. Leaf, I/O: event loop.

`asyncio.timeout` sets a timer of its own and asks twice for the running loop, which on Python
3.11 is a system call each: some 8 us a request. Here a wait enters a slot of TICK_S and leaves
it again, which costs well under one.
"""

import asyncio
from types import TracebackType
from typing import Final

from proxy.units import LoopSeconds

TICK_S: Final = 0.05
"""How late a deadline may be kept."""


class Deadlines:
    """Keeps the deadlines of one event loop's tasks. Made on that loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots: dict[int, set[Watch]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def until(self, deadline: LoopSeconds) -> "Watch":
        """Bound the block that it opens: `with deadlines.until(...)`.

        Raises:
            TimeoutError: from the block, at most TICK_S late, as `asyncio.timeout` does.
        """
        return Watch(self, self._loop, int(deadline / TICK_S) + 1)

    def enter(self, watch: "Watch") -> None:
        """Begin to keep *watch*."""
        slot = self._slots.get(watch.slot)
        if slot is None:
            slot = self._slots[watch.slot] = set()
        slot.add(watch)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def leave(self, watch: "Watch") -> None:
        """Forget *watch*."""
        slot = self._slots.get(watch.slot)
        if slot is not None:
            slot.discard(watch)
            if not slot:
                del self._slots[watch.slot]

    def _tick(self) -> None:
        now = int(self._loop.time() / TICK_S)
        for number in [number for number in self._slots if number <= now]:
            for watch in self._slots.pop(number):
                watch.expire()
        self._timer = self._loop.call_later(TICK_S, self._tick) if self._slots else None


class Watch:
    """One wait with a deadline; the rules are those of `asyncio.timeout`: only the cancellation
    that it caused itself becomes a TimeoutError.
    """

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_loop", "_task", "slot")

    def __init__(self, deadlines: Deadlines, loop: asyncio.AbstractEventLoop, slot: int) -> None:
        self._deadlines = deadlines
        self._loop = loop
        self._expired = False
        self._cancelling = 0
        self._task: asyncio.Task[object] | None = None
        self.slot = slot

    def __enter__(self) -> "Watch":
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.enter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._deadlines.leave(self)
        task, self._task = self._task, None
        ours = self._expired and task is not None and task.uncancel() <= self._cancelling
        if ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def within(self, seconds: float) -> "Watch":
        """A second watch, for a part of the block: bounds it to *seconds* from now."""
        return self._deadlines.until(LoopSeconds(self._loop.time() + seconds))

    def move(self, after_s: float, at_most: LoopSeconds) -> None:
        """Put the deadline *after_s* from now, but not beyond *at_most*."""
        deadline = min(self._loop.time() + after_s, at_most)
        self._deadlines.leave(self)
        self.slot = int(deadline / TICK_S) + 1
        self._deadlines.enter(self)

    def expire(self) -> None:
        """The deadline is over: break the wait."""
        if self._task is not None:
            self._expired = True
            self._task.cancel()
