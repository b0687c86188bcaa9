"""API keys read from Redis on behalf of requests. I/O: Redis.

Rules of this file:

1. One task of our own talks to Redis, so a client that leaves takes no connection with it and
   fails nobody who waits for the same key.
2. A key is read once however many wait for it; keys asked for meanwhile go together in the next
   round trip. The number that may wait is bounded.
3. A key that changed while it was being read is read again: the reply may be older than the
   change, whose notice would then have come too early to remove it from a cache.
4. When Redis fails, all who wait are told at once, so nobody waits longer than one deadline.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final

from proxy.domain.tenant import Identity
from proxy.state import keys
from proxy.state.connection import Connection, StateUnavailableError
from proxy.tasks import Supervisor
from proxy.units import UnixMs

MAX_WAITING: Final = 10_000
_BATCH: Final = 1024
_FIELDS: Final = ("tenant", "hash", "expires_ms", "revoked_ms", "tags")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is needed to know a key again: 32 bytes of keyed hash, whose it is, and its ends."""

    identity: Identity
    digest: bytes = field(repr=False)
    expires_ms: UnixMs | None
    is_revoked: bool


Answer = StoredKey | None | StateUnavailableError


class Lookups:
    """Finds keys by id. `on_answer` gets each one found, or None, before those who asked do."""

    def __init__(
        self,
        connection: Connection,
        supervisor: Supervisor,
        on_answer: Callable[[str, StoredKey | None], None],
    ) -> None:
        self._connection = connection
        self._supervisor = supervisor
        self._on_answer = on_answer
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._changed: set[str] = set()
        self._reader: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> StoredKey | None:
        """The key with this id, None if there is none.

        Raises:
            StateUnavailableError: Redis did not answer by the deadline, or too many wait already.
        """
        answer = self._waiting.get(key_id)
        if answer is None:
            answer = self._ask(key_id)
        found = await asyncio.shield(answer)
        if isinstance(found, StateUnavailableError):
            raise StateUnavailableError(str(found)) from found
        return found

    def changed(self, key_id: str | None) -> None:
        """Take note that a key changed (None: all may have), so that no older reply is kept."""
        if key_id is None:
            self._changed.update(self._waiting)
        elif key_id in self._waiting:
            self._changed.add(key_id)

    async def stop(self) -> None:
        """End the reading; those who wait are told that Redis is unavailable."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    def _ask(self, key_id: str) -> "asyncio.Future[Answer]":
        if len(self._waiting) >= MAX_WAITING:
            raise StateUnavailableError(f"{MAX_WAITING} keys are being looked up already")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[key_id] = answer
        if self._reader is None or self._reader.done():
            self._reader = self._supervisor.start("key look-ups", self._read_all())
        return answer

    async def _read_all(self) -> None:
        reason = StateUnavailableError("the look-up was given up")
        try:
            while self._waiting:
                await self._read_batch(list(islice(self._waiting, _BATCH)))
        except StateUnavailableError as error:
            reason = error
        finally:  # a failure, a bug or a stop: nobody may be left waiting
            for answer in self._waiting.values():
                answer.set_result(reason)
            self._waiting.clear()

    async def _read_batch(self, key_ids: Sequence[str]) -> None:
        self._changed.clear()
        rows = await self._connection.call(
            *(("HMGET", keys.record_of(key_id), *_FIELDS) for key_id in key_ids)
        )
        for key_id, row in zip(key_ids, rows, strict=True):
            if key_id not in self._changed:
                key = _stored_key(key_id, row)
                self._on_answer(key_id, key)
                self._waiting.pop(key_id).set_result(key)


def _stored_key(key_id: str, row: Sequence[str | None]) -> StoredKey | None:
    tenant_id, digest, expires_ms, revoked_ms, tags = row
    if tenant_id is None or digest is None:
        return None
    try:
        return StoredKey(
            # Many keys share a tenant and tags; one copy of each keeps the ring within its memory.
            identity=Identity(sys.intern(tenant_id), key_id, _tags_of(tags or "")),
            digest=bytes.fromhex(digest),
            expires_ms=None if expires_ms is None else UnixMs(int(expires_ms)),
            is_revoked=revoked_ms is not None,
        )
    except ValueError:
        return None  # garbled: no key, and no harm to those read in the same trip


@lru_cache(maxsize=4096)
def _tags_of(written: str) -> frozenset[str]:
    return frozenset(written.split())
