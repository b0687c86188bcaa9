"""What a process logs is described: every field of a request's line, and every event."""

import ast
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from proxy.domain.decision import Reason
from proxy.telemetry.recorder import json_line
from tests.architecture.test_docs import rows_of, text_of, words_in
from tests.architecture.trees import called_name, name_of, python_files, tree_of
from tests.pure.telemetry.records import a_record

LOGGERS = ("log_event", "self._report")
"""How our code logs an event: the function itself, or as a collaborator was handed it."""

REQUEST, PROCESS = text_of("logs.md").split("\n## ")[1:]


def first_words_of(section: str) -> list[str]:
    """The code in the first cell of each row of *section*, in order."""
    return [word for row in rows_of(section) for word in sorted(words_in(row[0]))]


def fields_of(value: object, path: str) -> Iterator[str]:
    """Every key below *value*, by its whole path."""
    if isinstance(value, list):
        for item in value[:1]:
            yield from fields_of(item, f"{path}[]")
    elif isinstance(value, dict):
        for name, below in value.items():
            key = f"{path}.{name}" if path else name
            yield key
            yield from fields_of(below, key)


def events_of(tree: ast.AST) -> Iterator[str]:
    """The name of every event that *tree* logs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called_name(node) in LOGGERS and node.args:
            event = node.args[0]
            if isinstance(event, ast.Constant) and isinstance(event.value, str):
                yield event.value


def test_logs_page_has_every_field_of_a_request() -> None:
    """Each key of the line stands in the table, in the line's order; and no other."""
    line = orjson.loads(json_line(a_record()))

    assert first_words_of(REQUEST) == list(fields_of(line, ""))


def test_logs_page_has_every_reason_for_skipping_a_target() -> None:
    """Why a target was left out is one of the reasons listed."""
    (cell,) = [row[1] for row in rows_of(REQUEST) if row[0] == "`skipped[].reason`"]

    assert words_in(cell) == set(Reason)


def test_logs_page_has_every_event_of_the_process() -> None:
    """Each event that our code can log stands in the table; and no other."""
    logged = {event for path in python_files("proxy") for event in events_of(tree_of(path))}

    assert sorted(first_words_of(PROCESS)) == sorted(logged)


@pytest.mark.parametrize("path", python_files("proxy"), ids=name_of)
def test_events_are_named_where_they_are_logged(path: Path) -> None:
    """An event's name is written out, so that the page's test can find it."""
    unnamed = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and called_name(node) == "log_event"
        and not (node.args and isinstance(node.args[0], ast.Constant))
    ]

    assert unnamed == []
