"""A config file as a tree whose every part knows its line and column. Pure values.

Rules of the tree: mappings have text keys, each once; what was refused while reading stands
in it as `Broken`, so that checks further on stay silent about it.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

Value = str | int | Decimal | bool
Path = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file; both count from 1."""

    line: int
    column: int


START = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value by the core rules of YAML 1.2; numbers with a fraction are exact."""

    value: Value
    mark: Mark


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that was refused and reported already."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: "tuple[Node, ...]"
    mark: Mark


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with the place of its key."""

    key_mark: Mark
    node: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values, in the file's order."""

    entries: dict[str, Entry]
    mark: Mark


Node = Scalar | Broken | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem that does not know its file yet."""

    mark: Mark
    path: Path
    message: str


def plain(node: Node) -> object:
    """The tree as dicts, lists and values; None stands for what is broken."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    return None


def locate(root: Node, path: Path, *, at_key: bool = False) -> Mark | None:
    """Where *path* stands, or the nearest part of it that exists; None: reported already.

    A value is pointed at itself; a mapping, a list, or anything with *at_key*, at its key.
    """
    node, mark = root, root.mark
    for step in path:
        match node:
            case Mapping() if isinstance(step, str) and step in node.entries:
                entry = node.entries[step]
                node, mark = entry.node, entry.key_mark
            case Sequence() if isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                mark = node.mark
            case _:
                break
    if isinstance(node, Broken):
        return None
    return node.mark if isinstance(node, Scalar) and not at_key else mark


def as_written(root: Node, path: Path) -> Path:
    """*path* without the position in a list where the file has a single value in its place."""
    if not path or not isinstance(path[-1], int):
        return path
    owner: Node | None = root
    for step in path[:-1]:
        owner = _below(owner, step)
    return path if isinstance(owner, Sequence) else path[:-1]


def _below(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
        return node.entries[step].node
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def written(path: Path) -> str:
    """*path* as people write it: `routes.auto.targets[0]`, `targets[openai/gpt-4o].price`."""
    text = ""
    for step in path:
        if isinstance(step, str) and _PLAIN_KEY.fullmatch(step) and len(step) <= _SHOWN_CHARS:
            text += f".{step}" if text else step
        else:
            text += f"[{step if isinstance(step, int) else shown(step)[1:-1]}]"
    return text


def shown(text: str) -> str:
    """*text* quoted for a message: short, on one line, free of control characters."""
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")
