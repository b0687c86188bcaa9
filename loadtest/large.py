"""A plain call with a body of 1 MB: wall time and CPU, one at a time. I/O: by plain."""

from statistics import median
from typing import Final

import uvloop

from loadtest.answers import LARGE_BODY_BYTES, large_chat_body
from loadtest.measure import cpu_s
from loadtest.plain import load_by_hand
from loadtest.rounds import Plan, load_errors, per
from loadtest.rows import YARDSTICK, Row, ratio
from loadtest.sheet import Found, Sheet
from loadtest.target import Target

PROGRAMS: Final = ("direct", "envoy", "pointsman")

_WARM_UP_S: Final = 0.5


def measure_large(targets: list[Target], plan: Plan) -> Found:
    """What such a call costs each of *targets*: medians of interleaved rounds."""
    runs: dict[str, list[Row]] = {target.name: [] for target in targets}
    for target in targets:
        _ = _once(target, _WARM_UP_S)
    for number in range(1, plan.tries + 1):
        for target in targets:
            print(f"bench: body of 1 MB, round {number}: {target.name}", flush=True)
            runs[target.name].append(_once(target, plan.probe_s))
    rows = [
        Row(
            proxy=name,
            large_ms=median([row.large_ms for row in found if row.large_ms is not None]),
            large_cpu_us=median([row.large_cpu_us or 0.0 for row in found]),
            errors=sum(row.errors or 0 for row in found),
        )
        for name, found in runs.items()
    ]
    yardstick = next((row for row in rows if row.proxy == YARDSTICK), None)
    lines = tuple(
        (
            row.proxy,
            row.large_ms,
            _times(ratio(row, yardstick, "large_ms")),
            row.large_cpu_us,
            _times(ratio(row, yardstick, "large_cpu_us")),
        )
        for row in rows
    )
    size = f"plain call, body of {LARGE_BODY_BYTES / 1e6:g} MB"
    columns = (size, "p50 ms", "x Envoy's time", "CPU µs/call", "x Envoy's CPU")
    return Found(Sheet(columns, lines), tuple(rows))


def _once(target: Target, seconds: float) -> Row:
    body = large_chat_body(target.model)
    before_s = cpu_s(target.root_pid)
    load = uvloop.run(load_by_hand(target, connections=1, seconds=seconds, body=body))
    cost_s = cpu_s(target.root_pid) - before_s
    return Row(
        proxy=target.name,
        large_ms=load.p50_ms,
        large_cpu_us=per(cost_s * 1e6, load.requests),
        errors=load_errors(load),
    )


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
