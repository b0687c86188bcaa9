"""Calls to a real Redis, and what a Redis must be like to be used."""

import pytest

from proxy.state.connection import (
    CommandRefusedError,
    Connection,
    StateMisconfiguredError,
    StateUnavailableError,
    check_server,
)
from proxy.state.embedded import EmbeddedRedis


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


async def test_redis_that_keeps_everything_passes(connection: Connection) -> None:
    """The default, noeviction, needs no word."""
    assert await check_server(connection) is None


async def test_redis_that_evicts_is_refused() -> None:
    """A Redis that drops keys when it is full would drop API keys and budgets."""
    with EmbeddedRedis() as server:
        connection = Connection(server.url)
        await connection.call(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))

        with pytest.raises(StateMisconfiguredError, match=r"allkeys-lru.*noeviction"):
            await check_server(connection)

        await connection.close()


async def test_redis_that_hides_its_settings_is_used_with_a_warning() -> None:
    """Hosted ones forbid such commands; the operator is told what to make sure of."""
    with EmbeddedRedis() as server:
        admin = Connection(server.url)
        rules = ("on", ">pass", "~*", "+@all", "-info", "-config")
        await admin.call(("ACL", "SETUSER", "hosted", *rules))
        hosted = Connection(f"unix://hosted:pass@{server.url.removeprefix('unix://')}")

        warning = await check_server(hosted)

        await admin.close()
        await hosted.close()
    assert warning is not None
    assert "noeviction" in warning
