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
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from loadtest.bars import UNMEASURED, verdicts
from loadtest.environments import pythons
from loadtest.gateway import pointsman
from loadtest.launch import LaunchError
from loadtest.machine import machine_line
from loadtest.measure import on_core, pick_cores
from loadtest.plain import LoadError, has_wrk
from loadtest.proxies import PROXIES
from loadtest.report import BENCH, SOAK, tables, write_page, write_results
from loadtest.rounds import QUICK, Plan
from loadtest.rows import OURS, TLS, Row, joined
from loadtest.sections import ALL, ROW_SECTIONS, SECTIONS, measured_rows
from loadtest.sheet import Sheet
from loadtest.soak import soak
from loadtest.stage import ROOT, Grounds, a_stage

_PAGE: Final = ROOT / "docs" / "benchmarks.md"
_RESULTS: Final = ROOT / "loadtest" / "results"


@dataclass(slots=True)
class Outcome:
    """What a run came to, filled while it goes on."""

    rows: list[Row]
    sheets: dict[str, Sheet]
    failed: bool = False


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
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
    # A short path: Redis listens on a unix socket in it.
    with tempfile.TemporaryDirectory(prefix="pmb-") as folder:
        grounds = Grounds(cores, Path(folder), pythons(options.python))
        print(f"bench: measured programs run on {grounds.pythons.words}")
        with on_core(cores.load):
            if options.soak:
                return _soak(grounds, plan, options)
            outcome = _run(grounds, plan, options)
    _publish(outcome, plan, grounds, options)
    ours = [row for row in outcome.rows if row.proxy in (OURS, OURS + TLS)]
    return int(outcome.failed or any(row.errors for row in ours))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtest.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--rounds", type=int, help="rounds to take the median of (3; quick: 1)")
    parser.add_argument(
        "--only",
        type=_names_of(ALL, "section"),
        default=ALL,
        help=f"sections to measure, of {','.join(ALL)}; the page is then left as it is",
    )
    parser.add_argument(
        "--programs",
        type=_names_of(tuple(PROXIES), "program"),
        default=tuple(PROXIES),
        help="programs to measure, as in envoy,pointsman; the page is then left as it is",
    )
    parser.add_argument(
        "--soak", type=float, metavar="SECONDS", help="nothing but the soak, for so long"
    )
    parser.add_argument(
        "--python", metavar="PATH", help="run the measured Python programs on this one"
    )
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser.parse_args(arguments)


def _names_of(known: Sequence[str], kind: str) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        wanted = text.split(",")
        if unknown := [name for name in wanted if name not in known]:
            raise argparse.ArgumentTypeError(f"no such {kind}: {', '.join(unknown)}")
        return tuple(name for name in known if name in wanted)

    return names


def _run(grounds: Grounds, plan: Plan, options: argparse.Namespace) -> Outcome:
    outcome = Outcome([], {})
    row_sections = [name for name in options.only if name in ROW_SECTIONS]
    if row_sections:
        outcome.rows = measured_rows(grounds, plan, row_sections, options.programs)
    for name, measure in SECTIONS.items():
        if name not in options.only:
            continue
        began = time.monotonic()
        try:
            found = measure(grounds, plan, options.programs)
        except (LaunchError, LoadError) as reason:
            print(f"bench: {name}: failed: {reason}", flush=True)
            outcome.failed = True
            continue
        outcome.rows = joined(outcome.rows, found.rows)
        outcome.sheets[name] = found.sheet
        print(f"bench: {name} took {time.monotonic() - began:.0f} s", flush=True)
    return outcome


def _publish(outcome: Outcome, plan: Plan, grounds: Grounds, options: argparse.Namespace) -> None:
    whole = options.only == ALL and options.programs == tuple(PROXIES)
    lines = [line for line in verdicts(outcome.rows) if whole or not line.endswith(UNMEASURED)]
    bars = "\n".join(f"- {line}" for line in lines)
    shown = [tables(outcome.rows), *(sheet.written() for sheet in outcome.sheets.values()), bars]
    report = "\n\n".join(part for part in shown if part)
    print(f"\n{report}\n")
    if options.no_write or not whole:
        return
    length = (
        f"Taken {_now()}; medians of {plan.rounds} round(s): {plan.load_s} s of plain calls over "
        f"{plan.connections} connections, {plan.few_s} s over {plan.few_connections}, "
        f"{plan.latency_s} s over one, {plan.stream_s} s of {plan.streams} streams; memory with "
        f"{plan.held_streams} streams held open."
    )
    write_results(_RESULTS, outcome.rows, outcome.sheets)
    machine = machine_line(grounds.cores, grounds.pythons.words)
    write_page(_PAGE, f"{length}\n\nMachine: {machine}.\n\n{report}", BENCH)
    print(f"bench: wrote {_PAGE.relative_to(ROOT)} and {_RESULTS.relative_to(ROOT)}")


def _soak(grounds: Grounds, plan: Plan, options: argparse.Namespace) -> int:
    with a_stage(grounds) as stage, pointsman(stage) as target:
        sheet = soak(target, plan, options.soak).sheet
    print(f"\n{sheet.written()}\n")
    if not options.no_write:
        write_results(_RESULTS, [], {"soak": sheet})
        machine = machine_line(grounds.cores, grounds.pythons.words)
        write_page(_PAGE, f"Taken {_now()}.\n\nMachine: {machine}.\n\n{sheet.written()}", SOAK)
    return int(bool(sheet.as_json()[0]["errors"]))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _allow_many_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _leave(number: int, frame: FrameType | None) -> None:
    # As Ctrl-C, which a running loop ends by, and all that was started with it; what is raised in
    # a callback uvloop only logs.
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
