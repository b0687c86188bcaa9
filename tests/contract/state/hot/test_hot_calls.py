"""Calls on the hot connection: what goes in, what comes out, and where it leads."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from proxy.state.connection import CommandRefusedError, Connection, StateUnavailableError
from proxy.state.embedded import EmbeddedRedis
from proxy.state.hot import HotRedis, Script
from tests.contract.state.hot.conftest import HotMaker, StandIn
from tests.server.waiting import until

COUNT = Script("count", "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2], KEYS[2]}")


@asynccontextmanager
async def a_port_to(server: EmbeddedRedis, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP port that leads to *server*, which itself listens on a unix socket only."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = server.url.removeprefix("unix://")
        redis_reader, redis_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, redis_writer), pump(redis_reader, writer))

    front = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield front.sockets[0].getsockname()[1]
    finally:
        front.close()


async def test_replies_have_their_kinds(redis_url: str, a_hot: HotMaker) -> None:
    """Bytes, whole numbers, nothing and lists come as such; text is not decoded."""
    call = (await a_hot(redis_url)).redis.call

    assert await call("SET", "k", "gr\u00fcn") == b"OK"
    assert await call("GET", "k") == "gr\u00fcn".encode()
    assert await call("SET", b"raw\xff", b"\x00\r\n") == b"OK"
    assert await call("GET", b"raw\xff") == b"\x00\r\n"
    assert await call("INCRBY", "n", 2**53 + 1) == 2**53 + 1
    assert await call("GET", "absent") is None
    assert await call("MGET", "n", "absent") == [b"9007199254740993", None]


async def test_calls_made_together_get_their_own_replies(redis_url: str, a_hot: HotMaker) -> None:
    """A thousand calls at once are answered each with its own."""
    call = (await a_hot(redis_url)).redis.call

    replies = await asyncio.gather(*(call("ECHO", n) for n in range(1000)))

    assert replies == [b"%d" % n for n in range(1000)]


async def test_calls_of_one_tick_arrive_in_one_read(stand_in: StandIn, a_hot: HotMaker) -> None:
    """Calls of one tick travel together, and so cost one write and one read."""
    call = (await a_hot(stand_in.url)).redis.call

    await asyncio.gather(*(call("ECHO", "x") for _ in range(50)))
    await call("LAST")

    echoes = [read for read in stand_in.reads if b"ECHO" in read]
    assert echoes == [[b"ECHO"] * 50]


async def test_refused_command_fails_its_caller_alone(redis_url: str, a_hot: HotMaker) -> None:
    """An error among the replies of a batch is raised for that call; the others are served."""
    call = (await a_hot(redis_url)).redis.call

    replies = await asyncio.gather(
        call("ECHO", "a"), call("NOSUCH", "secret"), call("ECHO", "b"), return_exceptions=True
    )

    assert (replies[0], replies[2]) == (b"a", b"b")
    assert isinstance(replies[1], CommandRefusedError)
    assert "secret" not in str(replies[1])


async def test_script_runs_and_is_known_afterwards(redis_url: str, a_hot: HotMaker) -> None:
    """The first run loads the script; later ones send its digest only."""
    hot = (await a_hot(redis_url)).redis
    await hot.call("SCRIPT", "FLUSH")

    first = await hot.run(COUNT, ["n", "m"], [2, "x"])

    assert first == [2, b"x", b"m"]
    assert await hot.call("SCRIPT", "EXISTS", COUNT.sha1) == [1]
    assert await hot.run(COUNT, ["n", "m"], [3, "y"]) == [5, b"y", b"m"]


async def test_script_is_loaded_again_after_a_flush(redis_url: str, a_hot: HotMaker) -> None:
    """A Redis that forgot the script costs one more trip and is done once, whoever asks."""
    hot = (await a_hot(redis_url)).redis
    await hot.run(COUNT, ["n", "m"], [1, ""])
    await hot.call("SCRIPT", "FLUSH")

    counts = await asyncio.gather(*(hot.run(COUNT, ["n", "m"], [1, ""]) for _ in range(20)))

    assert sorted(count for count, *_ in counts) == list(range(2, 22))


async def test_script_that_fails_is_named(redis_url: str, a_hot: HotMaker) -> None:
    """A refusal inside a script says which one it was, not only a digest; on its first run too."""
    hot = (await a_hot(redis_url)).redis
    broken = Script("broken", "return redis.call('INCR', KEYS[1])")
    await hot.call("SET", "word", "x")

    for _ in range(2):
        with pytest.raises(CommandRefusedError, match=r"^broken: .*not an integer"):
            await hot.run(broken, ["word"])


@pytest.mark.parametrize("scheme", ["unix", "redis", "rediss"])
async def test_url_leads_to_its_database_with_its_password(
    scheme: str, own_redis: EmbeddedRedis, tmp_path: Path, a_hot: HotMaker
) -> None:
    """Every kind of URL takes a password and a database, as redis-py reads them."""
    admin = Connection(own_redis.url)
    await admin.call(("SELECT", 3), ("SET", "where", "three"), ("SELECT", 0))
    await admin.call(("CONFIG", "SET", "requirepass", "p w/:"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async with a_port_to(own_redis, tls if scheme == "rediss" else None) as port:
        urls = {
            "unix": f"unix://:p%20w%2F%3A@{own_redis.url.removeprefix('unix://')}?db=3",
            "redis": f"redis://:p%20w%2F%3A@127.0.0.1:{port}/3",
            "rediss": f"rediss://default:p%20w%2F%3A@127.0.0.1:{port}/3"
            f"?ssl_ca_certs={tmp_path}/ca.pem",
        }
        hot = (await a_hot(urls[scheme])).redis

        assert await hot.call("GET", "where") == b"three"
        await hot.stop()
    await admin.close()


async def test_certificate_of_a_stranger_is_refused(
    own_redis: EmbeddedRedis, a_hot: HotMaker
) -> None:
    """TLS verifies: a Redis whose certificate nobody vouches for gets no password."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)

    async with a_port_to(own_redis, tls) as port:
        hot = await a_hot(f"rediss://:secret@127.0.0.1:{port}", wait=False)
        told = await hot.next_told()
        await hot.redis.stop()

    assert "certificate" in str(told).lower()


async def test_wrong_password_is_reported_once_without_it(
    own_redis: EmbeddedRedis, own_admin: Connection, a_hot: HotMaker
) -> None:
    """A Redis that does not let us in is unavailable; why is told once, and never the password."""
    await own_admin.call(("CONFIG", "SET", "requirepass", "right"))

    hot = await a_hot(f"unix://:wrong-one@{own_redis.url.removeprefix('unix://')}", wait=False)
    told = await hot.next_told()
    failure = await hot.failure_of(hot.redis.call("PING"))

    assert "WRONGPASS" in str(told)
    assert "wrong-one" not in f"{told!r} {failure!r} {vars(hot.redis)}"
    assert hot.told.empty()


async def test_user_who_may_not_write_everywhere_is_let_in(
    own_redis: EmbeddedRedis, own_admin: Connection, a_hot: HotMaker
) -> None:
    """The probe's key may be out of bounds for our user; Redis is there all the same."""
    await own_admin.call(("ACL", "SETUSER", "narrow", "on", ">pw", "~pm:{t}:*", "+@all"))

    hot = await a_hot(f"unix://narrow:pw@{own_redis.url.removeprefix('unix://')}")

    assert await hot.redis.call("INCR", "pm:{t}:n") == 1
    with pytest.raises(CommandRefusedError, match="NOPERM"):
        await hot.redis.call("INCR", "other")


async def test_probe_leaves_nothing_behind(redis_url: str, a_hot: HotMaker) -> None:
    """Finding out whether Redis takes writes writes nothing."""
    hot = await a_hot(redis_url)

    assert await hot.redis.call("DBSIZE") == 0


@pytest.mark.parametrize(
    "url", ["http://localhost", "redis://localhost?no_such_option=1", "redis://localhost?db=x"]
)
def test_url_that_is_wrong_is_refused_at_once(url: str) -> None:
    """A URL that can never work is no matter of trying again."""
    with pytest.raises(ValueError, match=r"redis://|option|db"):
        HotRedis(url, report=lambda _: None)


async def test_calls_before_the_start_fail(redis_url: str) -> None:
    """Until it is connected, a call fails at once; stopping what never ran is harmless."""
    hot = HotRedis(redis_url, report=lambda _: None)

    with pytest.raises(StateUnavailableError, match="not been reached yet"):
        await hot.call("PING")
    await hot.stop()

    assert not hot.is_available


@pytest.mark.slow
async def test_connection_that_is_not_used_is_kept_warm(stand_in: StandIn, a_hot: HotMaker) -> None:
    """Idle connections are asked for a sign of life, so that no request finds them dead."""
    await a_hot(stand_in.url)

    await until(lambda: len(stand_in.reads) >= 2)
