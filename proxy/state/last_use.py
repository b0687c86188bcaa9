"""When API keys were last used, told to Redis in batches and never per request. I/O: Redis.

A figure for operators who clean up, to some ten seconds; what cannot be written, or does not fit
while Redis is gone, is lost without harm.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from proxy.state import keys
from proxy.state.connection import Connection, StateUnavailableError
from proxy.units import UnixMs

FLUSH_EVERY_S: Final = 10.0
MAX_NOTED: Final = 8192
_BATCH: Final = 1000


class LastUse:
    """The ids of the keys used since the last flush."""

    def __init__(self, connection: Connection, unix_ms: Callable[[], UnixMs]) -> None:
        self._connection = connection
        self._unix_ms = unix_ms
        self._used: set[str] = set()
        self._full = asyncio.Event()

    def note(self, key_id: str) -> None:
        """The key was used now."""
        if len(self._used) < MAX_NOTED:
            self._used.add(key_id)
        else:
            self._full.set()

    async def run(self) -> NoReturn:
        """Flush every ten seconds, or as soon as there is no more room, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY_S):
                    await self._full.wait()
            await self.flush()
            self._full.clear()

    async def flush(self) -> None:
        """Write what was noted; a later time never gives way to an earlier one (ZADD GT)."""
        now_ms, used = self._unix_ms(), list(self._used)
        self._used.clear()
        with suppress(StateUnavailableError):
            for start in range(0, len(used), _BATCH):
                batch = used[start : start + _BATCH]
                scored = (part for key_id in batch for part in (now_ms, key_id))
                await self._connection.call(("ZADD", keys.LAST_USE, "GT", *scored))
