"""What this version promises, and whether a run bore it out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.rows import OURS, RIVAL, TLS, YARDSTICK, Row, ratio
from loadtest.sheet import number

UNMEASURED: Final = "not measured"


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise by one figure: ours alone, or as so many times *other*'s.

    `bar` is the promise and `aim` where it should come to, both in *unit*. Less is better unless
    `at_least`. `ours`: the row that is held to it.
    """

    words: str
    figure: str
    bar: float
    aim: float
    unit: str = "x"
    other: str | None = None
    at_least: bool = False
    ours: str = OURS

    def found(self, rows: Sequence[Row]) -> float | None:
        """What the run came to, in the bar's unit; None where it was not measured."""
        mine = _row_of(rows, self.ours)
        if self.other is None:
            found: float | None = getattr(mine, self.figure, None)
            return found
        return ratio(mine, _row_of(rows, self.other), self.figure)

    def met(self, found: float, promise: float) -> bool:
        """Whether *found* is as good as *promise*."""
        return found >= promise if self.at_least else found <= promise


BARS: Final = (
    Bar("CPU per plain call, 32 connections", "cpu_us_per_call", 2.1, 1.8, other=YARDSTICK),
    Bar("CPU per plain call, 1 connection", "cpu_us_per_call_at_1", 2.1, 1.8, other=YARDSTICK),
    Bar("CPU per relayed chunk", "cpu_us_per_chunk", 1.0, 0.8, other=YARDSTICK),
    Bar(
        "the same chunk with TLS upstream",
        "cpu_us_per_chunk",
        1.0,
        0.8,
        other=YARDSTICK + TLS,
        ours=OURS + TLS,
    ),
    Bar("requests/s, 32 connections", "requests_per_s", 100, 150, other=RIVAL, at_least=True),
    Bar("added latency p50, 1 connection", "added_p50_ms", 0.4, 0.25, "ms"),
    Bar("added latency p99, 1 connection", "added_p99_ms", 2, 1, "ms"),
    Bar("added first token p99, 500 streams", "added_first_token_500_ms", 5, 2, "ms"),
    Bar("streams of 50 tokens/s held", "streams_held", 600, 900, "streams", at_least=True),
    Bar("memory at rest", "rss_mb", 100, 80, "MB"),
    Bar("memory per open stream", "rss_kb_per_stream", 40, 20, "KB"),
    Bar("time of a plain call of 1 MB", "large_ms", 1.5, 1.2, other=YARDSTICK),
)


def verdicts(rows: Sequence[Row], bars: Sequence[Bar] = BARS) -> list[str]:
    """One line for each bar: met, MISSED and by how much, or not measured."""
    return [_verdict(bar, bar.found(rows)) for bar in bars]


def _verdict(bar: Bar, found: float | None) -> str:
    sign = ">=" if bar.at_least else "<="
    beside = f"x {bar.other}'s" if bar.other else bar.unit
    promise = f"{bar.words} {sign} {bar.bar:g} {beside} (aim {bar.aim:g})"
    if found is None:
        return f"{promise}: {UNMEASURED}"
    figure = f"{promise}: {number(found)} {bar.unit}"
    if not bar.met(found, bar.bar):
        return f"{figure}, MISSED by {abs(found - bar.bar) / bar.bar:,.0%}"
    return f"{figure}, met" + (", and the aim" if bar.met(found, bar.aim) else "")


def _row_of(rows: Sequence[Row], name: str) -> Row | None:
    return next((row for row in rows if row.proxy == name), None)
