"""Patterns that a config can bring: RE2, so linear in the text whatever they say, and capped.

A pattern is compared and printed by how it was written. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import re2

MAX_PATTERN_CHARS: Final = 500
MAX_PROGRAM: Final = 4000
"""Instructions of one compiled pattern; `x{1000}` alone makes a thousand."""

MAX_TOGETHER: Final = 20_000
"""Instructions of all patterns of one list."""

_SET_MEMORY_BYTES: Final = 32 << 20
_PATTERN_MEMORY_BYTES: Final = 16 << 20

# Matching calls what lies below re2's Python layer, which takes 3 of the 4.5 us of a call.
_ANYWHERE: Final = re2._re2.RE2.Anchor.UNANCHORED
_AT_START: Final = re2._re2.RE2.Anchor.ANCHOR_START
_WHOLE: Final = re2._re2.RE2.Anchor.ANCHOR_BOTH

T = TypeVar("T")


def _options(max_mem: int, *, latin1: bool, fold: bool) -> Any:
    options = re2.Options()
    if latin1:
        options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not fold
    options.max_mem = max_mem
    options.never_capture = True
    options.log_errors = False  # its log goes to stderr and quotes the pattern
    return options


Span = tuple[int, int]


class BytePattern:
    """A pattern of our own, over bytes; *fold*: letters match in either case; *utf8*: it speaks of
    signs, and the text is UTF-8.

    `start` and `end` bound what may match; what stands before and behind them is still seen, so
    that `\\z` means the text's own end.
    """

    __slots__ = ("_match", "written")

    def __init__(self, written: bytes, *, fold: bool = False, utf8: bool = False) -> None:
        options = _options(_PATTERN_MEMORY_BYTES, latin1=not utf8, fold=fold)
        self.written = written
        self._match = re2.compile(written, options)._regexp.Match

    def search(self, text: bytes, start: int = 0, end: int | None = None) -> Span | None:
        """Where the first match stands."""
        return self._span(_ANYWHERE, text, start, end)

    def match(self, text: bytes, start: int = 0, end: int | None = None) -> Span | None:
        """Where a match stands that begins at *start*."""
        return self._span(_AT_START, text, start, end)

    def fits(self, text: bytes, start: int = 0, end: int | None = None) -> bool:
        """Whether all of it, from *start* to *end*, is a match."""
        return self._span(_WHOLE, text, start, end) is not None

    def _span(self, anchor: Any, text: bytes, start: int, end: int | None) -> Span | None:
        size = len(text)
        stop = size if end is None or end > size else end
        if start > stop:
            return None
        span: Span = self._match(anchor, text, start, stop)[0]
        return span if span[0] >= 0 else None


def byte_set(written: Sequence[bytes]) -> Any:
    """Patterns of our own that are tried at a text's start together; `Match` says which fit."""
    compiled = re2.Set.MatchSet(_options(_SET_MEMORY_BYTES, latin1=True, fold=False))
    for each in written:
        compiled.Add(each)
    compiled.Compile()
    return compiled


def text_pattern(written: str) -> Any:
    """A config's pattern over UTF-8, either case.

    Raises:
        ValueError: RE2 refuses it, or it is too large; the message does not quote it.
    """
    if not 0 < len(written) <= MAX_PATTERN_CHARS:
        raise ValueError(f"must be a pattern of 1 to {MAX_PATTERN_CHARS} characters")
    try:
        compiled = re2.compile(
            written.encode(), _options(_PATTERN_MEMORY_BYTES, latin1=False, fold=True)
        )
    except re2.error as error:
        raise ValueError(f"is not a pattern that RE2 takes: {_why(error)}") from None
    if compiled.programsize > MAX_PROGRAM:
        raise ValueError(f"is too large once compiled: {compiled.programsize} of {MAX_PROGRAM}")
    if compiled.match(b"") is not None:
        raise ValueError("matches the empty text, hence everything; make it ask for something")
    return compiled


def check_together(written: Iterable[str]) -> None:
    """Refuse patterns, each fine by itself, that are too large for one automaton.

    Raises:
        ValueError
    """
    size = sum(text_pattern(each).programsize for each in written)
    if size > MAX_TOGETHER:
        raise ValueError(f"is too large in all once compiled: {size} of {MAX_TOGETHER}")


def _why(error: Exception) -> str:
    """RE2's reason without the part of the pattern that it quotes after a colon."""
    said = error.args[0]
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)).partition(
        ":"
    )[0]


@dataclass(frozen=True, slots=True)
class PatternSet(Generic[T]):
    """Patterns, each with what it stands for; one pass over a text finds all that match."""

    entries: tuple[tuple[str, T], ...] = ()
    _match: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, entries: Iterable[tuple[str, T]]) -> "PatternSet[T]":
        """A set of *entries*: patterns as `text_pattern` takes them."""
        kept = tuple(entries)
        if not kept:
            return cls()
        compiled = re2.Set.SearchSet(_options(_SET_MEMORY_BYTES, latin1=False, fold=True))
        for written, _ in kept:
            compiled.Add(written.encode())
        compiled.Compile()
        return cls(kept, compiled._set.Match)

    def matching(self, text: bytes) -> list[T]:
        """What the patterns stand for that occur in *text*, in the order of the entries."""
        if self._match is None:
            return []
        entries = self.entries
        return [entries[at][1] for at in sorted(self._match(text))]

    def __bool__(self) -> bool:
        return bool(self.entries)


@dataclass(frozen=True, slots=True)
class TermPattern:
    """One pattern out of several alternatives, to find where they stand; falsy without any."""

    written: tuple[str, ...] = ()
    _compiled: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, written: Sequence[str]) -> "TermPattern":
        """A pattern that matches where any of *written* does."""
        if not written:
            return cls()
        joined = "|".join(f"(?:{each})" for each in written)
        options = _options(_SET_MEMORY_BYTES, latin1=False, fold=True)
        return cls(tuple(written), re2.compile(joined.encode(), options))

    def spans(self, text: bytes, start: int, stop: int, limit: int) -> list[tuple[int, int]]:
        """Where they stand that begin from *start* to before *stop*; *limit* bounds their end."""
        if self._compiled is None:
            return []
        found = (match.span() for match in self._compiled.finditer(text, start, limit))
        return [span for span in found if span[0] < stop and span[0] < span[1]]

    def __bool__(self) -> bool:
        return bool(self.written)
