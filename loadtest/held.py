"""Streams held: how many streams of 50 tokens a second one core carries, and what it adds.

I/O: by streams. All programs stand ready before one upstream, and take turns at each count. A
count holds when the p99 of the gaps between a client's reads exceeds that of `direct`, at the
same count, by no more than one gap of the upstream's own.
"""

from dataclasses import dataclass, field
from statistics import median
from typing import Final

import uvloop

from loadtest.answers import PACED, PACED_GAP_MS
from loadtest.measure import cpu_s
from loadtest.rounds import Plan, percentile_ms, stream_errors
from loadtest.rows import BASELINE, Row
from loadtest.search import largest_count
from loadtest.sheet import Found, Sheet
from loadtest.streams import run_streams
from loadtest.target import Target

PROGRAMS: Final = ("direct", "envoy", "pointsman")
ADDED_GAP_MS: Final = PACED_GAP_MS
FIRST_TOKEN_AT: Final = 500

_START: Final = 400
_STEP: Final = 200
_MOST: Final = 1200
_TRIES: Final = 2
_PATIENCE_S: Final = 10.0
_TAIL: Final = 0.99


@dataclass(frozen=True, slots=True)
class Carried:
    """What *count* streams at once came to, p99 in milliseconds; `busy`: share of the core."""

    count: int
    gap_ms: float
    first_token_ms: float
    busy: float
    errors: int


@dataclass(slots=True)
class _Counts:
    """Each program's runs by count, the one with the smallest gap where there are several."""

    base: Target
    seconds: float
    known: dict[tuple[str, int], Carried] = field(default_factory=dict)

    def at(self, target: Target, count: int) -> Carried:
        key = (target.name, count)
        if key not in self.known:
            self.known[key] = self._run(target, count)
        return self.known[key]

    def holds(self, target: Target, count: int) -> bool:
        for attempt in range(_TRIES):
            if attempt:
                _ = self.again(target, count)
            carried = self.at(target, count)
            added_ms = carried.gap_ms - self.at(self.base, count).gap_ms
            if carried.errors == 0 and added_ms <= ADDED_GAP_MS:
                return True
        return False

    def again(self, target: Target, count: int) -> Carried:
        """Another run; it counts from now on if it went better."""
        run = self._run(target, count)
        known = self.known.setdefault((target.name, count), run)
        if (run.errors, run.gap_ms) < (known.errors, known.gap_ms):
            self.known[target.name, count] = run
        return run

    def _run(self, target: Target, count: int) -> Carried:
        print(f"bench: held: {count} streams through {target.name}", flush=True)
        before_s = cpu_s(target.root_pid)
        tally = uvloop.run(
            run_streams(
                target, at_once=count, seconds=self.seconds, patience_s=_PATIENCE_S, script=PACED
            )
        )
        return Carried(
            count,
            percentile_ms(tally.gaps_s, _TAIL) or float("inf"),
            percentile_ms(tally.first_token_s, _TAIL) or float("inf"),
            (cpu_s(target.root_pid) - before_s) / (2 * PACED.length_s + self.seconds),
            stream_errors(tally),
        )


def measure_held(targets: list[Target], plan: Plan) -> Found:
    """The most streams that each of *targets* holds; the first of them is the baseline."""
    base, *others = targets
    counts = _Counts(base, plan.probe_s)
    first = _first_tokens(counts, targets, plan.tries)
    rows, lines = [], []
    for target in others:
        most = largest_count(
            lambda count, target=target: counts.holds(target, count),  # type: ignore[misc]
            start=_START,
            step=_STEP,
            fine=plan.held_step,
            most=_MOST,
        )
        added_ms = first[target.name] - first[base.name]
        rows.append(
            Row(
                proxy=target.name,
                streams_held=float(most),
                added_first_token_500_ms=added_ms,
                errors=counts.at(target, FIRST_TOKEN_AT).errors,
            )
        )
        at_most = counts.at(target, most) if most else None
        lines.append(
            (
                target.name,
                float(most),
                at_most.gap_ms if at_most else None,
                f"{at_most.busy:.0%}" if at_most else "-",
                first[target.name],
                added_ms,
            )
        )
    return Found(Sheet(_COLUMNS, tuple(lines), _remarks(counts)), tuple(rows))


def _first_tokens(counts: _Counts, targets: list[Target], tries: int) -> dict[str, float]:
    """The p99 of the first token's time in ms by program: medians of interleaved rounds."""
    runs: dict[str, list[float]] = {target.name: [] for target in targets}
    for _ in range(tries):
        for target in targets:
            runs[target.name].append(counts.again(target, FIRST_TOKEN_AT).first_token_ms)
    return {name: median(times_ms) for name, times_ms in runs.items()}


_COLUMNS: Final = (
    "streams of 50 tokens/s",
    "held",
    "gap p99 ms",
    "core busy",
    f"first token p99 ms at {FIRST_TOKEN_AT}",
    "added",
)


def _remarks(counts: _Counts) -> tuple[str, ...]:
    direct = [run for (name, _), run in sorted(counts.known.items()) if name == BASELINE]
    runs = "; ".join(f"{run.count}: {run.gap_ms:.3g}" for run in direct)
    said = [f"Gap p99 in ms of `direct`, by streams at once: {runs}."]
    slow = [run.count for run in direct if run.gap_ms > PACED_GAP_MS + ADDED_GAP_MS]
    if slow:
        said.append(
            f"From {min(slow)} streams on load and upstream themselves are late: what is held "
            "beyond is more than can be told here."
        )
    if any(run.count == _MOST for run in counts.known.values()):
        said.append(f"More than {_MOST} are not tried.")
    return tuple(said)
