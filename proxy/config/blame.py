"""What pydantic found wrong, in our words and with its place in the file. Pure.

A value never enters a message: it may be a secret in the wrong place. Keys and ids do.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config.document import Fault, Node, Path, as_written, locate
from proxy.config.near import did_you_mean
from proxy.config.schema import keys_at

_KEY = "[key]"
"""How pydantic ends the place of a problem with a key instead of its value."""

_WORD = re.compile(r"'([^']*)'")


def schema_faults(
    root: Node, error: ValidationError, keys_at: Callable[[Path], list[str]] = keys_at
) -> Iterator[Fault]:
    """The problems of *error*, but for those that follow from what was reported already.

    *keys_at* says which keys the mapping at a path may have.
    """
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic counts what is valid; each part that is not has its own fault
        path = as_written(root, detail["loc"])
        at_key = detail["type"] == "extra_forbidden"
        if len(path) > 1 and path[-1] == _KEY:
            path, at_key = path[:-1], True
        if (mark := locate(root, path, at_key=at_key)) is not None:
            yield Fault(mark, path, _message(detail, path, keys_at))


def _message(detail: ErrorDetails, path: Path, keys_at: Callable[[Path], list[str]]) -> str:
    if detail["type"] == "extra_forbidden":
        known = keys_at(path[:-1])
        near = did_you_mean(str(path[-1]), known)
        return f"is not a known key{near or '; known are ' + ', '.join(known)}"
    context = detail.get("ctx", {})
    if detail["type"] in {"enum", "literal_error"}:
        words = _WORD.findall(context["expected"])
        return f"must be {context['expected']}{did_you_mean(str(detail['input']), words)}"
    return _MESSAGES[detail["type"]](context)


_MESSAGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "value_error": lambda ctx: str(ctx["error"]),
    "missing": lambda _: "is missing; add it",
    "model_type": lambda _: "must be a mapping: keys, each with a value, indented below",
    "dict_type": lambda _: "must be a mapping: keys, each with a value, indented below",
    "tuple_type": lambda _: "must be a list: [one, another]",
    "string_type": lambda _: "must be text; put numbers, true and false in quotes",
    "bool_type": lambda _: "must be true or false",
    "int_type": lambda _: "must be a whole number, without quotes or a unit",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']}",
    "too_short": lambda ctx: f"needs at least {ctx['min_length']}",
    "too_long": lambda ctx: f"may have at most {ctx['max_length']}",
}
"""Every kind of problem that the schema can bring; a property test finds what is forgotten."""
