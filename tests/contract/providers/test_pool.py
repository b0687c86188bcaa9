"""Who gets which connection, and when."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from proxy.domain.outcome import FailureKind
from proxy.providers.connection import CLOSE_FIRST_S, Connection
from proxy.providers.pool import IDLE_S, Pool
from proxy.units import LoopSeconds
from tests.contract.providers.names import Names
from tests.contract.providers.replies import WHOLE, sending
from tests.fakes import LoopTime
from tests.server.upstream import RawUpstream

FOR_EVER = LoopSeconds(float("inf"))
REQUEST = b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"

Maker = Callable[..., Pool]


@pytest_asyncio.fixture
async def a_pool(upstream: RawUpstream) -> AsyncIterator[Maker]:
    """Makes pools of connections to the misbehaving upstream, closed at the end."""
    pools = []

    def make(max_connections: int = 1, connect_s: float = 5.0, host: str = "127.0.0.1") -> Pool:
        pools.append(
            Pool(
                host,
                upstream.port,
                tls=None,
                max_connections=max_connections,
                connect_s=connect_s,
                allow_private=True,
            )
        )
        return pools[-1]

    upstream.answers(sending(WHOLE))
    yield make
    for pool in pools:
        pool.close()


async def taken(pool: Pool, *, fresh: bool = False) -> Connection:
    """A connection, which must be there."""
    connection = await pool.acquire(fresh=fresh)
    assert isinstance(connection, Connection), connection
    return connection


async def use(connection: Connection) -> None:
    """One exchange, after which the connection is given back."""
    reply = connection.send(REQUEST, b"", 60.0, FOR_EVER)
    assert await reply.head() is None
    assert await reply.read() == b"{}"
    assert await reply.read() == b""
    reply.close()


async def turns(count: int = 3) -> None:
    """Let others run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_waiters_are_served_in_order(a_pool: Maker) -> None:
    """What is given back goes to who waited longest, whoever asks in that very moment."""
    pool = a_pool()
    order: list[int] = []

    async def wait(number: int) -> None:
        connection = await taken(pool)
        order.append(number)
        await use(connection)

    first = await taken(pool)
    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(wait(number))
        await turns()
        await use(first)
        tasks.create_task(wait(5))  # comes before the first waiter has even run

    assert order == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("given", ["a connection", "a place"])
async def test_waiter_that_leaves_passes_its_turn_on(a_pool: Maker, given: str) -> None:
    """In the moment it is given something, or before: the next one gets it."""
    pool = a_pool()
    first = await taken(pool)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(taken(pool)) for _ in range(3)]
        await turns()
        waiting[0].cancel()
        await turns()
        if given == "a connection":
            await use(first)
        else:
            first.drop()
            while not first_is_lost(first):
                await asyncio.sleep(0)
        waiting[1].cancel()  # it has been given something, and has not run since

    assert (waiting[2].result() is first) == (given == "a connection")
    await use(waiting[2].result())
    assert await taken(pool) is waiting[2].result()


def first_is_lost(connection: Connection) -> bool:
    """Whether the loop has told the connection that it is gone."""
    return connection._transport is None


async def test_waiter_that_leaves_in_the_same_turn_is_skipped(a_pool: Maker) -> None:
    """Cancelled, and not yet run: what is given back in between is not lost with it."""
    pool = a_pool()
    first = await taken(pool)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(taken(pool)) for _ in range(2)]
        await turns()
        reply = first.send(REQUEST, b"", 60.0, FOR_EVER)
        await reply.head()
        await reply.read()
        waiting[0].cancel()
        reply.close()

    assert waiting[1].result() is first


async def test_connection_that_dies_on_its_way_to_a_waiter_keeps_its_turn(
    a_pool: Maker, upstream: RawUpstream
) -> None:
    """Who was to get it is the next to connect, before all who came later."""
    pool = a_pool()
    order: list[int] = []

    async def wait(number: int) -> None:
        connection = await taken(pool)
        order.append(number)
        await use(connection)

    first = await taken(pool)
    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(wait(number))
        await turns()
        await use(first)
        first.sever()

    assert order == [0, 1, 2]
    assert upstream.connections == 2


async def test_waiting_counts_as_connecting(a_pool: Maker) -> None:
    """A full pool keeps nobody longer than a server that does not answer, and no turn is left."""
    pool = a_pool(connect_s=0.05)
    first = await taken(pool)

    assert await pool.acquire() is FailureKind.CONNECT_TIMEOUT

    await use(first)
    assert await taken(pool) is first


async def test_limit_holds(a_pool: Maker, upstream: RawUpstream) -> None:
    """Never more connections than allowed, however many ask at once."""
    pool = a_pool(max_connections=3)

    async def call() -> None:
        await use(await taken(pool))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(call())

    assert upstream.connections == 3


async def test_last_given_back_is_first_handed_out(a_pool: Maker) -> None:
    """So that the ones that are not needed grow old."""
    pool = a_pool(max_connections=3)
    made = [await taken(pool) for _ in range(3)]
    for connection in (made[1], made[0], made[2]):
        await use(connection)

    assert [await taken(pool) for _ in range(3)] == [made[2], made[0], made[1]]


async def test_fresh_one_takes_the_place_of_the_oldest_idle(
    a_pool: Maker, upstream: RawUpstream
) -> None:
    """It carried no exchange yet; a full pool gives up the idle one that is needed least."""
    pool = a_pool(max_connections=2)
    made = [await taken(pool) for _ in range(2)]
    for connection in made:
        await use(connection)

    fresh = await taken(pool, fresh=True)

    assert fresh not in made
    assert not made[0].is_open
    assert made[1].is_open
    assert upstream.connections == 3


async def test_fresh_one_is_waited_for_where_all_are_busy(a_pool: Maker) -> None:
    """What another gives back is not fresh: it is closed for the place."""
    pool = a_pool()
    first = await taken(pool)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(taken(pool, fresh=True))
        await turns()
        await use(first)

    assert waiting.result() is not first
    assert not first.is_open


@pytest.mark.parametrize(
    ("stated", "after_s", "kept"),
    [
        ("", IDLE_S - 0.5, True),
        ("", IDLE_S + 0.5, False),
        ("keep-alive: timeout=3, max=9\r\n", 3 - CLOSE_FIRST_S - 0.5, True),
        ("keep-alive: timeout=3, max=9\r\n", 3 - CLOSE_FIRST_S + 0.5, False),
        ("keep-alive: max=9, timeout=600\r\n", IDLE_S + 0.5, False),
        ("keep-alive: words\r\n", IDLE_S - 0.5, True),
    ],
)
async def test_idle_connection_grows_too_old(
    a_pool: Maker, upstream: RawUpstream, stated: str, after_s: float, kept: bool
) -> None:
    """We close before the server does, and sooner still where it says when it will."""
    pool = a_pool()
    upstream.answers(sending(WHOLE.replace(b"content-l", stated.encode() + b"content-l")))
    time = LoopTime()
    first = await taken(pool)
    await use(first)
    time.skip(after_s)

    assert (await taken(pool) is first) == kept


async def test_idle_connections_are_closed_in_time(a_pool: Maker) -> None:
    """Nobody need ask for them."""
    pool = a_pool(max_connections=2)
    time = LoopTime()
    made = [await taken(pool) for _ in range(2)]
    for connection in made:
        await use(connection)
    time.skip(2 * IDLE_S)
    pool._sweep()

    assert [connection.is_open for connection in made] == [False, False]


async def test_peers_close_is_noticed_at_once(a_pool: Maker, upstream: RawUpstream) -> None:
    """The idle connection is gone from the pool with it, and its place is free."""
    pool = a_pool()
    first = await taken(pool)
    await use(first)
    upstream.drop_all()
    while first.is_open:
        await asyncio.sleep(0)

    second = await taken(pool)
    assert second is not first
    await use(second)


async def test_closed_pool_makes_no_more(a_pool: Maker, upstream: RawUpstream) -> None:
    """Who waits, who connects and who comes later is told; who reads is told that it broke."""
    upstream.answers(sending(then="silence"))
    pool = a_pool(max_connections=2)
    reply = (await taken(pool)).send(REQUEST, b"", 60.0, FOR_EVER)
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(pool.acquire()) for _ in range(3)]
        await turns(1)
        pool.close()

    assert [task.result() for task in asking] == [FailureKind.CONNECT] * 3
    assert await pool.acquire() is FailureKind.CONNECT
    assert await reply.head() is FailureKind.DISCONNECTED


@asynccontextmanager
async def slamming() -> AsyncIterator[int]:
    """A server that resets every connection; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()

        def slam() -> None:
            taken, _ = listener.accept()
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            taken.close()

        loop.add_reader(listener.fileno(), slam)
        try:
            yield listener.getsockname()[1]
        finally:
            loop.remove_reader(listener.fileno())


async def test_connection_that_dies_at_birth_holds_no_place() -> None:
    """However often: the pool is as large as before."""
    async with slamming() as port:
        pool = Pool(
            "127.0.0.1", port, tls=None, max_connections=2, connect_s=5.0, allow_private=True
        )
        for _ in range(50):
            connection = await pool.acquire()
            if isinstance(connection, Connection):
                reply = connection.send(REQUEST, b"", 60.0, FOR_EVER)
                assert await reply.head() is FailureKind.DISCONNECTED
                reply.close()
        await turns()

        assert pool._places_taken == 0
        pool.close()


async def test_cancelled_connecting_holds_no_place(a_pool: Maker) -> None:
    """At whatever step it is cancelled."""
    pool = a_pool()
    for steps in range(12):
        asking = asyncio.get_running_loop().create_task(pool.acquire())
        await turns(steps)
        if not asking.done():
            asking.cancel()
        try:
            got = await asking
        except asyncio.CancelledError:
            continue
        assert isinstance(got, Connection)
        got.drop()
        while pool._open:
            await asyncio.sleep(0)

    await use(await taken(pool))


@pytest.mark.parametrize("dead", ["::1", "127.0.0.9"])
async def test_address_that_refuses_is_passed_over(a_pool: Maker, dead: str) -> None:
    """Of a name's addresses, in either family, one that answers is enough."""
    Names(dead, "127.0.0.1")

    await use(await taken(a_pool(host="some.example")))


async def test_address_that_is_silent_is_passed_over(a_pool: Maker, upstream: RawUpstream) -> None:
    """The next is tried beside it long before the first has timed out."""
    with socket.socket() as full:
        full.bind(("127.0.0.7", upstream.port))
        full.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            assert one.connect_ex(("127.0.0.7", upstream.port)) == errno.EINPROGRESS
        Names("127.0.0.7", "127.0.0.1")
        pool = a_pool(host="some.example", connect_s=3.0)

        await use(await taken(pool))
        for one in crowd:
            one.close()


async def test_name_that_means_nothing_is_a_failure_to_connect(a_pool: Maker) -> None:
    """And leaves no place taken."""
    Names()
    pool = a_pool(host="nobody.example")
    for _ in range(3):
        assert await pool.acquire() is FailureKind.CONNECT
