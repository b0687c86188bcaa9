"""One row of figures per measured program, and the median over rounds. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import median
from typing import Final

TLS: Final = " tls"
"""What the name of a row ends in whose upstream speaks TLS."""

BASELINE: Final = "direct"
YARDSTICK: Final = "envoy"
OURS: Final = "pointsman"
RIVAL: Final = "litellm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one program came to. None: not measured.

    `cpu_us_per_call`: CPU of the program's whole tree over plain calls answered, at the fixed
    concurrency; `…_at_1`, `…_at_8`: with so many connections. `cpu_us_per_chunk`: the same over
    data events relayed, opening and closing of the streams included. `p50_ms`, `p99_ms`: a plain
    call's latency, one at a time; `added_…`: less that of `direct` in the same round.
    `first_token_ms`, `gap_p99_ms`: of the stream run. `core_busy`: share of its core in the
    stream run; near 1 chunks coalesce, and the figure per chunk flatters. `rate_at_…ms`: requests
    a second at which p99 stays within so much (`curve`). `streams_held`,
    `added_first_token_500_ms` (p99, over `direct`): paced streams (`held`). `large_…`: a call
    with a body of 1 MB, wall time p50 and CPU (`body`). `errors`: answers that were not 200, or
    not what was sent.
    """

    proxy: str
    cpu_us_per_call: float | None = None
    cpu_us_per_call_at_1: float | None = None
    cpu_us_per_call_at_8: float | None = None
    cpu_us_per_chunk: float | None = None
    requests_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    added_p50_ms: float | None = None
    added_p99_ms: float | None = None
    rss_mb: float | None = None
    rss_kb_per_stream: float | None = None
    first_token_ms: float | None = None
    gap_p99_ms: float | None = None
    core_busy: float | None = None
    rate_at_1ms: float | None = None
    rate_at_5ms: float | None = None
    rate_at_10ms: float | None = None
    rate_at_50ms: float | None = None
    streams_held: float | None = None
    added_first_token_500_ms: float | None = None
    large_ms: float | None = None
    large_cpu_us: float | None = None
    errors: int | None = None
    note: str | None = None

    def as_json(self) -> dict[str, object]:
        """The row for machines: figures rounded to four digits that mean something."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


_FIGURES: Final = tuple(
    spot.name for spot in fields(Row) if spot.name not in {"proxy", "errors", "note"}
)


def with_added(rows: list[Row]) -> list[Row]:
    """The rows of one round, each with its latencies less those of the baseline."""
    base = {row.proxy: row for row in rows}
    return [_added(row, base.get(_baseline_of(row))) for row in rows]


def _baseline_of(row: Row) -> str:
    return BASELINE + TLS if row.proxy.endswith(TLS) else BASELINE


def _added(row: Row, base: Row | None) -> Row:
    if base is None:
        return row
    return replace(
        row,
        added_p50_ms=_less(row.p50_ms, base.p50_ms),
        added_p99_ms=_less(row.p99_ms, base.p99_ms),
    )


def joined(rows: Sequence[Row], more: Iterable[Row]) -> list[Row]:
    """*rows* with the figures and errors of *more* added by name; new names come last."""
    by_name = {row.proxy: row for row in rows}
    for row in more:
        known = by_name.get(row.proxy, Row(proxy=row.proxy))
        figures = {name: getattr(row, name) for name in _FIGURES if getattr(row, name) is not None}
        errors = [each.errors for each in (known, row) if each.errors is not None]
        by_name[row.proxy] = replace(
            known,
            **figures,
            errors=sum(errors) if errors else None,
            note=known.note or row.note,
        )
    return list(by_name.values())


def medians(rounds: list[list[Row]]) -> list[Row]:
    """One row per program: the median of each figure, the sum of errors, the first note."""
    names = list(dict.fromkeys(row.proxy for rows in rounds for row in rows))
    return [
        _merged([row for rows in rounds for row in rows if row.proxy == name]) for name in names
    ]


def ratio(row: Row | None, other: Row | None, figure: str) -> float | None:
    """How many times *other*'s *figure* is *row*'s; None where either was not measured."""
    mine = getattr(row, figure, None)
    theirs = getattr(other, figure, None)
    return mine / theirs if mine is not None and theirs else None


def _merged(rows: list[Row]) -> Row:
    figures = {
        name: median(found) if (found := _measured(rows, name)) else None for name in _FIGURES
    }
    errors = [row.errors for row in rows if row.errors is not None]
    return Row(
        proxy=rows[0].proxy,
        **figures,
        errors=sum(errors) if errors else None,
        note=next((row.note for row in rows if row.note), None),
    )


def _measured(rows: list[Row], name: str) -> list[float]:
    return [value for row in rows if (value := getattr(row, name)) is not None]


def _less(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base
