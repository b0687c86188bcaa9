"""A table of a section, for people and for machines. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.rows import Row

Cell = float | str | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Named lines under named columns, the first column being the lines' names; `remarks` say
    what a reader must know beside the figures.
    """

    columns: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()

    def as_json(self) -> list[dict[str, Cell]]:
        """One object per line; figures rounded to four digits that mean something."""
        return [
            {name: rounded(cell) for name, cell in zip(self.columns, line, strict=True)}
            for line in self.lines
        ]

    def written(self) -> str:
        """In Markdown that is aligned for a terminal too, the remarks below."""
        cells = [[_cell(cell) for cell in line] for line in self.lines]
        return "\n\n".join([aligned([list(self.columns), *cells]), *self.remarks])


@dataclass(frozen=True, slots=True)
class Found:
    """What a section came to: its table, and the figures that belong to programs."""

    sheet: Sheet
    rows: tuple[Row, ...] = ()


def rounded(value: Cell) -> Cell:
    """*value* as machines get it."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def number(value: float | None) -> str:
    """*value* for people: three digits that mean something, none behind the point from 100 on."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first of *lines* is its head, the first of each line its name."""
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(line, widths) for line in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "| " + " | ".join((first, *rest)) + " |"


def _cell(value: Cell) -> str:
    return value if isinstance(value, str) else number(value)
