"""Waiting for what nobody announces: looked at again and again, up to a deadline."""

import asyncio
from collections.abc import Callable

LOOK_EVERY_S = 0.005


async def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until *holds*; fails when that takes longer than *within_s*."""
    async with asyncio.timeout(within_s):
        while not holds():
            await tick()


async def tick() -> None:
    """Let the others run for a moment between two looks."""
    due = asyncio.Event()
    asyncio.get_running_loop().call_later(LOOK_EVERY_S, due.set)
    await due.wait()
