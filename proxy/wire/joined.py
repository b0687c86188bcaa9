"""The text parts of a message as if they were one, for many providers join them. Pure.

Only where parts meet: the end of one and the beginning of the next, with a NUL where something is
left out, so that nothing is found across it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from proxy.wire.trail import Pair, Trail, shown_of

REACH_CHARS: Final = 256
"""So far from where two parts meet both are shown, at least."""


class Stretch(NamedTuple):
    """Bytes of one part's text, the parts counted from 0."""

    part: int
    start: int
    end: int


def joined(texts: Sequence[str]) -> str:
    """What *texts*, at least two, show where they meet."""
    return shown_of(_pairs(texts))


class Seams:
    """Leads spans, in bytes, back from what is `joined` to *texts*."""

    __slots__ = ("_starts", "_trail")

    def __init__(self, texts: Sequence[str]) -> None:
        self._trail = Trail(_pairs(texts))
        self._starts = [0, *accumulate(len(text.encode()) for text in texts)]

    def back(self, start: int, end: int) -> tuple[list[Stretch], bool]:
        """What of each part is shown from *start* to *end*; and whether that is whole: else more
        may belong to it than is shown.
        """
        begin, stop, is_whole = self._trail.back(start, end)
        starts = self._starts
        stretches = []
        part = bisect_right(starts, begin) - 1
        while starts[part] < stop:
            first, last = max(begin, starts[part]), min(stop, starts[part + 1])
            if first < last:
                stretches.append(Stretch(part, first - starts[part], last - starts[part]))
            part += 1
            if part == len(starts) - 1:
                break
        return stretches, is_whole


def _pairs(texts: Sequence[str]) -> Iterator[Pair]:
    last = len(texts) - 1
    for part, text in enumerate(texts):
        head = REACH_CHARS if part > 0 else 0
        tail = REACH_CHARS if part < last else 0
        if len(text) <= head + tail:
            yield text, text
            continue
        if head:
            yield text[:head], text[:head]
        yield text[head : len(text) - tail], None
        if tail:
            yield text[-tail:], text[-tail:]
