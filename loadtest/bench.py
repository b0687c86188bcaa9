"""The side-by-side benchmark: `python -m loadtest.bench`, what `make bench` calls.

I/O: starts everything it measures, on loopback, and ends it. Rounds interleave the programs, so
that a change of the machine's mood hits all of them. Exit code 1 when our own row has errors or
could not be measured; a bar that was missed is printed and is no failure of the run.
"""

import argparse
import resource
import signal
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from loadtest.environments import UnavailableError
from loadtest.launch import LaunchError
from loadtest.machine import machine_line
from loadtest.measure import Cores, on_core, pick_cores
from loadtest.plain import LoadError, has_wrk
from loadtest.proxies import PROXIES, Stage, upstream
from loadtest.report import tables, verdicts, write_page, write_results
from loadtest.rounds import QUICK, Plan, measure_row
from loadtest.rows import OURS, Row, medians, with_added

_ROOT: Final = Path(__file__).parent.parent
_PAGE: Final = _ROOT / "docs" / "benchmarks.md"
_RESULTS: Final = _ROOT / "loadtest" / "results" / "latest.json"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _leave)
    _allow_many_sockets()
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    cores = pick_cores()
    if cores.shared:
        print("bench: one core for load and program alike; only the CPU figures mean something")
    if not has_wrk():
        print("bench: wrk is not installed; plain load comes from a slower client of our own")
    rows = _run(plan, cores, options.only)
    _publish(rows, plan, cores, write=not options.no_write)
    ours = next((row for row in rows if row.proxy == OURS), None)
    return int(ours is not None and ours.errors != 0)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtest.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, 200 held streams")
    parser.add_argument("--rounds", type=int, help="rounds to take the median of (3; quick: 1)")
    parser.add_argument(
        "--only", type=_names, default=tuple(PROXIES), help="rows to measure, as in envoy,pointsman"
    )
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser.parse_args(arguments)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in PROXIES]:
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(unknown)}")
    return names


def _run(plan: Plan, cores: Cores, names: tuple[str, ...]) -> list[Row]:
    rounds: list[list[Row]] = []
    skipped: dict[str, Row] = {}
    # A short path: Redis listens on a unix socket in it.
    with tempfile.TemporaryDirectory(prefix="pmb-") as folder, on_core(cores.load):
        for number in range(1, plan.rounds + 1):
            rows = []
            for name in names:
                print(f"bench: round {number} of {plan.rounds}: {name}", flush=True)
                row = skipped.get(name) or _measured(name, plan, cores, Path(folder))
                if row.note:
                    print(f"bench: {name}: {row.note}", flush=True)
                    skipped[name] = row
                rows.append(row)
            rounds.append(with_added(rows))
    return medians(rounds)


def _measured(name: str, plan: Plan, cores: Cores, folder: Path) -> Row:
    """One row of one round; a program that cannot be had or started is a row without figures."""
    try:
        with (
            upstream(cores, folder) as source,
            PROXIES[name](Stage(source, cores, folder)) as target,
        ):
            return measure_row(target, plan)
    except UnavailableError as reason:
        return Row(proxy=name, note=f"skipped: {reason}")
    except (LaunchError, LoadError) as reason:
        return Row(proxy=name, errors=1, note=f"failed: {reason}")


def _publish(rows: list[Row], plan: Plan, cores: Cores, *, write: bool) -> None:
    bars = "\n".join(f"- {line}" for line in verdicts(rows))
    print(f"\n{tables(rows)}\n\n{bars}\n")
    if not write:
        return
    taken = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    length = (
        f"Taken {taken}; medians of {plan.rounds} round(s): {plan.load_s} s of plain calls over "
        f"{plan.connections} connections, {plan.latency_s} s over one, {plan.stream_s} s of "
        f"{plan.streams} streams; memory with {plan.held_streams} streams held open."
    )
    section = f"{length}\n\nMachine: {machine_line(cores)}.\n\n{tables(rows)}\n\n{bars}"
    write_results(_RESULTS, rows)
    write_page(_PAGE, section)
    print(f"bench: wrote {_PAGE.relative_to(_ROOT)} and {_RESULTS.relative_to(_ROOT)}")


def _allow_many_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _leave(number: int, frame: FrameType | None) -> None:
    # As an exception, so that what was started is ended on the way out.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
