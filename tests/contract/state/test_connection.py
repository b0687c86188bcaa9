"""Calls to a real Redis, and what a Redis must be like to be used."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from proxy.state.connection import (
    CommandRefusedError,
    Connection,
    StateMisconfiguredError,
    StateUnavailableError,
    check_server,
)
from proxy.state.embedded import EmbeddedRedis

HostedMaker = Callable[..., Awaitable[Connection]]


async def test_replies_come_in_order(connection: Connection) -> None:
    """One round trip takes many commands; their replies keep the order."""
    replies = await connection.call(("SET", "a", 1), ("GET", "a"), ("INCR", "a"), atomic=True)

    assert replies[1:] == ["1", 2]


async def test_refused_command_is_told_from_a_lost_redis(connection: Connection) -> None:
    """What Redis refuses has its own exception, which is also a kind of unavailable."""
    with pytest.raises(CommandRefusedError, match="unknown command"):
        await connection.call(("NOSUCHCOMMAND",))


async def test_absent_redis_is_unavailable() -> None:
    """A Redis that is not there is named as such, whatever the transport says."""
    connection = Connection("unix:///nonexistent/redis.sock")

    with pytest.raises(StateUnavailableError, match="cannot be reached"):
        await connection.call(("PING",))


async def test_silent_redis_is_unavailable_after_the_deadline(wire) -> None:
    """A Redis that does not answer is given up at the deadline."""
    connection = Connection(wire.url, deadline_s=0.1)
    wire.hold_replies()

    with pytest.raises(StateUnavailableError, match=r"did not answer in 0\.1 s"):
        await connection.call(("PING",))

    await connection.close()


def test_url_of_another_kind_is_refused() -> None:
    """Only redis://, rediss:// and unix:// are URLs of a Redis."""
    with pytest.raises(ValueError, match="redis://"):
        Connection("http://localhost")


@pytest.fixture
async def hosted(redis_url: str, connection: Connection) -> AsyncIterator[HostedMaker]:
    """Connects to the session's Redis as a user that some commands are forbidden to."""
    made: list[Connection] = []

    async def connect(*forbidden: str) -> Connection:
        rules = ("on", ">pass", "~*", "+@all", *(f"-{command}" for command in forbidden))
        await connection.call(("ACL", "SETUSER", "hosted", "reset", *rules))
        made.append(Connection(redis_url.replace("unix://", "unix://hosted:pass@")))
        return made[-1]

    yield connect
    for each in made:
        await each.close()
    await connection.call(("ACL", "DELUSER", "hosted"))


@pytest.mark.parametrize(
    "settings",
    [(("appendonly", "yes"), ("save", "")), (("appendonly", "no"), ("save", "3600 1"))],
    ids=["appended", "snapshots"],
)
async def test_redis_that_keeps_everything_passes(
    short_dir: Path, settings: tuple[tuple[str, str], ...]
) -> None:
    """No eviction, and an append-only file or snapshots: there is nothing to be said."""
    with EmbeddedRedis(short_dir) as server:
        connection = Connection(server.url)
        await connection.call(*(("CONFIG", "SET", *setting) for setting in settings))

        assert await check_server(connection) == []

        await connection.close()


async def test_redis_that_evicts_is_refused() -> None:
    """A Redis that drops keys when it is full would drop API keys and budgets."""
    with EmbeddedRedis() as server:
        connection = Connection(server.url)
        await connection.call(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))

        with pytest.raises(StateMisconfiguredError, match=r"allkeys-lru.*noeviction"):
            await check_server(connection)

        await connection.close()


async def test_redis_that_keeps_nothing_is_used_with_a_warning(connection: Connection) -> None:
    """Without a file a restart of Redis loses all keys; the operator is told what to set."""
    (warning,) = await check_server(connection)

    assert "keeps nothing" in warning
    assert "appendonly" in warning


@pytest.mark.parametrize(
    ("forbidden", "words"),
    [
        (["config"], ["does not say whether it keeps"]),
        (["info"], ["noeviction", "does not say whether it keeps"]),
        (["info", "config"], ["noeviction", "does not say whether it keeps"]),
    ],
)
async def test_redis_that_hides_its_settings_is_used_with_a_warning_for_each(
    hosted: HostedMaker, forbidden: list[str], words: list[str]
) -> None:
    """Hosted ones forbid such commands; the operator is told what to make sure of."""
    warnings = await check_server(await hosted(*forbidden))

    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning
