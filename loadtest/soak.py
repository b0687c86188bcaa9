"""The soak: plain calls and streams together at about half of what a core bears, for long.

I/O: by openloop and streams; memory from /proc, once a second. What a leak of a few bytes a
request comes to shows in the slope over the second half, when all that warms up is warm.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import uvloop

from loadtest.answers import CHUNK_GAP_MS
from loadtest.measure import cpu_s, rss_kb
from loadtest.openloop import Offered, offer
from loadtest.rounds import Plan, plain_cpu, stream_errors
from loadtest.sheet import Found, Sheet
from loadtest.streams import Tally, run_streams
from loadtest.target import Target

PLAIN_SHARE: Final = 0.25
STREAM_SHARE: Final = 0.25
"""Of a core each."""

_SAMPLE_S: Final = 1.0
_PATIENCE_S: Final = 30.0
_TRIAL_STREAMS: Final = 50
_MOST_STREAMS: Final = 400


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident kilobytes of the program, so many seconds after the start."""

    at_s: float
    rss_kb: int


def slope_kb_per_min(samples: Sequence[Sample]) -> float | None:
    """The growth over the second half of *samples*, by least squares; None for too few. Pure."""
    half = [one for one in samples if one.at_s >= samples[-1].at_s / 2] if samples else []
    if len(half) < 3:
        return None
    middle_s = sum(one.at_s for one in half) / len(half)
    middle_kb = sum(one.rss_kb for one in half) / len(half)
    spread = sum((one.at_s - middle_s) ** 2 for one in half)
    together = sum((one.at_s - middle_s) * (one.rss_kb - middle_kb) for one in half)
    return together / spread * 60


def soak(target: Target, plan: Plan, seconds: float) -> Found:
    """Load *target* for *seconds*, the measuring of how much it bears not counted."""
    load, call_us = plain_cpu(target, connections=plan.connections, seconds=plan.few_s)
    chunk_us = _chunk_us(target, plan)
    rate = PLAIN_SHARE * 1e6 / call_us if call_us else load.requests / load.seconds / 4
    streams = int(STREAM_SHARE * 1e6 / chunk_us * CHUNK_GAP_MS / 1e3) if chunk_us else 1
    streams = max(1, min(streams, _MOST_STREAMS))
    print(f"bench: soak: {rate:.0f} calls/s and {streams} streams for {seconds:g} s", flush=True)
    before_s = cpu_s(target.root_pid)
    offered, tally, samples = uvloop.run(
        _soaked(target, rate=rate, streams=streams, seconds=seconds)
    )
    busy = (cpu_s(target.root_pid) - before_s) / seconds
    line = (
        target.name,
        float(seconds),
        float(offered.sent),
        float(tally.streams),
        f"{busy:.0%}",
        samples[0].rss_kb / 1024,
        samples[len(samples) // 2].rss_kb / 1024,
        samples[-1].rss_kb / 1024,
        slope_kb_per_min(samples),
        offered.within_ms(0.99),
        float(offered.errors + offered.lost + stream_errors(tally)),
    )
    return Found(Sheet(_COLUMNS, (line,)))


_COLUMNS: Final = (
    "soak",
    "seconds",
    "plain calls",
    "streams",
    "core busy",
    "MB at start",
    "MB half-way",
    "MB at the end",
    "KB/min, second half",
    "plain p99 ms",
    "errors",
)


def _chunk_us(target: Target, plan: Plan) -> float | None:
    before_s = cpu_s(target.root_pid)
    tally = uvloop.run(
        run_streams(target, at_once=_TRIAL_STREAMS, seconds=plan.few_s, patience_s=_PATIENCE_S)
    )
    return (cpu_s(target.root_pid) - before_s) * 1e6 / tally.chunks if tally.chunks else None


async def _soaked(
    target: Target, *, rate: float, streams: int, seconds: float
) -> tuple[Offered, Tally, list[Sample]]:
    async with asyncio.TaskGroup() as group:
        calls = group.create_task(offer(target, rate=rate, seconds=seconds, patience_s=_PATIENCE_S))
        kept = group.create_task(
            run_streams(target, at_once=streams, seconds=seconds, patience_s=_PATIENCE_S)
        )
        sampled = group.create_task(_sampled(target.root_pid, seconds))
    return calls.result(), kept.result(), sampled.result()


async def _sampled(pid: int, seconds: float) -> list[Sample]:
    began = time.perf_counter()
    samples = []
    while (at_s := time.perf_counter() - began) < seconds:
        # In a thread: the kernel walks the whole page table for it.
        samples.append(Sample(at_s, await asyncio.to_thread(rss_kb, pid)))
        await asyncio.sleep(min(_SAMPLE_S, seconds / 10))
    return samples
