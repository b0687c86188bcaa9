"""YAML, by the core rules of version 1.2, into a tree with lines and columns. Pure.

Rules of this file: nothing is guessed. `NO`, `yes`, `1:30`, `1_000` and dates are text; only
true and false are booleans (as True and TRUE too, as the core rules have it); `010` is ten. A
key stands once. Anchors, aliases, tags, merge keys, blank values and second documents are
refused: each has been the start of somebody's outage. Depth, nodes and the length of numbers
are capped, so that a hostile file costs no more than an honest one.

PyYAML's event stream (libyaml, which its wheels carry) gives the syntax; the meaning is ours.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Protocol

import yaml
from yaml.events import (
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from proxy.config.document import (
    START,
    Broken,
    Entry,
    Fault,
    Mapping,
    Mark,
    Node,
    Path,
    Scalar,
    Sequence,
    Value,
)

MAX_DEPTH: Final = 16
MAX_NODES: Final = 100_000
MAX_NUMBER_CHARS: Final = 40
MAX_EXPONENT: Final = 40

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    word: truth
    for truth, words in ((True, "true True TRUE"), (False, "false False FALSE"))
    for word in words.split()
}
_WHOLE: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE]([-+]?[0-9]+))?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_BASES: Final = {"0o": 8, "0x": 16}

_HINTS: Final = (
    ("cannot start any token", "indent with spaces, never tabs, and quote text that begins oddly"),
    ("mapping values are not allowed", "quote text that holds ': ', and check the indentation"),
    ("block end", "check the indentation of this line and of those above"),
    ("expected key", "check the indentation of this line and of those above"),
    ("expected ':'", "each key needs ': ' and a value"),
    ("',' or", "a bracket or brace above is not closed"),
    ("end of stream", "a quote, bracket or brace above is not closed"),
)


def read_yaml(content: bytes, max_nodes: int = MAX_NODES) -> tuple[Node | None, list[Fault]]:
    """The tree of *content* and what is wrong with it; no tree if the syntax is broken."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        return None, [Fault(_mark_after(before), (), "is not UTF-8; save the file as UTF-8")]
    if (odd := _UNPRINTABLE.search(text)) is not None:
        mark = _mark_after(text[: odd.start()])
        code = f"U+{ord(odd[0]):04X}"
        return None, [Fault(mark, (), f"holds the control character {code}; remove it")]
    return _Composer(text, max_nodes).compose()


def value_of(text: str) -> Value | None:
    """What a plain scalar means; None for null.

    Raises:
        ValueError: a number longer or larger than any config needs.
    """
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_FINITE.fullmatch(text):
        return Decimal(text.replace(".", "").lower())
    whole, fraction = _WHOLE.fullmatch(text), _FRACTION.fullmatch(text)
    if not whole and not fraction:
        return text
    exponent = fraction[1] if fraction else None
    if len(text) > MAX_NUMBER_CHARS or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise ValueError("is a number beyond all bounds; quote it if it is text")
    return int(text, _BASES.get(text[:2], 10)) if whole else Decimal(text)


class _Refused(Exception):  # noqa: N818 - it stops the reading; the fault is the message
    """The file cannot be read on from here."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Composer:
    """Builds the tree from libyaml's events, which bear no meaning yet."""

    def __init__(self, text: str, max_nodes: int) -> None:
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._faults: list[Fault] = []
        self._nodes = 0
        self._max_nodes = max_nodes

    def compose(self) -> tuple[Node | None, list[Fault]]:
        try:
            return self._document(), self._faults
        except _Refused as refused:
            self._faults.append(refused.fault)
        except yaml.MarkedYAMLError as error:
            self._faults.append(_syntax_fault(error))
        return None, self._faults

    def _document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                self._fault(event, (), "begins a second document; keep one to a file")
                return root
            if isinstance(event, NodeEvent):
                root = self._node(event, ())
        if root is None:
            self._faults.append(Fault(START, (), "the file is empty"))
        return root

    def _node(self, event: Event, path: Path) -> Node:
        self._count(event, path)
        match event:
            case MappingStartEvent():
                self._refuse_ornaments(event, path)
                return Mapping(self._entries(path), _mark(event))
            case SequenceStartEvent():
                self._refuse_ornaments(event, path)
                return Sequence(self._items(path), _mark(event))
            case ScalarEvent():
                self._refuse_ornaments(event, path)
                return self._scalar(event, path)
        self._fault(event, path, "is an alias (*name); write the value out")
        return Broken(_mark(event))

    def _count(self, event: Event, path: Path) -> None:
        self._nodes += 1
        if self._nodes > self._max_nodes:
            raise _Refused(Fault(_mark(event), (), f"holds more than {self._max_nodes} values"))
        if len(path) > MAX_DEPTH:
            raise _Refused(Fault(_mark(event), (), f"nests deeper than {MAX_DEPTH} levels"))

    def _refuse_ornaments(
        self, event: MappingStartEvent | SequenceStartEvent | ScalarEvent, path: Path
    ) -> None:
        if event.anchor is not None:
            self._fault(event, path, "has an anchor (&name); write the value out where it is used")
        if event.tag is not None:
            self._fault(event, path, "has a tag (!name); remove it, and quote text that begins so")

    def _scalar(self, event: ScalarEvent, path: Path) -> Node:
        is_plain = event.implicit[0]
        try:
            value = value_of(event.value) if is_plain else event.value
        except ValueError as error:
            self._fault(event, path, str(error))
            return Broken(_mark(event))
        if value is None:
            self._fault(event, path, "is blank; give a value, or remove the line")
            return Broken(_mark(event))
        return Scalar(value, _mark(event))

    def _items(self, path: Path) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return tuple(items)

    def _entries(self, path: Path) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, path, entries)
            node = self._node(next(self._events), (*path, key or "?"))
            if key is not None:
                entries.setdefault(key, Entry(_mark(event), node))
        return entries

    def _key(self, event: Event, path: Path, entries: dict[str, Entry]) -> str | None:
        """The key's text, as written; None if it was refused (and so is its value)."""
        if not isinstance(event, ScalarEvent):
            self._node(event, (*path, "?"))
            self._fault(event, path, "has a key that is not text")
            return None
        self._count(event, path)
        key, is_plain = event.value, event.implicit[0]
        self._refuse_ornaments(event, (*path, key))
        if not key or (is_plain and key == "~"):
            self._fault(event, path, "has a blank key; name it")
            return None
        if is_plain and key == "<<":
            self._fault(event, path, "has a merge key (<<); write the keys out")
            return None
        if key in entries:
            first = entries[key].key_mark.line
            self._fault(
                event, (*path, key), f"stands twice (first in line {first}); remove one of the two"
            )
        return key

    def _fault(self, event: Event, path: Path, message: str) -> None:
        self._faults.append(Fault(_mark(event), path, message))


def _mark(event: Event) -> Mark:
    return _place(event.start_mark)


class _Pointer(Protocol):
    """What libyaml's marks and PyYAML's own have in common; both count from 0."""

    line: int
    column: int


def _place(mark: _Pointer | None) -> Mark:
    return START if mark is None else Mark(mark.line + 1, mark.column + 1)


def _mark_after(before: str) -> Mark:
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _syntax_fault(error: yaml.MarkedYAMLError) -> Fault:
    """libyaml's own words name tokens, never the file's text; they are passed on with a hint."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    hint = next((f"; {hint}" for part, hint in _HINTS if part in said), "")
    begun, at = _place(error.context_mark), _place(error.problem_mark)
    since = f" (begun in line {begun.line})" if error.context and begun.line < at.line else ""
    return Fault(at, (), f"is not valid YAML: {said}{since}{hint}")
