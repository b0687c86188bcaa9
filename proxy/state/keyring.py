"""Who bears an API key: the local ring before Redis (step 1 of the request path). I/O: Redis.

Rules of this file:

1. A key in the ring costs one hash and no waiting. The hash is over the whole token, so where it
   is equal nothing else needs to be checked; where it is not, the bearer learns only that the key
   is unknown, never that one of its id was revoked. It is the pepper's the first time, then a
   quicker one under a secret of this ring: OpenSSL 3 looks HMAC-SHA-256 up anew for each call.
2. What is not in the ring and not well-formed is refused without a look-up; what Redis did not
   know is remembered for a few seconds, in a bounded list.
3. Ring and list are emptied of a key as soon as it changes (`changes`); a reply that is older
   than the change never gets in (`lookups`).
4. Redis gone: keys in the ring live on, others cannot be told from wrong ones and get 503.
"""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from proxy.domain.tenant import KeyStanding
from proxy.errors import GatewayError
from proxy.ports import Clock
from proxy.state.changes import ChangeFeed, FeedTimes
from proxy.state.connection import CALL_DEADLINE_S, Connection, StateUnavailableError
from proxy.state.last_use import LastUse
from proxy.state.lookups import Lookups, StoredKey
from proxy.state.tokens import TOKEN_CHARS, Pepper, claimed_id, is_well_formed
from proxy.tasks import Supervisor
from proxy.units import UnixMs

RING_KEYS: Final = 8192
"""About 300 bytes each."""

ABSENT_KEYS: Final = 2048
ABSENT_S: Final = 5.0


@dataclass(slots=True)
class RingCounts:
    """Since the start: tokens known locally, looked up, refused as unknown without a look-up;
    changes heard of; and how often the whole ring was dropped.
    """

    hits: int = 0
    lookups: int = 0
    refused: int = 0
    changes: int = 0
    drops: int = 0


@dataclass(frozen=True, slots=True)
class RingTimes:
    """The ring's deadlines."""

    lookup_s: float = CALL_DEADLINE_S
    feed: FeedTimes = field(default_factory=FeedTimes)


@dataclass(frozen=True, slots=True)
class RingHooks:
    """Who wants to know. `trouble`: Redis was lost (why) or is back (None). `forgot`: this key
    was dropped because it changed; None: all were.
    """

    trouble: Callable[[StateUnavailableError | None], None] = lambda _: None
    forgot: Callable[[str | None], None] = lambda _: None


_DEFAULT_TIMES: Final = RingTimes()
_NO_HOOKS: Final = RingHooks()


@dataclass(slots=True)
class _Known:
    """A key in the ring; `proof` is the ring's own hash of its token, once that was borne."""

    standing: KeyStanding
    digest: bytes = field(repr=False)
    expires_ms: UnixMs | None
    proof: bytes = field(default=b"", repr=False)


class KeyRing:
    """The KeyRing of `ports`. Made on the event loop; `start` before use, `stop` after it."""

    def __init__(
        self,
        redis_url: str,
        pepper: Pepper,
        *,
        clock: Clock,
        supervisor: Supervisor,
        times: RingTimes = _DEFAULT_TIMES,
        hooks: RingHooks = _NO_HOOKS,
    ) -> None:
        self.counts = RingCounts()
        self._pepper = pepper
        self._clock = clock
        self._supervisor = supervisor
        self._hooks = hooks
        self._ring: OrderedDict[str, _Known] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._connection = Connection(redis_url, deadline_s=times.lookup_s)
        self._lookups = Lookups(self._connection, supervisor, self._learn)
        self._last_use = LastUse(self._connection, clock.unix_ms)
        self._feed = ChangeFeed(redis_url, times.feed, forget=self._forget, report=hooks.trouble)
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        """Begin to follow changes. Needs no Redis: it is waited for in the background."""
        self._tasks = [
            self._supervisor.start("key changes", self._feed.run()),
            self._supervisor.start("key last use", self._last_use.run()),
        ]

    async def stop(self) -> None:
        """End all of it, and tell Redis which keys were used last. Bounded by two deadlines."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._lookups.stop()
        await self._last_use.flush()
        await self._feed.close()
        await self._connection.close()

    async def until_following(self) -> None:
        """Wait until changes reach this process (again)."""
        await self._feed.following.wait()

    @property
    def is_following(self) -> bool:
        """Whether changes reach this process at present."""
        return self._feed.following.is_set()

    @property
    def has_followed(self) -> bool:
        """Whether changes reached this process ever: until then it may know no key at all."""
        return self._feed.followed_once

    async def flush_last_use(self) -> None:
        """Tell Redis now which keys were used, rather than within ten seconds."""
        await self._last_use.flush()

    async def identify(self, token: str) -> KeyStanding:
        """See `ports.KeyRing`."""
        if len(token) != TOKEN_CHARS or not token.isascii():
            raise self._refusal()
        known = self._ring.get(claimed_id(token))
        if known is None:
            known = _known(await self._look_up(token))
        else:
            self.counts.hits += 1
            self._ring.move_to_end(known.standing.identity.key_id)
        if not self._bears(token, known):
            raise GatewayError("invalid_api_key")
        standing = known.standing
        if standing.refused_as is not None:
            return standing
        if known.expires_ms is not None and known.expires_ms <= self._clock.unix_ms():
            return KeyStanding(standing.identity, "expired_api_key")
        self._last_use.note(standing.identity.key_id)
        return standing

    def _bears(self, token: str, known: _Known) -> bool:
        """Whether *token* is that of the *known* key; compared in constant time."""
        proof = blake2b(token.encode("ascii"), key=self._secret, digest_size=16).digest()
        if hmac.compare_digest(proof, known.proof):
            return True
        if not hmac.compare_digest(self._pepper.digest_of(token), known.digest):
            return False
        known.proof = proof
        return True

    async def _look_up(self, token: str) -> StoredKey:
        key_id = claimed_id(token)
        if not is_well_formed(token) or self._absent.get(key_id, 0.0) > self._clock.now():
            raise self._refusal()
        self.counts.lookups += 1
        try:
            key = await self._lookups.find(key_id)
        except StateUnavailableError as error:
            raise GatewayError("state_unavailable") from error
        if key is None:
            raise GatewayError("invalid_api_key")
        return key

    def _refusal(self) -> GatewayError:
        self.counts.refused += 1
        return GatewayError("invalid_api_key")

    def _learn(self, key_id: str, key: StoredKey | None) -> None:
        if key is None:
            self._absent[key_id] = self._clock.now() + ABSENT_S
            if len(self._absent) > ABSENT_KEYS:
                self._absent.popitem(last=False)
            return
        self._ring[key_id] = _known(key)
        if len(self._ring) > RING_KEYS:
            self._ring.popitem(last=False)

    def _forget(self, key_id: str | None) -> None:
        self._lookups.changed(key_id)
        if key_id is None:
            self.counts.drops += 1
            self._ring.clear()
            self._absent.clear()
        else:
            self.counts.changes += 1
            self._ring.pop(key_id, None)
            self._absent.pop(key_id, None)
        self._hooks.forgot(key_id)


def _known(key: StoredKey) -> _Known:
    refused_as = "revoked_api_key" if key.is_revoked else None
    return _Known(KeyStanding(key.identity, refused_as), key.digest, key.expires_ms)
