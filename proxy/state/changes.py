"""Which API keys changed, told to this process as it happens. I/O: Redis, one connection.

Rules of this file:

1. Our position is the id of the last change that we know of. Reading starts there, so a lost
   connection costs time, never a change.
2. A position is trusted while its own entry is still in the stream: then nothing after it was
   trimmed. Where it is gone (trimmed, Redis came back empty or from another copy) all that was
   learnt is dropped and reading starts at the newest entry.
3. Position and entries are read in one transaction, so nothing is trimmed between the two looks.
4. An idle wait ends every second, and a connection that says nothing for three is given up: a
   half-open one delays a change by less than five seconds, pause and reconnecting included.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from proxy.state.connection import Connection, StateUnavailableError
from proxy.state.keys import CHANGES

_START: Final = "0-0"
_READ_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class FeedTimes:
    """How long to wait for a change in one call, for Redis to answer it, and before reconnecting.

    The pause is drawn at random below a bound that doubles with each failure, up to `pause_s`.
    """

    block_ms: int = 1000
    answer_s: float = 3.0
    pause_s: float = 1.0
    first_pause_s: float = 0.1


class ChangeFeed:
    """Follows the changes for as long as `run` runs.

    `forget` is called with the id of each key that changed, or None: all may have.
    `report` is called when Redis is lost (why) and when it is back (None).
    """

    def __init__(
        self,
        url: str,
        times: FeedTimes,
        *,
        forget: Callable[[str | None], None],
        report: Callable[[StateUnavailableError | None], None],
    ) -> None:
        self._connection = Connection(url, deadline_s=times.answer_s, max_connections=1)
        self._times = times
        self._forget = forget
        self._report = report
        self._position = _START
        self._failures = 0
        self.following = asyncio.Event()
        self.followed_once = False
        """Set while every change that happened is known, but for the last moments'."""

    async def run(self) -> NoReturn:
        """Follow until cancelled, reconnecting as often as it takes; one attempt at a time."""
        while True:
            try:
                await self._catch_up()
                self._regained()
                await self._wait()
            except StateUnavailableError as error:
                self._lost(error)
                await asyncio.sleep(self._pause_s())

    async def close(self) -> None:
        """Close the connection, after `run` was cancelled."""
        await self._connection.close()

    async def _catch_up(self) -> None:
        ours, newer, newest = await self._connection.call(
            ("XRANGE", CHANGES, self._position, self._position),
            ("XRANGE", CHANGES, f"({self._position}", "+", "COUNT", _READ_BATCH),
            ("XREVRANGE", CHANGES, "+", "-", "COUNT", 1),
            atomic=True,
        )
        nothing_ever_changed = self._position == _START and not newest
        if not ours and not nothing_ever_changed:
            self._position = newest[0][0] if newest else _START
            self._forget(None)
            return
        for entry_id, fields in newer:
            self._forget(fields.get("key"))  # an entry that names none: anything may have changed
            self._position = entry_id

    async def _wait(self) -> None:
        # Only a bell: what it rings for is read by `_catch_up`, in one piece (rule 3).
        await self._connection.call(
            ("XREAD", "COUNT", 1, "BLOCK", self._times.block_ms, "STREAMS", CHANGES, self._position)
        )

    def _regained(self) -> None:
        if not self.following.is_set():
            self._failures = 0
            self.followed_once = True
            self.following.set()
            self._report(None)

    def _lost(self, error: StateUnavailableError) -> None:
        self._failures += 1
        if self._failures == 1:
            self.following.clear()
            self._report(error)

    def _pause_s(self) -> float:
        # Random from zero up: replicas that lost the same Redis must not return in step.
        doubled = self._times.first_pause_s * 2 ** min(self._failures, 10)
        return random.uniform(0, min(self._times.pause_s, doubled))
