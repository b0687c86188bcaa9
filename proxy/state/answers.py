"""Answers kept for when nothing else can answer, where a rule allows it. No I/O.

Payload, so the rules are strict: kept only in this process's memory, never on disk or in Redis,
by a rule's consent alone; bounded in size and time; and found only by the same tenant with the
same bytes, since the key is a keyed hash over both, under a secret that dies with the process.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.ports import KeptAnswer

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 256 * 1024
TTL_S: Final = 3600.0
_OVERHEAD_BYTES: Final = 400
"""About what an entry takes beside its body."""


class Answers:
    """Implements `ports.AnswerCache`. *now*: monotonic seconds."""

    def __init__(
        self, now: Callable[[], float], *, max_bytes: int = MAX_BYTES, ttl_s: float = TTL_S
    ) -> None:
        self._now = now
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[float, KeptAnswer]] = OrderedDict()
        self.size_bytes = 0

    def key_of(self, tenant_id: str, endpoint: Endpoint, body: bytes) -> bytes:
        """See `ports.AnswerCache`."""
        hashed = blake2b(key=self._secret, digest_size=32)
        # Each part with its length before it: no two triples are ever the same bytes.
        for part in (tenant_id.encode(), endpoint.value.encode(), body):
            hashed.update(len(part).to_bytes(8, "big"))
            hashed.update(part)
        return hashed.digest()

    def find(self, key: bytes) -> KeptAnswer | None:
        """See `ports.AnswerCache`."""
        found = self._kept.get(key)
        if found is None:
            return None
        kept_until, answer = found
        if kept_until <= self._now():
            self._drop(key)
            return None
        return answer

    def keep(self, key: bytes, answer: KeptAnswer) -> None:
        """See `ports.AnswerCache`."""
        if len(answer.body) > MAX_ANSWER_BYTES:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (self._now() + self._ttl_s, answer)
        self.size_bytes += len(answer.body) + _OVERHEAD_BYTES
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))  # the oldest, which ends first, too

    def _drop(self, key: bytes) -> None:
        _, answer = self._kept.pop(key)
        self.size_bytes -= len(answer.body) + _OVERHEAD_BYTES
