"""What a call costs this process: CPU time, and the interpreter's instructions. I/O: clocks.

CPU time tells what a machine takes, and belongs to that machine and its mood. The number of
bytecode instructions belongs to the code and to the version of Python alone: the same on any
machine, so it shows a change too small for a clock, but says nothing of what is done in C.
"""

import asyncio
import inspect
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NamedTuple

IN_FLIGHT: Final = 16
_REPEATS: Final = 7

Call = Callable[[], Any]
"""What is measured; what it returns is awaited where it can be."""

How = Callable[[Call, int], Awaitable[float]]


class Cost(NamedTuple):
    """One call: CPU microseconds, the least of several repeats, and bytecode instructions."""

    cpu_us: float
    instructions: int


@dataclass(frozen=True, slots=True)
class Part:
    """A call, and how so many of it are timed."""

    call: Call
    how: How

    async def cost(self, calls: int) -> Cost:
        """What it costs once, timed over *calls* in each repeat."""
        return Cost(await self.how(self.call, calls), await instructions_of(self.call))


async def timed(call: Call, calls: int) -> float:
    """CPU microseconds of *call*, the least of several repeats."""
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.process_time_ns()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time_ns() - began) / calls / 1e3)
        await asyncio.sleep(0)
    return best


async def timed_few(call: Call, calls: int) -> float:
    """The same of what takes so long that a tenth of the calls will do."""
    return await timed(call, max(1, calls // 10))


async def timed_waiting(call: Call, calls: int) -> float:
    """The same of what must be awaited, one after the other."""
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.process_time_ns()
        for _ in range(calls):
            _ = await call()
        best = min(best, (time.process_time_ns() - began) / calls / 1e3)
    return best


async def timed_together(call: Call, calls: int) -> float:
    """The same with so many at once as are in flight on a busy worker."""

    async def one_after_the_other() -> None:
        for _ in range(calls // IN_FLIGHT):
            _ = await call()

    best = float("inf")
    for _ in range(_REPEATS):
        began = time.process_time_ns()
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(one_after_the_other())
        spent_us = (time.process_time_ns() - began) / 1e3
        best = min(best, spent_us / (calls // IN_FLIGHT * IN_FLIGHT))
    return best


async def instructions_of(call: Call) -> int:
    """Bytecode instructions of *call*, those of tasks that run while it waits included."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        count += event == "opcode"
        return trace

    # Python 3.12 looks at it when tracing begins, and then never again.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        result = call()
        if inspect.isawaitable(result):
            await result
    finally:
        sys.settrace(None)
    return count
