"""Which conditions are worth asking for a request: an index of them. Pure values.

Rules of this file: a condition that can hold only where a word, an element of a set, a header or
a scope is one of a few is found by that clue; all others are asked each time. What is found is
the same as what asking each of them would give, in the same order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from proxy.domain.conditions import (
    ALWAYS,
    GROUP_OF,
    WORD_OF,
    AllOf,
    AnyOf,
    Condition,
    Group,
    Has,
    InScope,
    Is,
    Sent,
    Word,
    may_hold_any,
)
from proxy.domain.facts import Facts

MAX_CLUES: Final = 256
"""A condition with more clues than this is asked each time: an index must not outgrow its rules."""


class Named(StrEnum):
    """Facts that have a name and a value; they are found by their name."""

    HEADER = "header"
    SCOPE = "scope"


Subject = Word | Group | Named


class Clue(NamedTuple):
    """What must be so for a condition to hold: the subject is, or has, *value*; None: anything."""

    subject: Subject
    value: str | None


_ByClue = Mapping[str | None, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Index:
    """Positions of conditions in a list, by what leads to them. `left` is what of each condition
    is to be asked once it is found; None: nothing.
    """

    asked: tuple[int, ...] = ()
    by_word: tuple[tuple[Word, _ByClue], ...] = ()
    by_group: tuple[tuple[Group, _ByClue], ...] = ()
    by_header: _ByClue = field(default_factory=dict)
    by_scope: _ByClue = field(default_factory=dict)
    left: tuple[Condition | None, ...] = ()

    def that_hold(self, facts: Facts) -> tuple[int, ...]:
        """The positions of the conditions that hold for *facts*, in order."""
        left = self.left
        return tuple(
            [
                position
                for position in sorted(self._clued(facts))
                if (condition := left[position]) is None or condition.holds(facts)
            ]
        )

    def _clued(self, facts: Facts) -> set[int]:
        found = set(self.asked)
        for word, positions in self.by_word:
            value = WORD_OF[word](facts)
            if value and value in positions:
                found.update(positions[value])  # type: ignore[index]  # a flag is in no mapping
            if value and None in positions:
                found.update(positions[None])
        for group, positions in self.by_group:
            if may_hold_any(group, facts):
                _take(found, positions, positions)
            elif elements := GROUP_OF[group](facts):
                _take(found, positions, (None, *elements))
        if self.by_header:
            _take(found, self.by_header, [name for name, _ in facts.headers])
        if self.by_scope:
            _take(found, self.by_scope, [name for name, _ in facts.scopes])
        return found


def index_of(conditions: Sequence[Condition]) -> Index:
    """The index of *conditions*."""
    clues = [_clues(condition) for condition in conditions]
    found: dict[Subject, dict[str | None, list[int]]] = {}
    for position, each in enumerate(clues):
        for subject, value in each or ():
            found.setdefault(subject, {}).setdefault(value, []).append(position)
    frozen: dict[Subject, _ByClue] = {
        subject: MappingProxyType({value: tuple(these) for value, these in by_value.items()})
        for subject, by_value in found.items()
    }
    return Index(
        asked=tuple(position for position, each in enumerate(clues) if each is None),
        by_word=tuple((word, frozen[word]) for word in Word if word in found),
        by_group=tuple((group, frozen[group]) for group in Group if group in found),
        by_header=frozen.get(Named.HEADER, {}),
        by_scope=frozen.get(Named.SCOPE, {}),
        left=tuple(None if _is_its_clue(condition) else condition for condition in conditions),
    )


def _take(found: set[int], positions: _ByClue, values: Iterable[str | None]) -> None:
    for value in values:
        if value in positions:
            found.update(positions[value])


def _clues(condition: Condition) -> frozenset[Clue] | None:
    """Clues of which one must be there for *condition* to hold; None: nothing leads to it."""
    found: frozenset[Clue] | None = None
    match condition:
        case Is(subject, values) | Has(subject, values):
            found = frozenset(
                Clue(subject, value) for value in ((None,) if values is None else values)
            )
        case Sent(name):
            found = frozenset({Clue(Named.HEADER, name)})
        case InScope(name):
            found = frozenset({Clue(Named.SCOPE, name)})
        case AllOf(parts):
            each = [clues for part in parts if (clues := _clues(part)) is not None]
            found = min(each, key=_breadth, default=None)
        case AnyOf(parts):
            either = [_clues(part) for part in parts]
            if None not in either:
                found = frozenset().union(*[clues for clues in either if clues])
    return None if found is None or len(found) > MAX_CLUES else found


_RANKS: Final[Mapping[Subject, int]] = {
    subject: rank for rank, subject in enumerate((*Named, *Group, *Word))
}
"""Subjects by how few requests share a value: most name no header and no scope, and `Word` lists
the telling words first.
"""


def _breadth(clues: frozenset[Clue]) -> tuple[int, int]:
    """How many requests *clues* may let through: by the least telling subject, then by number."""
    return max((_RANKS[clue.subject] for clue in clues), default=0), len(clues)


def _is_its_clue(condition: Condition) -> bool:
    """Whether finding *condition* by its clues, or always asking it, already says that it holds."""
    return condition == ALWAYS or (
        isinstance(condition, Is | Has) and _clues(condition) is not None
    )
