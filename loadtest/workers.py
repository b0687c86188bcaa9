"""Several workers: requests a second, and how connections spread over the processes.

I/O: gateways with 1, 2 and 4 workers, on all cores; the load shares them. What is told apart is
the spread, by the connections that each process holds and the CPU that each has used.
"""

import threading
from dataclasses import dataclass
from typing import Final

from loadtest.gateway import a_state, made_ready, served
from loadtest.measure import cpu_s_of, on_core, tree_of
from loadtest.plain import Load, run_plain
from loadtest.rounds import Plan
from loadtest.sheet import Found, Sheet
from loadtest.sockets import connections_of
from loadtest.stage import Stage
from loadtest.target import Target

COUNTS: Final = (1, 2, 4)
CONNECTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Spread:
    """One run: what it answered, and each worker's connections and CPU seconds, most first."""

    load: Load
    connections: tuple[int, ...]
    cpu_s: tuple[float, ...]


def measure_workers(stage: Stage, plan: Plan, cores: frozenset[int]) -> Found:
    """Requests a second and the spread with each number of workers on *cores*.

    Raises:
        LaunchError: a gateway did not come up.
    """
    lines = []
    for count in COUNTS:
        print(f"bench: {count} workers", flush=True)
        spread = _spread(stage, plan, count, cores)
        total_s = sum(spread.cpu_s)
        lines.append(
            (
                f"{count}",
                spread.load.requests / spread.load.seconds,
                spread.load.p99_ms,
                " / ".join(str(held) for held in spread.connections),
                " / ".join(f"{used / total_s:.0%}" if total_s else "-" for used in spread.cpu_s),
                total_s / spread.load.seconds,
                float(spread.load.errors),
            )
        )
    remark = f"Gateway, load, upstream and Redis share {len(cores)} cores: " + (
        "workers compete with what drives them, so requests/s cannot double here."
        if len(cores) <= max(COUNTS)
        else "the load has a core of its own as long as workers leave one."
    )
    columns = (
        "workers",
        "requests/s",
        "p99 ms",
        f"{CONNECTIONS} connections spread",
        "CPU spread",
        "cores used",
        "errors",
    )
    return Found(Sheet(columns, tuple(lines), (remark,)))


def _spread(stage: Stage, plan: Plan, count: int, cores: frozenset[int]) -> Spread:
    name = f"{count} workers"
    with a_state(stage.grounds) as state:
        ready = made_ready(stage, state, name=name, workers=count)
        with (
            served(stage.grounds, ready, name=name, cores=sorted(cores)) as target,
            on_core(*cores),
        ):
            return _loaded(target, plan, count)


def _loaded(target: Target, plan: Plan, count: int) -> Spread:
    _ = run_plain(target, connections=CONNECTIONS, seconds=plan.warm_up_s)
    pids = workers_among(tree_of(target.root_pid), count)
    before = {pid: cpu_s_of(pid) for pid in pids}
    held: dict[int, int] = {}
    # While the load runs: its connections are gone afterwards.
    watch = threading.Timer(plan.few_s / 2, lambda: held.update(connections_of(pids, target.port)))
    watch.start()
    load = run_plain(target, connections=CONNECTIONS, seconds=plan.few_s)
    watch.join()
    used = {pid: cpu_s_of(pid) - before[pid] for pid in pids}
    order = sorted(pids, key=lambda pid: held.get(pid, 0), reverse=True)
    return Spread(load, tuple(held.get(pid, 0) for pid in order), tuple(used[pid] for pid in order))


def workers_among(pids: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The workers of a tree of processes, its root first: one worker is the root itself."""
    return pids[:1] if count == 1 else pids[1 : 1 + count]
