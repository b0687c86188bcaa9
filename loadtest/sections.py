"""The sections of a run: which there are, and what each is measured by. I/O: starts programs.

The rows (`memory`, `plain`, `chunks`, `tls`) are taken in rounds that interleave the programs;
every other section stands by itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Final

from loadtest import curve, held, large
from loadtest.answers import CHUNK_GAP_MS, PACED_GAP_MS
from loadtest.environments import UnavailableError
from loadtest.growth import measure_growth
from loadtest.launch import LaunchError
from loadtest.partsheet import measure_parts
from loadtest.plain import LoadError
from loadtest.proxies import PROXIES
from loadtest.rounds import STEPS, Plan, measure_row
from loadtest.rows import BASELINE, Row, medians, with_added
from loadtest.sheet import Found
from loadtest.stage import Grounds, a_stage
from loadtest.target import Target
from loadtest.workers import measure_workers

TLS_SECTION: Final = "tls"
ROW_SECTIONS: Final = (*STEPS, TLS_SECTION)
TLS_PROGRAMS: Final = ("direct", "envoy", "pointsman")
PLAIN_ONLY: Final = ("floor",)
"""Programs that know nothing of streams."""

Section = Callable[[Grounds, Plan, Sequence[str]], Found]


def measured_rows(
    grounds: Grounds, plan: Plan, sections: Sequence[str], programs: Sequence[str]
) -> list[Row]:
    """The rows of *programs*, of all that *sections* ask of them: medians of interleaved rounds."""
    rounds: list[list[Row]] = []
    skipped: dict[str, Row] = {}
    for number in range(1, plan.rounds + 1):
        rows = []
        for name, tls, steps in _row_plans(sections, programs):
            row = skipped.get(name)
            if row is None:
                print(f"bench: round {number} of {plan.rounds}: {name}", flush=True)
                row = _measured(name, steps, grounds, plan, tls=tls)
            if row.note:
                print(f"bench: {name}: {row.note}", flush=True)
                skipped[name] = row
            rows.append(row)
        rounds.append(with_added(rows))
    return medians(rounds)


def _row_plans(
    sections: Sequence[str], programs: Sequence[str]
) -> Iterator[tuple[str, bool, tuple[str, ...]]]:
    """The name of each row, whether its upstream speaks TLS, and what is measured of it."""
    steps = tuple(step for step in STEPS if step in sections)
    for name in programs:
        own = tuple(step for step in steps if step == "plain" or name not in PLAIN_ONLY)
        if own:
            yield name, False, own
    if TLS_SECTION in sections:
        for name in programs:
            if name in TLS_PROGRAMS:
                yield f"{name} tls", True, ("plain", "chunks")


def _measured(name: str, steps: Sequence[str], grounds: Grounds, plan: Plan, *, tls: bool) -> Row:
    """One row of one round; a program that cannot be had or started is a row without figures."""
    start = PROXIES[name.removesuffix(" tls")]
    try:
        with a_stage(grounds, tls=tls) as stage, start(stage) as target:
            return measure_row(target, plan, steps)
    except UnavailableError as reason:
        return Row(proxy=name, note=f"skipped: {reason}")
    except (LaunchError, LoadError) as reason:
        return Row(proxy=name, errors=1, note=f"failed: {reason}")


@contextmanager
def _side_by_side(
    grounds: Grounds, names: Sequence[str], gap_ms: int = CHUNK_GAP_MS
) -> Iterator[list[Target]]:
    """The programs *names* before one upstream, all at once; what cannot be had is left out."""
    with ExitStack() as running:
        stage = running.enter_context(a_stage(grounds, gap_ms=gap_ms))
        targets = []
        for name in names:
            try:
                targets.append(running.enter_context(PROXIES[name](stage)))
            except UnavailableError as reason:
                print(f"bench: {name}: skipped: {reason}", flush=True)
        yield targets


def _curve(grounds: Grounds, plan: Plan, programs: Sequence[str]) -> Found:
    names = [name for name in curve.PROGRAMS if name in programs]
    with _side_by_side(grounds, names) as targets:
        return curve.measure_curve(targets, plan)


def _held(grounds: Grounds, plan: Plan, programs: Sequence[str]) -> Found:
    # Whatever is measured, what it adds is counted from `direct`.
    names = [name for name in held.PROGRAMS if name == BASELINE or name in programs]
    with _side_by_side(grounds, names, PACED_GAP_MS) as targets:
        return held.measure_held(targets, plan)


def _large(grounds: Grounds, plan: Plan, programs: Sequence[str]) -> Found:
    names = [name for name in large.PROGRAMS if name in programs]
    with _side_by_side(grounds, names) as targets:
        return large.measure_large(targets, plan)


def _growth(grounds: Grounds, plan: Plan, _: Sequence[str]) -> Found:
    with a_stage(grounds) as stage:
        return measure_growth(stage, plan)


def _workers(grounds: Grounds, plan: Plan, _: Sequence[str]) -> Found:
    with a_stage(grounds) as stage:
        return measure_workers(stage, plan, grounds.cores.allowed)


def _parts(grounds: Grounds, plan: Plan, _: Sequence[str]) -> Found:
    with a_stage(grounds) as stage:
        return measure_parts(stage, plan)


SECTIONS: Final[Mapping[str, Section]] = MappingProxyType(
    {
        "curve": _curve,
        "held": _held,
        "body": _large,
        "growth": _growth,
        "workers": _workers,
        "parts": _parts,
    }
)
"""Those beside the rows, in the order in which they are taken."""

ALL: Final = (*ROW_SECTIONS, *SECTIONS)
