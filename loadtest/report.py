"""What a run says: tables, bars, the page and the file for machines. Pure but for two writes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.rows import OURS, RIVAL, YARDSTICK, Row, ratio

BEGIN: Final = "<!-- bench:begin (written by make bench) -->"
END: Final = "<!-- bench:end -->"


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise of this version: *ours* against *other*, by one figure.

    `at_most`: our figure over the other's may not exceed it. `at_least`: the other's over ours
    must reach it. One of the two is set.
    """

    other: str
    figure: str
    words: str
    at_most: float | None = None
    at_least: float | None = None


BARS: Final = (
    Bar(YARDSTICK, "cpu_us_per_call", "CPU per plain call", at_most=5.0),
    Bar(YARDSTICK, "cpu_us_per_chunk", "CPU per relayed chunk", at_most=2.2),
    Bar(RIVAL, "cpu_us_per_call", "CPU per plain call", at_least=30.0),
)

_Cell = Callable[[Row], str]


def tables(rows: Sequence[Row]) -> str:
    """Both tables, in Markdown that is aligned for a terminal too."""
    yardstick = _row_of(rows, YARDSTICK)
    plain: list[tuple[str, _Cell]] = [
        ("plain calls", lambda row: row.proxy),
        ("requests/s", lambda row: _number(row.requests_per_s)),
        ("p50 ms", lambda row: _number(row.p50_ms)),
        ("p99 ms", lambda row: _number(row.p99_ms)),
        ("added p50", lambda row: _number(row.added_p50_ms)),
        ("added p99", lambda row: _number(row.added_p99_ms)),
        ("CPU µs/call", lambda row: _number(row.cpu_us_per_call)),
        ("x Envoy", lambda row: _times(ratio(row, yardstick, "cpu_us_per_call"))),
        ("at rest MB", lambda row: _number(row.rss_mb)),
        ("errors", lambda row: "-" if row.errors is None else str(row.errors)),
    ]
    streams: list[tuple[str, _Cell]] = [
        ("streams", lambda row: row.proxy),
        ("CPU µs/chunk", lambda row: _number(row.cpu_us_per_chunk)),
        ("x Envoy", lambda row: _times(ratio(row, yardstick, "cpu_us_per_chunk"))),
        ("first token ms", lambda row: _number(row.first_token_ms)),
        ("gap p99 ms", lambda row: _number(row.gap_p99_ms)),
        ("core busy", lambda row: _percent(row.core_busy)),
        ("KB/open stream", lambda row: _number(row.rss_kb_per_stream)),
    ]
    notes = [f"{row.proxy}: {row.note}" for row in rows if row.note]
    return "\n\n".join([_table(plain, rows), _table(streams, rows), *notes])


def verdicts(rows: Sequence[Row]) -> list[str]:
    """One line for each bar: met, missed, or not measured."""
    ours = _row_of(rows, OURS)
    return [_verdict(bar, ours, _row_of(rows, bar.other)) for bar in BARS]


def page_with(page: str, section: str) -> str:
    """*page* with what stands between its markers replaced; the prose around them stays.

    Raises:
        ValueError: the markers are not there, once each and in order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in before + after:
        raise ValueError("docs/benchmarks.md lacks its two markers")
    return f"{before}{BEGIN}\n\n{section.strip()}\n\n{END}{after}"


def write_results(path: Path, rows: Sequence[Row]) -> None:
    """Keep *rows* for machines: a JSON list, null where nothing was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")


def write_page(path: Path, section: str) -> None:
    """Put *section* between the markers of the page at *path*."""
    path.write_text(page_with(path.read_text(), section))


def _row_of(rows: Sequence[Row], name: str) -> Row | None:
    return next((row for row in rows if row.proxy == name), None)


def _verdict(bar: Bar, ours: Row | None, other: Row | None) -> str:
    if bar.at_most is not None:
        found, promise = ratio(ours, other, bar.figure), f"<= {bar.at_most:g} x {bar.other}"
        met = found is not None and found <= bar.at_most
    else:
        found = ratio(other, ours, bar.figure)
        promise = f"at least {bar.at_least:g} x cheaper than {bar.other}"
        met = found is not None and bar.at_least is not None and found >= bar.at_least
    if found is None:
        return f"{bar.words} {promise}: not measured"
    return f"{bar.words} {promise}: {found:.3g} x, {'met' if met else 'MISSED'}"


def _table(columns: Sequence[tuple[str, _Cell]], rows: Sequence[Row]) -> str:
    lines = [[name for name, _ in columns]]
    lines += [[cell(row) for _, cell in columns] for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, rule)
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "| " + " | ".join((first, *rest)) + " |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
