"""What each part of the path costs by itself: the gateway's own functions on one plain request.

I/O: Redis and a log to nowhere, under the config of `--config` and with the key in BENCH_TOKEN.
The one program of the bench that knows the gateway from within; `loadtest.partsheet` runs it with
the measured Python. A part that no longer runs says why in place of its figure.

    BENCH_TOKEN=pm_… python -m loadtest.parts --config FILE [--json]

Times are CPU microseconds of this process, all threads, the least of several repeats, hot: what
the part adds to a request at best. On a request's path caches are colder and it costs more.
"""

import argparse
import asyncio
import gc
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from loadtest.answers import CHAT_REPLY, chat_body
from loadtest.classifying import PROSE, labelled
from loadtest.costs import (
    IN_FLIGHT,
    Cost,
    Part,
    timed,
    timed_few,
    timed_together,
    timed_waiting,
)
from loadtest.deciding import a_world
from loadtest.standins import Client, Provider, Reply
from proxy.assembly import SystemClock
from proxy.config.load import LoadedConfig, load
from proxy.deadlines import Deadlines
from proxy.domain.catalog import Endpoint
from proxy.domain.facts import Facts
from proxy.domain.outcome import Ending
from proxy.domain.record import Attempt
from proxy.domain.rules import Strategy
from proxy.domain.tenant import Identity
from proxy.execution.executor import Executor
from proxy.execution.lessons import Lessons
from proxy.execution.opening import Opening, PlainTap
from proxy.execution.plan import Planner
from proxy.execution.settle import Books, Entry, record_of
from proxy.execution.understand import Understanding
from proxy.pipeline import Pipeline, Steps
from proxy.ports import Call, Head
from proxy.routing.decide import decide
from proxy.secret_values import Secrets, read_secrets
from proxy.state.answers import Answers
from proxy.state.board import Board
from proxy.state.call_caps import CallCaps
from proxy.state.hot import HotRedis, Script
from proxy.state.keyring import KeyRing
from proxy.state.snapshots import SnapshotHolder
from proxy.state.tool_calls import ToolCallOrigins
from proxy.tasks import Supervisor
from proxy.telemetry.lines import LineWriter
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import LogRecorder
from proxy.units import LoopSeconds, UnixMs
from proxy.wire.bearer import bearer_of
from proxy.wire.limits import Caps
from proxy.wire.parse import parse
from proxy.wire.plain import read_plain
from proxy.wire.splice import rewrite

PIPELINE: Final = "whole: pipeline.answer, both sides in memory"
"""All steps but sockets and HTTP; the parts above it, but for Redis, are within it."""

_CALLS: Final = 2000
"""Of a part, in each repeat."""

_READY_S: Final = 5.0
_TENANT: Final = "bench"
_HASH_KEY: Final = b"a key of the bench, for hashes".ljust(32, b".")
_ADMIT: Final = Script("bench_admit", "redis.call('INCR', KEYS[1]) return {1, ARGV[1], ARGV[12]}")
_KEYS: Final = ("pm:{bench}:a", "pm:{bench}:b")
_ARGUMENTS: Final = tuple(str(1_000_000 + number) for number in range(12))


class Passage:
    """One plain request of the bench on its way, and the parts that it passes."""

    def __init__(self, config: LoadedConfig, token: str) -> None:
        self.authorization = f"Bearer {token}"
        self.body = chat_body("bench")
        self.answer = CHAT_REPLY.partition(b"\r\n\r\n")[2]
        self.caps = Caps()
        self.snapshot = config.snapshot
        self.tenant = config.snapshot.tenants[_TENANT]
        self.request = parse(Endpoint.CHAT, self.body, self.caps)
        self.target = next(iter(config.snapshot.routes["bench"].targets))

    def facts(self) -> Facts:
        """What is kept of the request for its decision."""
        understanding = Understanding(ToolCallOrigins(), SystemClock())
        client = Client(self.authorization, self.body)
        asked = understanding.of(
            self.request, self.tenant, _as_any(client), self.snapshot, frozenset()
        )
        try:
            asked.send(None)
        except StopIteration as understood:
            facts: Facts = understood.value.facts
            return facts
        raise AssertionError("a short text is read in one slice")

    def entry(self) -> Entry:
        """The open book of the request, its answer relayed."""
        client = Client(self.authorization, self.body)
        client.start(Head(200, "application/json", len(self.answer), stream=False))
        client.write(self.answer)
        call = Call(self.request, self.target, {}, deadline=LoopSeconds(600.0))
        tap = PlainTap(read_plain(self.answer))
        opening = Opening(
            call, _as_any(Reply(self.answer)), tap, self.answer, whole=True, stream=False
        )
        return Entry(
            exchange=_as_any(client),
            started=LoopSeconds(0.999),
            started_at_ms=UnixMs(1_790_000_000_000),
            identity=Identity(_TENANT, "0123456789abcdef"),
            request=self.request,
            facts=self.facts(),
            decision=decide(self.facts(), self.snapshot),
            attempts=[Attempt(self.target.id, None, 200, 1.234)],
            opening=opening,
            ending=Ending.COMPLETE,
        )


@dataclass(frozen=True, slots=True)
class Outside:
    """What the parts need of the world."""

    keyring: KeyRing
    redis: HotRedis
    lines: LineWriter


def parts(path: Passage, outside: Outside) -> dict[str, Part]:
    """The parts by name, in the order in which a request passes them."""
    keyring, redis = outside.keyring, outside.redis
    entry = path.entry()
    now = LoopSeconds(1.002)
    record = record_of(entry, now)
    recorder, metrics = LogRecorder(outside.lines), Metrics("bench")

    async def admit_and_settle() -> None:
        for _ in range(2):
            await redis.run(_ADMIT, _KEYS, _ARGUMENTS)

    pipeline = _pipeline(path, keyring, recorder, metrics)
    understanding = Understanding(ToolCallOrigins(), SystemClock())
    client = _as_any(Client(path.authorization, path.body))
    facts = path.facts()

    async def answered() -> None:
        client = Client(path.authorization, path.body)
        await pipeline.answer(_as_any(client), Endpoint.CHAT)

    def count() -> None:
        metrics.request_started()
        metrics.request_ended(record)

    return {
        "auth (keyring identify)": Part(
            lambda: keyring.identify(bearer_of(path.authorization)), timed_waiting
        ),
        "parse": Part(lambda: parse(Endpoint.CHAT, path.body, path.caps), timed),
        "classify, up to facts": Part(
            lambda: understanding.of(path.request, path.tenant, client, path.snapshot, frozenset()),
            timed_waiting,
        ),
        "decide": Part(lambda: decide(facts, path.snapshot), timed),
        "rewrite (splice)": Part(lambda: rewrite(path.request, path.target), timed),
        "read answer (read_plain)": Part(lambda: read_plain(path.answer), timed),
        f"admit and settle, {IN_FLIGHT} in flight": Part(admit_and_settle, timed_together),
        "record + log line": Part(lambda: recorder.record(record_of(entry, now)), timed),
        "metrics": Part(count, timed),
        PIPELINE: Part(answered, timed_waiting),
        **_apart(facts),
    }


def _apart(facts: Facts) -> dict[str, Part]:
    """What grows with the text and with the config, at the sizes that the bars name."""
    small, large = ((PROSE * (size // len(PROSE) + 1))[:size] for size in (1024, 100 * 1024))
    worlds = {
        f"apart: decide by {strategy}, {targets} targets and {rules} rules": a_world(
            targets, rules, strategy
        )
        for targets, rules in ((10, 30), (100, 300))
        for strategy in (Strategy.PRIORITY, Strategy.SCORE)
    }
    return {
        "apart: classify 1 KB": Part(lambda: labelled(small), timed),
        "apart: classify 100 KB": Part(lambda: labelled(large), timed_few),
        **{name: Part(partial(decide, facts, world), timed_few) for name, world in worlds.items()},
    }


def _pipeline(path: Passage, keyring: KeyRing, recorder: LogRecorder, metrics: Metrics) -> Pipeline:
    clock = SystemClock()
    board, answers, calls, call_caps = (
        Board(clock.now), Answers(clock.now), ToolCallOrigins(), CallCaps()
    )  # fmt: skip
    providers = {name: Provider(path.answer) for name in path.snapshot.providers}
    return Pipeline(
        keyring=keyring,
        snapshots=SnapshotHolder(path.snapshot, board, _HASH_KEY),
        books=Books(recorder, metrics, clock, Lessons(board, calls, answers, call_caps).learn),
        steps=Steps(
            Understanding(calls, clock),
            Planner(answers, call_caps, path.caps),
            Executor(_as_any(providers), board, clock, Deadlines()),
        ),
        caps=path.caps,
    )


async def measured(config: LoadedConfig, token: str, calls: int) -> dict[str, Cost | str]:
    """What each part costs, or why it does not run."""
    found: dict[str, Cost | str] = {}
    async with _outside(config) as outside:
        for name, part in parts(Passage(config, token), outside).items():
            gc.collect()
            gc.disable()
            try:
                found[name] = await part.cost(calls)
            except Exception as error:  # another part's figure is still worth having
                found[name] = f"does not run: {type(error).__name__}"
            finally:
                gc.enable()
    return found


@asynccontextmanager
async def _outside(config: LoadedConfig) -> AsyncIterator[Outside]:
    secrets: Secrets = read_secrets(config)
    supervisor = Supervisor(lambda *_: None)
    keyring = KeyRing(secrets.redis_url, secrets.pepper, clock=SystemClock(), supervisor=supervisor)
    redis = HotRedis(secrets.redis_url, report=lambda _: None, deadline_s=_READY_S)
    with open(os.devnull, "wb") as nowhere:  # noqa: ASYNC230 - a device that never blocks
        lines = LineWriter(nowhere.fileno())
        keyring.start()
        redis.start(supervisor)
        try:
            async with asyncio.timeout(_READY_S):
                await keyring.until_following()
                while not redis.is_available:  # noqa: ASYNC110 - it tells by a plain call
                    await asyncio.sleep(0.01)
            yield Outside(keyring, redis, lines)
        finally:
            await redis.stop()
            await keyring.stop()
            await supervisor.stop()
            lines.close()


def _as_any(value: object) -> Any:
    """A stand-in that has what the books read, and no more."""
    return value


def main() -> None:
    """Measure, and print one object: by part its microseconds and instructions."""
    parser = argparse.ArgumentParser(prog="loadtest.parts", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--calls", type=int, default=_CALLS, help="of a part, in each repeat")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    found = uvloop.run(measured(load(options.config), os.environ["BENCH_TOKEN"], options.calls))
    if options.json:
        print(json.dumps(found))
        return
    for name, cost in found.items():
        told = cost if isinstance(cost, str) else f"{cost.cpu_us:8.2f} us {cost.instructions:8d}"
        print(f"{name:56} {told}")


if __name__ == "__main__":
    main()
