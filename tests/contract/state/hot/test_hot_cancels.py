"""Callers that leave: by the ten thousand, over a way that delays and tears the replies."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.state.hot import HotRedis
from tests.contract.state.hot.conftest import HotMaker

WAVES = 50
CALLS_IN_A_WAVE = 400
LEAVERS_IN_A_WAVE = 200


@asynccontextmanager
async def a_rough_way(redis_url: str, path: Path, chance: random.Random) -> AsyncIterator[str]:
    """The URL of a way to Redis that cuts replies anywhere and passes the pieces on later."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async def tear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(chance.randrange(1, 4096)):
            cut = chance.randrange(len(chunk))
            for piece in (chunk[:cut], chunk[cut:]):
                due = asyncio.Event()
                asyncio.get_running_loop().call_later(chance.random() / 500, due.set)
                await due.wait()
                writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_path = redis_url.removeprefix("unix://")
        redis_reader, redis_writer = await asyncio.open_unix_connection(redis_path)
        await asyncio.gather(forward(reader, redis_writer), tear(redis_reader, writer))

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield f"unix://{path}"
    finally:
        server.close()


async def a_wave(hot: HotRedis, number: int, chance: random.Random) -> int:
    """Call many times, leave some of the calls at random moments; how many were left.

    Everyone who stayed must have the very value that he asked for.
    """
    calls = {}
    async with asyncio.TaskGroup() as group:
        for at in range(CALLS_IN_A_WAVE):
            tag = f"{number}-{at}-{'x' * chance.randrange(60)}".encode()
            calls[group.create_task(hot.call("ECHO", tag))] = tag
            if chance.random() < 0.05:
                await asyncio.sleep(0)
        for call in chance.sample(list(calls), LEAVERS_IN_A_WAVE):
            call.cancel()
            if chance.random() < 0.3:
                await asyncio.sleep(0)
    stayed = {call: tag for call, tag in calls.items() if not call.cancelled()}
    assert all(call.result() == tag for call, tag in stayed.items())
    return len(calls) - len(stayed)


@pytest.mark.slow
async def test_ten_thousand_cancelled_calls_mix_up_no_reply(
    redis_url: str, short_dir: Path, a_hot: HotMaker
) -> None:
    """Cancelling in the middle of a command gives nobody another's reply, and costs nobody the
    connection.
    """
    chance = random.Random(20_230_320)
    async with a_rough_way(redis_url, short_dir / "rough.sock", chance) as url:
        hot = await a_hot(url, deadline_s=60.0)

        left = wave = 0
        while left < WAVES * LEAVERS_IN_A_WAVE:  # some replies overtake their caller's leaving
            left += await a_wave(hot.redis, wave, chance)
            wave += 1

        assert await hot.redis.call("ECHO", "last") == b"last"
        assert hot.told.empty()
        await hot.redis.stop()
