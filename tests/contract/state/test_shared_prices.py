"""Prices that all replicas share, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from proxy.config.catalogue import Catalogue, Model, render
from proxy.config.price_diff import Revision
from proxy.domain.price import DatedPrice, Price
from proxy.state import keys
from proxy.state.connection import Connection, StateUnavailableError
from proxy.state.prices import (
    LEASE_MS,
    FetchFailedError,
    PriceKeeper,
    PriceStore,
    Schedule,
    moment_of,
    version_of,
)
from proxy.tasks import Supervisor
from proxy.units import UnixMs

HOUR_MS = 3_600_000
FEED = Path(__file__).parents[2] / "feeds" / "community.json"


def a_model(id: str, nanousd: int, day: int = 0) -> Model:
    """A model that costs the same in and out."""
    return Model(id, (DatedPrice(day, Price(nanousd, nanousd)),))


OF_FILE = Catalogue(
    "2025-01-01",
    "a file",
    {
        "openai/gpt-4o-mini": Model(
            "openai/gpt-4o-mini", (DatedPrice(0, Price(140_000_000, 600_000_000)),)
        ),
        "openai/o9": a_model("openai/o9", 1),
        "own/thing": a_model("own/thing", 5),
    },
)


@dataclass
class Heard:
    """What a keeper told, in order (implements `Listener`)."""

    takes: list[tuple[Catalogue | None, int]] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    queue: "asyncio.Queue[Catalogue | None]" = field(default_factory=asyncio.Queue)

    def take(self, fetched: Catalogue | None, day: int) -> None:
        self.takes.append((fetched, day))
        self.queue.put_nowait(fetched)

    async def next_take(self) -> Catalogue | None:
        return await self.queue.get()

    def synced(self, revision: Revision) -> None:
        self.revisions.append(revision)

    def failed(self, reason: str) -> None:
        self.failures.append(reason)


@dataclass
class Replica:
    """A keeper of a replica, its clock, and what it heard."""

    keeper: PriceKeeper
    heard: Heard
    now_ms: int = 1_800_000_000_000

    def unix_ms(self) -> UnixMs:
        return UnixMs(self.now_ms)


@dataclass
class Feed:
    """A price list to fetch, and how often it was."""

    content: bytes | None = field(default_factory=FEED.read_bytes)
    fetched: int = 0

    async def fetch(self) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.content is None:
            raise FetchFailedError("was answered with status 503")
        return self.content


@pytest.fixture
def feed() -> Feed:
    """The community feed's fixture."""
    return Feed()


@pytest.fixture
def shared(connection: Connection) -> PriceStore:
    """Straight to the shared catalogue."""
    return PriceStore(connection)


MakeReplica = Callable[..., Replica]


@pytest.fixture
async def a_replica(redis_url: str, feed: Feed) -> AsyncIterator[MakeReplica]:
    """Makes replicas, each with its own connection, with a schedule or without."""
    connections: list[Connection] = []

    def make(owner: str | None = None, url: str = redis_url) -> Replica:
        connection = Connection(url, deadline_s=1.0)
        connections.append(connection)
        heard = Heard()
        replica: Replica
        schedule = None if owner is None else Schedule(feed.fetch, 24, 50, owner)
        keeper = PriceKeeper(
            PriceStore(connection),
            OF_FILE,
            heard,
            unix_ms=lambda: replica.unix_ms(),
            schedule=schedule,
        )
        replica = Replica(keeper, heard)
        return replica

    yield make
    for connection in connections:
        await connection.close()


async def test_nothing_published_leaves_the_files_prices(a_replica: MakeReplica) -> None:
    """The first look tells of today, so that the day's prices hold; a second tells nothing."""
    replica = a_replica()

    await replica.keeper.look()
    await replica.keeper.look()

    assert replica.heard.takes == [(None, replica.now_ms // (24 * HOUR_MS))]


async def test_published_catalogue_reaches_every_replica(
    shared: PriceStore, a_replica: MakeReplica
) -> None:
    """At its next look, whole, and once."""
    first, second = a_replica(), a_replica()
    published = Catalogue("2026-01-01", "pushed", {"own/thing": a_model("own/thing", 6)})

    version = await shared.publish(render(published))
    for replica in (first, second, first):
        await replica.keeper.look()

    assert await shared.version() == version == version_of(render(published))
    for replica in (first, second):
        ((taken, _),) = replica.heard.takes
        assert taken == published


async def test_older_catalogue_is_let_go_and_stays_for_late_readers(
    shared: PriceStore, redis_url: str
) -> None:
    """What holds is kept for ever, what held before for a while."""
    old = await shared.publish("as_of: one")
    new = await shared.publish("as_of: two")
    again = await shared.publish("as_of: two")

    with Redis.from_url(redis_url) as redis:
        assert 0 < redis.ttl(keys.prices_of(old)) <= 3600
        assert redis.ttl(keys.prices_of(new)) == -1
    assert new == again
    assert await shared.read(old) == "as_of: one"


async def test_one_replica_fetches_for_all(feed: Feed, a_replica: MakeReplica) -> None:
    """However many are due at once, one asks the feed; all have its prices then."""
    replicas = [a_replica(f"replica-{n}") for n in range(8)]

    await asyncio.gather(*(replica.keeper.look() for replica in replicas))
    for replica in replicas:
        await replica.keeper.look()

    assert feed.fetched == 1
    (revision,) = [each for replica in replicas for each in replica.heard.revisions]
    assert {change.model.id for change in revision.held} == {"openai/o9"}
    for replica in replicas:
        taken, _ = replica.heard.takes[-1]
        assert taken is not None
        mini = taken.models["openai/gpt-4o-mini"].prices[-1].price
        assert mini.input_nanousd == 150_000_000
        assert taken.models["openai/o9"] == OF_FILE.models["openai/o9"]
        assert taken.as_of == moment_of(replica.unix_ms())


async def test_feed_is_asked_again_when_its_time_has_come(
    feed: Feed, a_replica: MakeReplica, redis_url: str
) -> None:
    """By Redis' clock: not before, whoever restarts, and then by any replica."""
    first, restarted = a_replica("first"), a_replica("restarted")
    await first.keeper.look()
    forget_lease(redis_url)
    restarted.now_ms += 1000 * HOUR_MS
    await restarted.keeper.look()
    with Redis.from_url(redis_url) as redis:
        assert 23 * HOUR_MS < redis.pttl(keys.PRICES_FETCHED) <= 24 * HOUR_MS
        assert feed.fetched == 1
        redis.delete(keys.PRICES_FETCHED)  # as if a day had passed

    await restarted.keeper.look()

    assert feed.fetched == 2
    assert restarted.heard.revisions[0].taken == ()  # the same list: nothing is published anew


async def test_failing_feed_waits_for_the_lease_to_run_out(
    feed: Feed, a_replica: MakeReplica, redis_url: str
) -> None:
    """Not every replica in turn asks a feed that is down; and prices stay."""
    feed.content = None
    first, second = a_replica("first"), a_replica("second")

    await first.keeper.look()
    await second.keeper.look()
    with Redis.from_url(redis_url) as redis:
        assert 0 < redis.pttl(keys.PRICES_LEASE) <= LEASE_MS
    assert (feed.fetched, first.heard.failures) == (
        1,
        ["the price list was answered with status 503"],
    )

    forget_lease(redis_url)
    feed.content = b"<html>"
    await second.keeper.look()

    assert second.heard.failures == ["the price list is not JSON that can be read"]
    assert second.heard.revisions == []


async def test_replica_that_dies_while_it_fetches_is_replaced(
    feed: Feed, a_replica: MakeReplica, redis_url: str, connection: Connection
) -> None:
    """Its lease runs out, and the feed is still due."""
    await PriceStore(connection).claim("dead")
    alive = a_replica("alive")
    await alive.keeper.look()
    assert feed.fetched == 0

    forget_lease(redis_url)
    await alive.keeper.look()

    assert (feed.fetched, len(alive.heard.revisions)) == (1, 1)


async def test_forged_or_broken_catalogue_is_not_taken(
    a_replica: MakeReplica, shared: PriceStore, redis_url: str
) -> None:
    """What is not what its name says is no catalogue; what has problems is told once."""
    replica = a_replica()
    with Redis.from_url(redis_url) as redis:
        redis.set(keys.PRICES_VERSION, "0" * 16)
        redis.set(keys.prices_of("0" * 16), render(OF_FILE))
    await replica.keeper.look()
    assert replica.heard.takes[-1][0] is None

    await shared.publish("as_of: never\n")
    await replica.keeper.look()
    await replica.keeper.look()

    assert replica.heard.failures == ["the shared catalogue has problems"]
    assert {fetched for fetched, _ in replica.heard.takes} == {None}


async def test_new_day_is_told_though_nothing_else_is_new(a_replica: MakeReplica) -> None:
    """Prices that were announced for it hold from then on."""
    replica = a_replica()
    await replica.keeper.look()

    replica.now_ms += 24 * HOUR_MS
    await replica.keeper.look()

    days = [day for _, day in replica.heard.takes]
    assert days == [days[0], days[0] + 1]


async def test_without_redis_prices_stay_and_the_day_still_turns(
    a_replica: MakeReplica, short_dir: Path
) -> None:
    """Nobody is worse off than before."""
    replica = a_replica("alone", url=f"unix://{short_dir}/nobody.sock")

    await replica.keeper.look()
    replica.now_ms += 24 * HOUR_MS
    await replica.keeper.look()

    assert [fetched for fetched, _ in replica.heard.takes] == [None, None]
    assert replica.heard.failures == []


async def test_keeper_looks_until_it_is_stopped(
    a_replica: MakeReplica, shared: PriceStore, supervisor: Supervisor
) -> None:
    """In the background, for as long as the process serves."""
    replica = a_replica()
    task = supervisor.start("prices", replica.keeper.run(every_s=0.01))
    await shared.publish(render(OF_FILE))

    async with asyncio.timeout(5):
        while await replica.heard.next_take() != OF_FILE:
            pass

    assert not task.done()


async def test_publishing_without_redis_is_told(short_dir: Path) -> None:
    """By the one error that all of Redis' trouble is."""
    connection = Connection(f"unix://{short_dir}/nobody.sock")

    with pytest.raises(StateUnavailableError):
        await PriceStore(connection).publish("x")
    await connection.close()


def forget_lease(redis_url: str) -> None:
    """As if its ten minutes had passed."""
    with Redis.from_url(redis_url) as redis:
        redis.delete(keys.PRICES_LEASE)
