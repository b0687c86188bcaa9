"""The price catalogue that all replicas share: one fetches it, all take it. I/O: Redis.

Rules of this file:

1. A catalogue lies under its hash and is never changed. Which one holds is one key, so a reader
   sees an old one or a new one, never a mixture.
2. One replica fetches: whoever gets the lease. It is not given back but runs out, so that a feed
   that fails is asked again after LEASE_MS and not by every replica in turn.
3. Without Redis everybody goes on with the prices they have.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn, Protocol

from proxy.config.catalogue import Catalogue, joined, render
from proxy.config.price_diff import Revision, Terms, revise
from proxy.config.price_feed import FeedUnreadableError, read_feed
from proxy.config.prices import read_catalogue
from proxy.config.problems import ConfigProblems
from proxy.state.connection import Connection, StateUnavailableError
from proxy.state.keys import PRICES_FETCHED, PRICES_LEASE, PRICES_VERSION, prices_of
from proxy.units import UnixMs

VERSION_CHARS: Final = 16
OLD_KEPT_S: Final = 3600
"""For a replica that was told of a version just before the next one came."""

LEASE_MS: Final = 600_000
POLL_S: Final = 1.0
_MS_OF_HOUR: Final = 3_600_000
_MS_OF_DAY: Final = 86_400_000


class PriceStore:
    """The shared catalogue in Redis. Its calls may raise StateUnavailableError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def version(self) -> str | None:
        """Which catalogue holds; None: none was ever published."""
        (version,) = await self._connection.call(("GET", PRICES_VERSION))
        return None if version is None else str(version)

    async def read(self, version: str) -> str | None:
        """The text of that catalogue; None: it is gone, or not what its name says."""
        (text,) = await self._connection.call(("GET", prices_of(version)))
        return text if text is not None and version_of(text) == version else None

    async def publish(self, text: str) -> str:
        """Make *text* the catalogue that holds; its version. Harmless to repeat."""
        version, before = version_of(text), await self.version()
        retire = before is not None and before != version
        await self._connection.call(
            ("SET", prices_of(version), text),
            ("SET", PRICES_VERSION, version),
            *((("EXPIRE", prices_of(before), OLD_KEPT_S),) if retire and before else ()),
            atomic=True,
        )
        return version

    async def is_due(self) -> bool:
        """Whether the time that the last good fetch was to serve has passed, by Redis' clock."""
        (kept,) = await self._connection.call(("EXISTS", PRICES_FETCHED))
        return not kept

    async def claim(self, owner: str) -> bool:
        """Whether this replica may fetch now, and no other for LEASE_MS."""
        (won,) = await self._connection.call(("SET", PRICES_LEASE, owner, "NX", "PX", LEASE_MS))
        return won is not None

    async def fetched(self, by: str, for_ms: int) -> None:
        """A fetch by the replica *by* went well; none is due for so long."""
        await self._connection.call(("SET", PRICES_FETCHED, by, "PX", for_ms))


def version_of(text: str) -> str:
    """The version of a catalogue's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_CHARS]


class FetchFailedError(Exception):
    """No price list came; the message says why, in words of our own."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What to fetch, once in `every_h` hours for all replicas together, and as whom.

    `fetch` gives the price list's bytes, or raises FetchFailedError.
    """

    fetch: Callable[[], Awaitable[bytes]]
    every_h: int
    jump_percent: int
    owner: str


class Listener(Protocol):
    """Who hears what becomes of prices."""

    def take(self, fetched: Catalogue | None, day: int) -> None:
        """The shared catalogue is *fetched* from now on (None: there is none), today is *day*."""

    def synced(self, revision: Revision) -> None:
        """This replica fetched, and so much was taken and held."""

    def failed(self, reason: str) -> None:
        """A fetch, or what was shared, came to nothing: a few words of our own."""


class PriceKeeper:
    """Keeps one process's prices up to date, for as long as `run` runs."""

    def __init__(
        self,
        store: PriceStore,
        of_file: Catalogue,
        listener: Listener,
        *,
        unix_ms: Callable[[], UnixMs],
        schedule: Schedule | None = None,
    ) -> None:
        self._store = store
        self._of_file = of_file
        self._listener = listener
        self._unix_ms = unix_ms
        self._schedule = schedule
        self._version: str | None = None
        self._shared: Catalogue | None = None
        self._told: tuple[str | None, int] | None = None

    async def run(self, every_s: float = POLL_S) -> NoReturn:
        """Look for news until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """Take what is new, and fetch if it is time and this replica's turn."""
        try:
            await self._follow()
            if self._schedule is not None and await self._fetch_in_turn(self._schedule):
                await self._follow()
        except StateUnavailableError:
            pass  # the key ring tells of it; prices stay as they are
        now = (self._version, _day(self._unix_ms()))
        if now != self._told:
            self._told = now
            self._listener.take(self._shared, now[1])

    async def _follow(self) -> None:
        version = await self._store.version()
        if version is None or version == self._version:
            return
        text = await self._store.read(version)
        if text is None:
            return  # another one holds by now; the next look finds it
        self._version = version
        try:
            # Some 100 ms for a large one: not on the loop's own time.
            self._shared = await asyncio.to_thread(read_catalogue, text.encode(), "shared")
        except ConfigProblems:
            self._listener.failed("the shared catalogue has problems")

    async def _fetch_in_turn(self, schedule: Schedule) -> bool:
        """Whether there is a new catalogue by this replica's doing."""
        if not await self._store.is_due() or not await self._store.claim(schedule.owner):
            return False
        try:
            content = await schedule.fetch()
            revision = await asyncio.to_thread(self._revised, content, schedule)
        except (FetchFailedError, FeedUnreadableError) as error:
            self._listener.failed(f"the price list {error}")
            return False
        if revision.taken:
            await self._store.publish(render(revision.catalogue))
        await self._store.fetched(schedule.owner, schedule.every_h * _MS_OF_HOUR)
        self._listener.synced(revision)
        return bool(revision.taken)

    def _revised(self, content: bytes, schedule: Schedule) -> Revision:
        now_ms = self._unix_ms()
        current = self._of_file if self._shared is None else joined(self._of_file, self._shared)
        terms = Terms(_day(now_ms), moment_of(now_ms), schedule.jump_percent)
        return revise(current, read_feed(content), terms)


def _day(unix_ms: UnixMs) -> int:
    return unix_ms // _MS_OF_DAY


def moment_of(unix_ms: UnixMs) -> str:
    """*unix_ms* as catalogues write it."""
    return f"{datetime.fromtimestamp(unix_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
