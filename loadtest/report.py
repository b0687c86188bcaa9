"""What a run says: tables, the page and the files for machines. Pure but for the writes."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from loadtest.rows import TLS, YARDSTICK, Row, ratio
from loadtest.sheet import Sheet, aligned, number

BENCH: Final = ("<!-- bench:begin (written by make bench) -->", "<!-- bench:end -->")
SOAK: Final = (
    '<!-- soak:begin (written by make bench ARGS="--soak 600") -->',
    "<!-- soak:end -->",
)

_Cell = Callable[[Row], str]


def tables(rows: Sequence[Row]) -> str:
    """The tables of plain calls, concurrency and streams, in Markdown that is aligned for a
    terminal too. A table that has no figure is left out.
    """
    plain: list[tuple[str, _Cell]] = [
        ("plain calls", lambda row: row.proxy),
        ("requests/s", lambda row: number(row.requests_per_s)),
        ("p50 ms", lambda row: number(row.p50_ms)),
        ("p99 ms", lambda row: number(row.p99_ms)),
        ("added p50", lambda row: number(row.added_p50_ms)),
        ("added p99", lambda row: number(row.added_p99_ms)),
        ("at rest MB", lambda row: number(row.rss_mb)),
        ("errors", lambda row: "-" if row.errors is None else str(row.errors)),
    ]
    concurrency: list[tuple[str, _Cell]] = [
        ("CPU µs/call, connections", lambda row: row.proxy),
        *_beside_envoy(rows, "1", "cpu_us_per_call_at_1"),
        *_beside_envoy(rows, "8", "cpu_us_per_call_at_8"),
        *_beside_envoy(rows, "32", "cpu_us_per_call"),
    ]
    streams: list[tuple[str, _Cell]] = [
        ("streams", lambda row: row.proxy),
        *_beside_envoy(rows, "CPU µs/chunk", "cpu_us_per_chunk"),
        ("first token ms", lambda row: number(row.first_token_ms)),
        ("gap p99 ms", lambda row: number(row.gap_p99_ms)),
        ("core busy", lambda row: _percent(row.core_busy)),
        ("KB/open stream", lambda row: number(row.rss_kb_per_stream)),
    ]
    called = [row for row in rows if row.cpu_us_per_call is not None]
    streamed = [row for row in rows if row.cpu_us_per_chunk is not None]
    measured = [row for row in rows if row in called or row.rss_mb is not None]
    notes = [f"{row.proxy}: {row.note}" for row in rows if row.note]
    shown = ((plain, measured), (concurrency, called), (streams, streamed))
    return "\n\n".join([*(_table(columns, some) for columns, some in shown if some), *notes])


def page_with(page: str, section: str, marks: tuple[str, str] = BENCH) -> str:
    """*page* with what stands between its *marks* replaced; the prose around them stays.

    Raises:
        ValueError: the markers are not there, once each and in order.
    """
    begin, end = marks
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end or begin in after or end in before + after:
        raise ValueError("docs/benchmarks.md lacks its two markers")
    return f"{before}{begin}\n\n{section.strip()}\n\n{end}{after}"


def write_results(folder: Path, rows: Sequence[Row], sheets: Mapping[str, Sheet]) -> None:
    """Keep *rows* for machines in `latest.json` (none: as it was), a JSON list, null where nothing
    was measured; each of *sheets* in a file of its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if rows:
        _write(folder / "latest.json", [row.as_json() for row in rows])
    for name, sheet in sheets.items():
        _write(folder / f"{name}.json", sheet.as_json())


def write_page(path: Path, section: str, marks: tuple[str, str] = BENCH) -> None:
    """Put *section* between the *marks* of the page at *path*."""
    path.write_text(page_with(path.read_text(), section, marks))


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def _beside_envoy(rows: Sequence[Row], name: str, figure: str) -> list[tuple[str, _Cell]]:
    """The column of *figure*, and how many times Envoy's it is, with TLS where both speak it."""
    by_name = {row.proxy: row for row in rows}

    def times(row: Row) -> str:
        yardstick = YARDSTICK + (TLS if row.proxy.endswith(TLS) else "")
        return _times(ratio(row, by_name.get(yardstick), figure))

    return [(name, lambda row: number(getattr(row, figure))), ("x Envoy", times)]


def _table(columns: Sequence[tuple[str, _Cell]], rows: Sequence[Row]) -> str:
    names = [name for name, _ in columns]
    return aligned([names, *([cell(row) for _, cell in columns] for row in rows)])


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
