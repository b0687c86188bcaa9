"""Step 3: the scan of all texts, in steps that cost what the caller allows. Pure.

One pass over every passage. A step goes on where the last one stopped, and any way to divide
the work finds the same: what is looked at together is fixed by the text alone (`WINDOW_BYTES`),
and what a window holds does not depend on when its search pauses.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from proxy.domain.classing import ClassifyRules
from proxy.domain.findings import Finding, Findings
from proxy.domain.labels import Kind, Risk
from proxy.domain.reading import Reading
from proxy.routing.detect import (
    REACH_BYTES,
    TRIGGER,
    TRIGGER_WITHOUT_HEALTH,
    look_closer,
)
from proxy.routing.hunt import SEPARATOR, Hunt, start_of_sign

WINDOW_BYTES: Final = 16 * 1024
"""What the patterns of a config are matched against at once, with `REACH_BYTES` on both sides:
a longer match of theirs may go unseen where two windows meet."""

MAX_COST_A_BYTE: Final = 32
"""A scan may cost so much more than the plain reading of `max_scanned_bytes`; where a text is
so full of numbers that it would cost more, the rest counts as not read."""

CLEAR_CHARS: Final = 4096
"""A text may be so long to be searched once for all by `is_clear`, and anew by a scan if it was not
clear."""

_RISKS: Final = tuple(Risk)
_SEPARATOR: Final = SEPARATOR.decode()


def is_clear(reading: Reading, rules: ClassifyRules) -> bool:
    """Whether a scan would find nothing, told without one: by a short text in which nothing calls
    for a closer look, as in most.
    """
    texts = [passage.text for passage in reading.passages]
    if sum(map(len, texts)) > CLEAR_CHARS or not rules.only_built_in:
        return False
    text = _SEPARATOR.join(texts).encode()
    return len(text) <= rules.max_scanned_bytes and TRIGGER.search(text) is None


class Scan:
    """The search through one request's texts.

    *every*: find all stretches, to take them out, and not just what kinds there are.
    """

    __slots__ = ("_at", "_disallowed", "_hunt", "_is_whole", "_matched", "_risk", "_rules",
                 "_texts", "_window")  # fmt: skip

    def __init__(self, reading: Reading, rules: ClassifyRules, *, every: bool = False) -> None:
        cap = rules.max_scanned_bytes
        texts = [passage.text for passage in reading.passages]
        if sum(map(len, texts)) > cap:
            texts = _beginning(texts, cap + 1)
        text = _SEPARATOR.join(texts).encode()
        self._is_whole = len(text) <= cap
        self._hunt = Hunt(text[: start_of_sign(text, cap)], rules.phone_regions, every=every)
        self._rules = rules
        self._texts = texts
        self._at = 0
        self._window = 0
        self._matched = -1
        self._disallowed: set[str] = set()
        self._risk: Risk | None = None

    def step(self, budget_bytes: int) -> bool:
        """Go on for about what reading *budget_bytes* of plain text costs; whether all is done."""
        hunt = self._hunt
        allowed = hunt.cost + budget_bytes
        size = len(hunt.text)
        while self._window < size and hunt.cost < allowed and not self._is_spent():
            stop = min(self._window + WINDOW_BYTES, size)
            if self._matched < self._window:
                self._match_config(self._window, stop)
                self._matched = self._window
            if self._search(stop, allowed):
                self._window = stop
        return self._window >= size or self._is_spent()

    def _is_spent(self) -> bool:
        """Whether so much had to be looked at closely that the rest is left unread."""
        return self._hunt.cost >= MAX_COST_A_BYTE * self._rules.max_scanned_bytes

    def findings(self) -> Findings:
        """What was found; what was not reached counts as not read."""
        hunt = self._hunt
        return Findings(
            tuple(sorted(hunt.kinds)),
            self._placed(hunt.found) if hunt.found else (),
            tuple(sorted(self._disallowed)),
            self._risk,
            self._is_whole and self._window >= len(hunt.text),
        )

    def _search(self, stop: int, allowed: int) -> bool:
        """Look for what begins before *stop*; False: the budget ran out first."""
        hunt = self._hunt
        text = hunt.text
        limit = min(stop + REACH_BYTES, len(text))
        while self._at < stop:
            if hunt.cost >= allowed or self._is_spent():
                return False
            trigger = TRIGGER if hunt.wants(Kind.HEALTH) else TRIGGER_WITHOUT_HEALTH
            start, end = trigger.search(text, self._at, limit) or (stop, stop)
            hunt.cost += max(0, start - self._at)
            if start >= stop:
                self._at = stop
                break
            self._at = max(look_closer(hunt, start, end), start + 1)
        return True

    def _match_config(self, start: int, stop: int) -> None:
        """What the config's own patterns find that begins from *start* to before *stop*."""
        hunt, rules = self._hunt, self._rules
        limit = min(stop + REACH_BYTES, len(hunt.text))
        for kind, terms in ((Kind.TERM, rules.terms), (Kind.HEALTH, rules.health_terms)):
            if terms.written and hunt.wants(kind):
                hunt.cost += stop - start
                for span in terms.spans(hunt.text, start, stop, limit):
                    hunt.add(kind, *span)
        if not (rules.disallowed.entries or rules.risks.entries):
            return
        hunt.cost += stop - start
        window = hunt.text[max(0, start - REACH_BYTES) : limit]
        self._disallowed.update(rules.disallowed.matching(window))
        risks = [*rules.risks.matching(window), *((self._risk,) if self._risk else ())]
        self._risk = max(risks, key=_RISKS.index, default=None)

    def _placed(self, found: list[tuple[Kind, int, int]]) -> tuple[Finding, ...]:
        """What was *found*, in order, each by its passage and its place in it."""
        starts = [0, *accumulate(len(text.encode()) + len(SEPARATOR) for text in self._texts)]
        placed = []
        for kind, start, end in sorted(found, key=lambda each: (each[1], -each[2], each[0])):
            at = bisect_right(starts, start) - 1
            placed.append(Finding(kind, at, start - starts[at], end - starts[at]))
        return tuple(placed)


def _beginning(texts: Sequence[str], chars: int) -> list[str]:
    """As many of *texts* as make up *chars*, the last one cut."""
    kept: list[str] = []
    for text in texts:
        if chars <= 0:
            break
        kept.append(text[:chars])
        chars -= len(text)
    return kept
