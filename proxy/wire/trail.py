"""The way back from a text that was made of others to the bytes that it was made of. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

GAP: Final = "\0"
"""Stands where something between is not shown; patterns do not match across it."""

Pair = tuple[str, str | None]
"""A piece as written, and what is shown of it: itself, or all of it as one; None: left out."""


class Span(NamedTuple):
    """Bytes of what was written. Not `is_whole`: more may belong to it that is not shown."""

    start: int
    end: int
    is_whole: bool


def shown_of(pairs: Iterable[Pair]) -> str:
    """What is shown of *pairs*, with a `GAP` between two where some are left out."""
    shown: list[str] = []
    left_out = False
    for _, drawn in pairs:
        if drawn is None:
            left_out = bool(shown)
            continue
        if left_out:
            shown.append(GAP)
            left_out = False
        shown.append(drawn)
    return "".join(shown)


class Trail:
    """Leads spans, in bytes, back from what is `shown_of` *pairs*."""

    __slots__ = ("_cuts", "_pieces", "_shown")

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._shown: list[int] = []
        self._pieces: list[tuple[int, int, bool]] = []
        self._cuts: list[tuple[int, int]] = []
        shown = at = 0
        cut: int | None = None
        for written, drawn in pairs:
            size = len(written.encode())
            if drawn is None:
                cut = shown
            else:
                if cut is not None:
                    shown += len(GAP) if self._pieces else 0
                    self._cuts.append((shown, cut))
                    cut = None
                self._shown.append(shown)
                self._pieces.append((at, at + size, written == drawn))
                shown += len(drawn.encode())
            at += size
        if cut is not None:
            self._cuts.append((shown, cut))
        self._shown.append(shown)

    def back(self, start: int, end: int) -> Span:
        """Where that was written which is shown from *start* to *end*, which are not equal."""
        end = min(end, self._shown[-1])
        first = bisect_right(self._shown, start) - 1
        last = bisect_right(self._shown, end - 1) - 1
        begin, _, is_same = self._pieces[first]
        begin += start - self._shown[first] if is_same else 0
        at, stop, is_same = self._pieces[last]
        stop = at + end - self._shown[last] if is_same else stop
        behind = bisect_left(self._cuts, (start,))
        is_cut = behind < len(self._cuts) and self._cuts[behind][1] <= end
        return Span(begin, stop, not is_cut)
