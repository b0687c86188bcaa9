"""What conditions leave possible, for `check` to compare them. Pure.

A condition is taken apart into boxes: alternatives, each a bound on every word and number that it
speaks of. Rules of this file: what it cannot tell, it takes for possible, and for not implied. So
whatever `check` says of a rule is so; it does not find everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.domain.conditions import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Costs,
    During,
    Has,
    InScope,
    Is,
    Not,
    Sent,
    Word,
)
from proxy.domain.labels import LatencyClass, Origin, OutputType, Risk, Sensitivity, Workload

MAX_BOXES: Final = 16
MAX_LITERALS: Final = 64
"""A condition with more alternatives, or with more parts to one, is not looked into."""

_Atom = Is | Has | Between | Costs | Sent | InScope | During
_Literal = tuple[_Atom, bool]
"""A condition without parts, and whether it holds or does not."""

_CLOSED: Final[Mapping[Word, frozenset[str | None]]] = {
    Word.WORKLOAD: frozenset(Workload),
    Word.SENSITIVITY: frozenset(Sensitivity),
    Word.OUTPUT_TYPE: frozenset(OutputType),
    Word.RISK: frozenset(Risk),
    Word.LATENCY: frozenset(LatencyClass),
    Word.WORKLOAD_ORIGIN: frozenset(Origin),
    Word.ENDPOINT: frozenset(Endpoint),
    Word.TIER: frozenset({"free", "pro", "enterprise"}),
}
"""Words that always have one of a few values."""


@dataclass(frozen=True, slots=True)
class Values:
    """What a word may be: one of *words*, or with `all_but` anything else. None: not said."""

    words: frozenset[str | None]
    all_but: bool

    def __contains__(self, word: str | None) -> bool:
        return (word in self.words) is not self.all_but

    def __and__(self, other: "Values") -> "Values":
        if self.all_but and other.all_but:
            return Values(self.words | other.words, all_but=True)
        few, rest = (other, self) if self.all_but else (self, other)
        return Values(frozenset(word for word in few.words if word in rest), all_but=False)

    def is_within(self, other: "Values") -> bool:
        """Whether *other* allows whatever this does."""
        outside = self & Values(other.words, all_but=not other.all_but)
        return not outside.all_but and not outside.words


ANYTHING: Final = Values(frozenset(), all_but=True)


@dataclass(frozen=True, slots=True)
class Box:
    """One alternative: bounds on words and numbers, and what else must hold or must not."""

    words: Mapping[Word, Values] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    others: tuple[_Literal, ...] = ()

    def bound_of(self, word: Word) -> Values:
        """What *word* may be."""
        return self.words.get(word, ANYTHING)

    def allows(self, word: Word, value: str | None) -> bool:
        """Whether *word* may be *value*."""
        return value in self.bound_of(word)

    @property
    def size(self) -> int:
        """How much there is to compare."""
        return 1 + len(self.others)

    @property
    def is_empty(self) -> bool:
        """Whether no request at all fits."""
        return (
            any(not values.words and not values.all_but for values in self.words.values())
            or any(low > high for low, high in self.numbers.values())
            or any(_never(atom) for atom, holds in self.others if holds)
            or any(
                _leads_to(positive, negative)
                for positive, holds in self.others
                if holds
                for negative, also_holds in self.others
                if not also_holds
            )
        )

    def is_within(self, other: "Box") -> bool:
        """Whether whatever fits this fits *other*."""
        return (
            all(self.bound_of(word).is_within(values) for word, values in other.words.items())
            and all(
                name in self.numbers and _is_inside(self.numbers[name], bounds)
                for name, bounds in other.numbers.items()
            )
            and all(_follows(literal, self.others) for literal in other.others)
        )


def boxes_of(condition: Condition) -> list[Box] | None:
    """The alternatives of *condition* that some request can fit; None: it is too complex."""
    literals = _alternatives(condition, holds=True)
    if literals is None or any(len(each) > MAX_LITERALS for each in literals):
        return None
    boxes = [_box(each) for each in literals]
    return [box for box in boxes if not box.is_empty]


def implies(boxes: list[Box] | None, others: list[Box] | None) -> bool:
    """Whether whatever fits one of *boxes* fits one of *others*, as far as can be told."""
    if boxes is None or others is None:
        return False
    return all(any(box.is_within(other) for other in others) for box in boxes)


def _alternatives(condition: Condition, *, holds: bool) -> list[tuple[_Literal, ...]] | None:
    match condition:
        case Not(part):
            return _alternatives(part, holds=not holds)
        case AllOf(parts) | AnyOf(parts):
            each = [_alternatives(part, holds=holds) for part in parts]
            known = [alternatives for alternatives in each if alternatives is not None]
            if len(known) < len(each):
                return None
            # not (a and b) is (not a) or (not b), and the other way round
            together = isinstance(condition, AllOf) is holds
            return (
                _every_choice(known) if together else _few(part for all_ in known for part in all_)
            )
        case _:
            return [((condition, holds),)]


def _every_choice(
    parts: Iterable[list[tuple[_Literal, ...]]],
) -> list[tuple[_Literal, ...]] | None:
    found: list[tuple[_Literal, ...]] | None = [()]
    for part in parts:
        if found is not None:
            found = _few((*one, *another) for one, another in product(found, part))
    return found


def _few(
    alternatives: Iterable[tuple[_Literal, ...]],
) -> list[tuple[_Literal, ...]] | None:
    found: list[tuple[_Literal, ...]] = []
    for alternative in alternatives:
        if len(found) == MAX_BOXES:
            return None
        found.append(alternative)
    return found


def _box(literals: tuple[_Literal, ...]) -> Box:
    words: dict[Word, Values] = {}
    numbers: dict[str, tuple[float, float]] = {}
    others: list[_Literal] = []
    for atom, holds in literals:
        match atom, holds:
            case Is(word, _), _:
                values = _values(atom, holds=holds)
                words[word] = words.get(word, _universe(word)) & values
            case ((Between() | Costs()), True):
                name, low, high = _interval(atom)
                lowest, highest = numbers.get(name, (float("-inf"), float("inf")))
                numbers[name] = (max(low, lowest), min(high, highest))
            case _:
                others.append((atom, holds))
    return Box(words, numbers, tuple(others))


def _universe(word: Word) -> Values:
    return Values(_CLOSED[word], all_but=False) if word in _CLOSED else ANYTHING


def _values(atom: Is, *, holds: bool) -> Values:
    if atom.values is None:
        return Values(frozenset({None}), all_but=holds)
    return Values(frozenset(atom.values), all_but=not holds)


def _interval(atom: Between | Costs) -> tuple[str, float, float]:
    name = atom.number.value if isinstance(atom, Between) else "cost_usd"
    low = float("-inf") if atom.at_least is None else atom.at_least
    high = float("inf") if atom.at_most is None else atom.at_most
    return name, low, high


def _is_inside(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _never(atom: _Atom) -> bool:
    return isinstance(atom, During) and atom.start == atom.end


def _follows(literal: _Literal, given: Iterable[_Literal]) -> bool:
    """Whether *literal* is so wherever all of *given* are."""
    atom, holds = literal
    return any(
        also_holds is holds and (_leads_to(other, atom) if holds else _leads_to(atom, other))
        for other, also_holds in given
    )


def _leads_to(atom: _Atom, other: _Atom) -> bool:
    """Whether *other* holds wherever *atom* does."""
    match atom, other:
        case (Has(subject, values), Has(wanted, among)) | (
            (Sent(subject, values), Sent(wanted, among))
        ):
            return subject == wanted and _is_among(values, among)
        case InScope(subject, values), InScope(wanted, among):
            return subject == wanted and _is_among(values, among)
        case During(), During():
            same = (atom.zone, atom.start, atom.end) == (other.zone, other.start, other.end)
            return same and atom.days <= other.days
    return atom == other


def _is_among(values: frozenset[str] | None, among: frozenset[str] | None) -> bool:
    return among is None or (values is not None and values <= among)
