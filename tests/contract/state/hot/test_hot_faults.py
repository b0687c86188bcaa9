"""A Redis that is slow, gone, full, a replica or no Redis at all; and our own loop that stalls."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from proxy.state.connection import CommandRefusedError, Connection, StateUnavailableError
from proxy.state.embedded import EmbeddedRedis
from proxy.state.hot import Script
from tests.contract.state.conftest import Wire
from tests.contract.state.hot.conftest import HotMaker, StandIn, stall
from tests.server.waiting import until

DEADLINE_S = 0.05
LATE_S = 1.0
"""How late this test machine may be, which also runs everything else."""


async def test_silent_redis_fails_a_call_at_the_deadline(
    stand_in: StandIn, a_hot: HotMaker
) -> None:
    """A call that gets no answer fails at its deadline: no sooner, and hardly later."""
    hot = await a_hot(stand_in.url, deadline_s=0.2)
    stand_in.answers["HUSH"] = None
    began_s = time.monotonic()

    failure = await hot.failure_of(hot.redis.call("HUSH"))

    took_s = time.monotonic() - began_s
    assert "did not answer in 0.2 s" in str(failure)
    assert 0.2 <= took_s < 0.2 + LATE_S


async def test_one_late_answer_costs_its_caller_alone(stand_in: StandIn, a_hot: HotMaker) -> None:
    """A single late reply is thrown away when it comes; the connection serves on, in order."""
    hot = await a_hot(stand_in.url, deadline_s=0.2)
    stand_in.answers |= {"SLOW": None, "ECHO": b"+mine\r\n"}
    await hot.failure_of(hot.redis.call("SLOW"))
    stand_in.send_to_all(b"+late\r\n")

    assert await hot.redis.call("ECHO") == b"mine"
    assert stand_in.connections == 1
    assert hot.told.empty()


async def test_hanging_redis_opens_the_breaker_until_it_answers(
    own_redis: EmbeddedRedis, a_hot: HotMaker
) -> None:
    """SIGSTOP: calls fail at the deadline, then at once; SIGCONT: they go through again."""
    hot = await a_hot(own_redis.url, deadline_s=DEADLINE_S)
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        told = await hot.fail_until_open()
        began_s = time.monotonic()
        for _ in range(1000):
            await hot.failure_of(hot.redis.call("PING"))
        each_s = (time.monotonic() - began_s) / 1000
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    await hot.until_available()

    assert "did not answer" in str(told)
    assert each_s < DEADLINE_S / 10
    assert await hot.redis.call("ECHO", "again") == b"again"


async def test_hanging_redis_delays_nobody_beyond_the_deadline(
    own_redis: EmbeddedRedis, a_hot: HotMaker
) -> None:
    """While the breaker still waits, callers that keep coming pile up no longer than the first."""
    hot = await a_hot(own_redis.url, deadline_s=DEADLINE_S)

    async def timed_call() -> float:
        began_s = time.monotonic()
        await hot.failure_of(hot.redis.call("PING"))
        return time.monotonic() - began_s

    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        async with asyncio.TaskGroup() as group:
            calls = []
            while hot.redis.is_available:
                calls.append(group.create_task(timed_call()))
                await asyncio.sleep(0)
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)

    waited_s = sorted(call.result() for call in calls)
    assert waited_s[len(waited_s) // 2] < DEADLINE_S + LATE_S


async def test_stall_of_our_own_loop_is_not_blamed_on_redis(
    redis_url: str, a_hot: HotMaker
) -> None:
    """Answers that came while our loop was busy count, however long ago they were due."""
    hot = await a_hot(redis_url, deadline_s=0.2)

    async def a_stall_after(ticks: int) -> None:
        for _ in range(ticks):
            await asyncio.sleep(0)
        stall(0.3)

    for ticks in range(4):
        reply, _ = await asyncio.gather(hot.redis.call("ECHO", ticks), a_stall_after(ticks))
        assert reply == b"%d" % ticks

    assert hot.redis.is_available
    assert hot.told.empty()


@pytest.mark.slow
async def test_time_lost_before_the_write_is_ours(stand_in: StandIn, a_hot: HotMaker) -> None:
    """The deadline counts from the write, though a stall came between it and the call."""
    hot = await a_hot(stand_in.url, deadline_s=0.5)
    stand_in.answers["LATE"] = None

    async def a_stall_before_the_write() -> None:
        await asyncio.sleep(0)  # into the tick that writes, ahead of the write
        stall(0.6)

    async def an_answer_somewhat_later() -> None:
        await until(lambda: [b"LATE"] in stand_in.reads)
        asyncio.get_running_loop().call_later(0.1, stand_in.send_to_all, b"+late\r\n")

    await hot.redis.call("ECHO")  # its timer looks at the line right after the stall
    _, reply, _ = await asyncio.gather(
        a_stall_before_the_write(), hot.redis.call("LATE"), an_answer_somewhat_later()
    )

    assert reply == b"late"


async def test_many_late_at_once_are_one_pause_of_redis(stand_in: StandIn, a_hot: HotMaker) -> None:
    """A pause of Redis as long as the deadline fails calls, but does not cut the connection."""
    hot = await a_hot(stand_in.url, deadline_s=0.5)
    stand_in.answers["HUSH"] = None
    calls = []
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            calls.append(group.create_task(hot.failure_of(hot.redis.call("HUSH"))))
            await asyncio.sleep(0)
    stand_in.send_to_all(b"+late\r\n" * 20)

    assert len({str(call.result()) for call in calls}) == 1
    assert await hot.redis.call("ECHO") == b"OK"
    assert stand_in.connections == 1


async def test_redis_that_restarts_is_found_again(short_dir: Path, a_hot: HotMaker) -> None:
    """Killed and started anew: unavailable at once, available again, the script reloaded."""
    script = Script("one", "return redis.call('INCR', KEYS[1])")
    server = EmbeddedRedis(socket_dir=short_dir).start()
    try:
        hot = await a_hot(server.url)
        await hot.redis.run(script, ["n"])
        os.kill(server.pid, signal.SIGKILL)
        lost = await hot.next_told()
        server.stop()
        failure = await hot.failure_of(hot.redis.call("PING"))
        server.start()
        await hot.until_available()

        assert isinstance(lost, StateUnavailableError)
        assert isinstance(failure, StateUnavailableError)
        assert await hot.redis.run(script, ["n"]) == 1
    finally:
        server.stop()


async def test_lost_connection_fails_all_calls_on_their_way(wire: Wire, a_hot: HotMaker) -> None:
    """Whoever waits on a connection that is cut is told at once, long before the deadline."""
    hot = await a_hot(wire.url)
    wire.hold_replies()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(hot.failure_of(hot.redis.call("PING"))) for _ in range(100)]
        await wire.replied.wait()
        wire.cut()
        wire.release_replies()
    wire.mend()
    told = await hot.next_told()
    await hot.until_available()

    assert {str(call.result()) for call in calls} == {str(told)}
    assert await hot.redis.call("PING") == b"PONG"


async def test_half_open_connection_is_replaced(wire: Wire, a_hot: HotMaker) -> None:
    """A connection that carries nothing any more, and was never closed, is given up for a new."""
    hot = await a_hot(wire.url, deadline_s=0.2)
    wire.silence()

    await hot.fail_until_open()
    await hot.until_available()

    assert await hot.redis.call("PING") == b"PONG"


async def test_stop_fails_what_is_on_its_way(stand_in: StandIn, a_hot: HotMaker) -> None:
    """Stopping waits for no reply: those who wait are told, and so is whoever calls later."""
    hot = await a_hot(stand_in.url)
    stand_in.answers["HUSH"] = None
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(hot.failure_of(hot.redis.call("HUSH"))) for _ in range(10)]
        await until(lambda: stand_in.reads[-1] == [b"HUSH"] * 10)
        await hot.redis.stop()
    await hot.redis.stop()

    assert {str(call.result()) for call in calls} == {"the connection to Redis was stopped"}
    assert "was stopped" in str(await hot.failure_of(hot.redis.call("PING")))
    assert not hot.redis.is_available
    await until(lambda: stand_in.now == 0)


async def test_reconnecting_is_one_attempt_at_a_time_with_pauses(
    stand_in: StandIn, a_hot: HotMaker
) -> None:
    """Against a server that accepts and says nothing, attempts neither overlap nor crowd."""
    stand_in.answers["SETRANGE"] = None
    began_s = time.monotonic()
    hot = await a_hot(stand_in.url, deadline_s=0.02, wait=False, draw=1.0)

    await until(lambda: stand_in.connections == 4)

    took_s = time.monotonic() - began_s
    assert stand_in.most_at_once == 1
    assert took_s >= 0.1 + 0.2 + 0.4
    assert hot.told.qsize() == 1
    assert not hot.redis.is_available


@pytest.mark.parametrize(
    "probed",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-BUSY Redis is busy running a script.\r\n",
        b"-ERR max number of clients reached\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_redis_that_takes_no_writes_is_not_used(
    probed: bytes, stand_in: StandIn, a_hot: HotMaker
) -> None:
    """A connection counts once a write would go through; until then nothing is sent on one."""
    stand_in.answers["SETRANGE"] = probed
    hot = await a_hot(stand_in.url, wait=False)
    assert await hot.next_told() is not None
    await until(lambda: stand_in.connections >= 3)
    assert hot.told.empty()

    stand_in.answers["SETRANGE"] = b":0\r\n"

    assert await hot.next_told() is None
    assert await hot.redis.call("ANY") == b"OK"


async def test_full_redis_is_unavailable_until_there_is_room(
    own_redis: EmbeddedRedis, own_admin: Connection, a_hot: HotMaker
) -> None:
    """Out of memory is no fault of the command, alone or in a script; recovery is noticed."""
    script = Script("grow", "return redis.call('INCR', KEYS[1])")
    hot = await a_hot(own_redis.url, deadline_s=0.3)
    await own_admin.call(("CONFIG", "SET", "maxmemory", 1))

    failure = await hot.failure_of(hot.redis.run(script, ["n"]))
    told = await hot.fail_until_open()
    await own_admin.call(("CONFIG", "SET", "maxmemory", 0))
    await hot.until_available()

    assert not isinstance(failure, CommandRefusedError)
    assert "unable to serve" in str(told)
    assert await hot.redis.run(script, ["n"]) == 1


@pytest.mark.slow
async def test_idle_gateway_learns_that_redis_takes_no_writes(
    stand_in: StandIn, a_hot: HotMaker
) -> None:
    """Nobody needs to call for it: the signs of life that are asked for are writes too."""
    hot = await a_hot(stand_in.url, deadline_s=0.5)

    stand_in.answers["SETRANGE"] = b"-NOREPLICAS Not enough good replicas to write.\r\n"

    assert "unable to serve" in str(await hot.next_told())


async def test_master_that_became_a_replica_is_left(
    own_redis: EmbeddedRedis, own_admin: Connection, a_hot: HotMaker
) -> None:
    """READONLY closes the way until writes are taken again, here or where the name then leads."""
    hot = await a_hot(own_redis.url, deadline_s=0.3)
    await own_admin.call(("REPLICAOF", "127.0.0.1", 1))

    await hot.fail_until_open()
    await own_admin.call(("REPLICAOF", "NO", "ONE"))
    await hot.until_available()

    assert await hot.redis.call("INCR", "n") == 1


@pytest.mark.parametrize("surplus", [b"+unasked\r\n", b"$3\r\nab", b"no reply at all\r\n"])
async def test_reply_that_nobody_asked_for_costs_the_connection(
    surplus: bytes, stand_in: StandIn, a_hot: HotMaker
) -> None:
    """Where the order is in doubt, nothing more is read: a fresh connection starts a fresh line."""
    hot = await a_hot(stand_in.url)
    stand_in.send_to_all(surplus)

    assert await hot.next_told() is not None
    await hot.until_available()

    assert await hot.redis.call("ANY") == b"OK"
    assert stand_in.connections == 2


async def test_absent_redis_is_tried_again_and_told_once(short_dir: Path, a_hot: HotMaker) -> None:
    """A Redis that is not there yet is waited for, without a word more than one."""
    path = short_dir / "redis.sock"
    hot = await a_hot(f"unix://{path}", wait=False)
    assert "cannot be reached" in str(await hot.next_told())

    with EmbeddedRedis(socket_dir=short_dir):
        assert await hot.next_told() is None
        assert await hot.redis.call("PING") == b"PONG"
        await hot.redis.stop()
