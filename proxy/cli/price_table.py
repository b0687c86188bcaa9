"""How a revision of the price catalogue is shown: as a table, as lines, as JSON. Prints."""

import json
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.config.catalogue import usd
from proxy.config.price_diff import Change, Revision, Step

_COLUMNS = ("model", "class", "old", "new", "change", "state")


def show(revision: Revision) -> None:
    """Print every price that differs, dollars for a million tokens."""
    rows = list(_rows(revision))
    if Console().is_terminal:
        table = Table(*_COLUMNS)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))  # as Text: a name is no markup
        if rows:
            Console().print(table)
    else:
        for row in (_COLUMNS, *rows):
            typer.echo("\t".join(row))
    for refused in revision.refused:
        typer.echo(f"refused: {refused.model_id}: {refused.reason}", err=True)


def as_json(revision: Revision) -> str:
    """All of it, for machines; prices in whole nano-dollars for a million tokens."""
    return json.dumps(
        {
            "taken": [_plain(change) for change in revision.taken],
            "held": [_plain(change) for change in revision.held],
            "refused": [
                {"model": each.model_id, "reason": each.reason} for each in revision.refused
            ],
            "unchanged": revision.unchanged,
            "overrides": revision.overrides,
            "missing": revision.missing,
        },
        indent=2,
    )


def summary(revision: Revision) -> str:
    """One line of counts."""
    new = sum(change.is_new for change in revision.taken)
    return (
        f"{len(revision.taken) - new} changed, {new} new, {len(revision.held)} held back, "
        f"{len(revision.refused)} refused, {revision.unchanged} as before, "
        f"{revision.overrides} overrides left alone, {revision.missing} not in the list any more"
        + ("; --accept-jumps takes what is held back" if revision.held else "")
    )


def _rows(revision: Revision) -> Iterator[tuple[str, ...]]:
    changes = sorted((*revision.taken, *revision.held), key=lambda change: change.model.id)
    for change in changes:
        state = "held" if change.held else "new" if change.is_new else "taken"
        if not change.steps:
            yield (change.model.id, "limits or capabilities", "", "", "", state)
        for step in change.steps:
            old, new = _written(step, step.old), _written(step, step.new)
            yield (change.model.id, step.what, old, new, _moved(step), state)


def _written(step: Step, value: int | None) -> str:
    if value is None:
        return "-"
    return f"{value}/1000" if step.what == "batch_discount" else usd(value)


def _moved(step: Step) -> str:
    tenths = step.percent_tenths
    if tenths is None:
        return ""
    sign = "-" if tenths < 0 else "+"
    mark = " jump" if step.jumps else ""
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10}%{mark}"


def _plain(change: Change) -> dict[str, object]:
    steps = [
        {"class": step.what, "old": step.old, "new": step.new, "jumps": step.jumps}
        for step in change.steps
    ]
    return {"model": change.model.id, "new": change.is_new, "steps": steps}
