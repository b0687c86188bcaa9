"""Measuring one program once: memory, latency, plain load, streams, in that order.

I/O: through the load clients and /proc. Memory comes first, since a program that was under load
keeps what it took; each program is started anew for every round.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import uvloop

from loadtest.measure import cpu_s, rss_kb
from loadtest.plain import Load, run_plain
from loadtest.rows import Row, joined
from loadtest.streams import Tally, held_streams, run_streams
from loadtest.target import Target

_CALM_S: Final = 0.5
_CALM_SHARE: Final = 0.1
_CALM_TRIES: Final = 40


STEPS: Final = ("memory", "plain", "chunks")
"""What a row is made of, in the order in which it is measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard. `patience_s` bounds the wait for streams that a slow program owes.

    `probe_s`: one step of a search; `held_step`: how finely the number of streams held is told;
    `tries`: how often a figure of `held`, `body` and `growth` is taken.
    """

    rounds: int = 3
    warm_up_s: int = 1
    latency_s: int = 2
    few_s: int = 2
    load_s: int = 3
    stream_s: int = 4
    connections: int = 32
    few_connections: int = 8
    streams: int = 200
    held_streams: int = 1000
    patience_s: int = 90
    probe_s: float = 1.5
    held_step: int = 50
    tries: int = 3


QUICK: Final = Plan(
    rounds=1,
    latency_s=1,
    few_s=1,
    load_s=2,
    stream_s=2,
    held_streams=200,
    probe_s=1.0,
    held_step=200,
    tries=1,
)


@dataclass(frozen=True, slots=True)
class _Memory:
    rest_kb: int
    per_stream_kb: float
    errors: int


def measure_row(target: Target, plan: Plan, steps: Collection[str] = STEPS) -> Row:
    """The figures of *target* in one round, those of *steps* only.

    Raises:
        LoadError: the load generator broke.
    """
    row = Row(proxy=target.name, errors=0)
    measures = {"memory": _measure_memory, "plain": _measure_plain, "chunks": _measure_chunks}
    for step in STEPS:
        if step in steps:
            (row,) = joined([row], [measures[step](target, plan)])
    return row


def plain_cpu(target: Target, *, connections: int, seconds: int) -> tuple[Load, float | None]:
    """A plain run, and the CPU microseconds that one of its calls cost *target*."""
    before_s = cpu_s(target.root_pid)
    load = run_plain(target, connections=connections, seconds=seconds)
    return load, per((cpu_s(target.root_pid) - before_s) * 1e6, load.requests)


def _measure_memory(target: Target, plan: Plan) -> Row:
    memory = uvloop.run(_memory(target, plan))
    _await_calm(target)
    return Row(
        proxy=target.name,
        rss_mb=memory.rest_kb / 1024,
        rss_kb_per_stream=memory.per_stream_kb,
        errors=memory.errors,
    )


def _measure_plain(target: Target, plan: Plan) -> Row:
    warm_up = run_plain(target, connections=plan.connections, seconds=plan.warm_up_s)
    alone, alone_us = plain_cpu(target, connections=1, seconds=plan.latency_s)
    few, few_us = plain_cpu(target, connections=plan.few_connections, seconds=plan.few_s)
    load, load_us = plain_cpu(target, connections=plan.connections, seconds=plan.load_s)
    return Row(
        proxy=target.name,
        cpu_us_per_call=load_us,
        cpu_us_per_call_at_1=alone_us,
        cpu_us_per_call_at_8=few_us,
        requests_per_s=load.requests / load.seconds,
        p50_ms=alone.p50_ms,
        p99_ms=alone.p99_ms,
        errors=load_errors(warm_up, alone, few, load),
    )


def _measure_chunks(target: Target, plan: Plan) -> Row:
    before_s, began = cpu_s(target.root_pid), time.perf_counter()
    streams = uvloop.run(
        run_streams(target, at_once=plan.streams, seconds=plan.stream_s, patience_s=plan.patience_s)
    )
    stream_cpu_s = cpu_s(target.root_pid) - before_s
    return Row(
        proxy=target.name,
        cpu_us_per_chunk=per(stream_cpu_s * 1e6, streams.chunks),
        first_token_ms=percentile_ms(streams.first_token_s, 0.5),
        gap_p99_ms=percentile_ms(streams.gaps_s, 0.99),
        core_busy=stream_cpu_s / (time.perf_counter() - began),
        errors=stream_errors(streams),
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


def load_errors(*loads: Load) -> int:
    """Answers other than 200, and runs without any answer."""
    # No answer at all is an error too, or a dead program would come out spotless.
    return sum(load.errors + (load.requests == 0) for load in loads)


def stream_errors(streams: Tally) -> int:
    """Streams that broke or came through changed, and a run without any whole one."""
    return streams.errors + (streams.streams == 0)


def per(total: float, count: int) -> float | None:
    """*total* over *count*, None where there is nothing to divide by."""
    return total / count if count else None


def percentile_ms(times_s: Sequence[float], share: float) -> float | None:
    """The *share*-quantile of *times_s*, in milliseconds."""
    if not times_s:
        return None
    return sorted(times_s)[int((len(times_s) - 1) * share)] * 1e3
