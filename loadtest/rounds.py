"""Measuring one program once: memory, latency, plain load, streams, in that order.

I/O: through the load clients and /proc. Memory comes first, since a program that was under load
keeps what it took; each program is started anew for every round.
"""

import time
from dataclasses import dataclass
from typing import Final

import uvloop

from loadtest.measure import cpu_s, rss_kb
from loadtest.plain import Load, run_plain
from loadtest.rows import Row
from loadtest.streams import Tally, held_streams, run_streams
from loadtest.target import Target

_CALM_S: Final = 0.5
_CALM_SHARE: Final = 0.1
_CALM_TRIES: Final = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard. `patience_s` bounds the wait for streams that a slow program owes."""

    rounds: int = 3
    warm_up_s: int = 2
    latency_s: int = 4
    load_s: int = 5
    stream_s: int = 5
    connections: int = 32
    streams: int = 200
    held_streams: int = 1000
    patience_s: int = 90


QUICK = Plan(rounds=1, warm_up_s=1, latency_s=2, load_s=2, stream_s=2, held_streams=200)


@dataclass(frozen=True, slots=True)
class _Memory:
    rest_kb: int
    per_stream_kb: float
    errors: int


def measure_row(target: Target, plan: Plan) -> Row:
    """The figures of *target* in one round.

    Raises:
        LoadError: the load generator broke.
    """
    memory = uvloop.run(_memory(target, plan))
    _await_calm(target)
    warm_up = run_plain(target, connections=plan.connections, seconds=plan.warm_up_s)
    alone = run_plain(target, connections=1, seconds=plan.latency_s)

    before_s = cpu_s(target.root_pid)
    load = run_plain(target, connections=plan.connections, seconds=plan.load_s)
    load_cpu_s = cpu_s(target.root_pid) - before_s

    before_s, began = cpu_s(target.root_pid), time.perf_counter()
    streams = uvloop.run(
        run_streams(target, at_once=plan.streams, seconds=plan.stream_s, patience_s=plan.patience_s)
    )
    stream_cpu_s = cpu_s(target.root_pid) - before_s
    stream_wall_s = time.perf_counter() - began
    return Row(
        proxy=target.name,
        cpu_us_per_call=_per(load_cpu_s * 1e6, load.requests),
        cpu_us_per_chunk=_per(stream_cpu_s * 1e6, streams.chunks),
        requests_per_s=load.requests / load.seconds,
        p50_ms=alone.p50_ms,
        p99_ms=alone.p99_ms,
        rss_mb=memory.rest_kb / 1024,
        rss_kb_per_stream=memory.per_stream_kb,
        first_token_ms=_percentile_ms(streams.first_token_s, 0.5),
        gap_p99_ms=_percentile_ms(streams.gaps_s, 0.99),
        core_busy=stream_cpu_s / stream_wall_s,
        errors=memory.errors + _errors(warm_up, alone, load) + _stream_errors(streams),
    )


async def _memory(target: Target, plan: Plan) -> _Memory:
    # What is loaded at first use belongs to the state of rest.
    first = await run_streams(target, at_once=2, seconds=0, patience_s=plan.patience_s)
    rest_kb = rss_kb(target.root_pid)
    count = min(plan.held_streams, target.most_streams)
    async with held_streams(target, count, patience_s=plan.patience_s) as held:
        held_kb = rss_kb(target.root_pid)
    return _Memory(
        rest_kb=rest_kb,
        per_stream_kb=(held_kb - rest_kb) / count,
        errors=first.errors + held.errors,
    )


def _await_calm(target: Target) -> None:
    """Wait until the program has cleared away the streams that were dropped on it."""
    for _ in range(_CALM_TRIES):
        before_s = cpu_s(target.root_pid)
        time.sleep(_CALM_S)
        if cpu_s(target.root_pid) - before_s <= _CALM_S * _CALM_SHARE:
            return


def _errors(*loads: Load) -> int:
    # No answer at all is an error too, or a dead program would come out spotless.
    return sum(load.errors + (load.requests == 0) for load in loads)


def _stream_errors(streams: Tally) -> int:
    return streams.errors + (streams.streams == 0)


def _per(total: float, count: int) -> float | None:
    return total / count if count else None


def _percentile_ms(times_s: list[float], share: float) -> float | None:
    if not times_s:
        return None
    return sorted(times_s)[int((len(times_s) - 1) * share)] * 1e3
