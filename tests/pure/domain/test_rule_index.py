"""The index finds what asking every condition would find, and asks few."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Between,
    Condition,
    Group,
    Has,
    InScope,
    Is,
    Not,
    Number,
    Sent,
    Word,
)
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind, Sensitivity
from proxy.domain.rule_index import MAX_CLUES, Index, index_of
from tests.builders import some_facts, some_labels
from tests.policies import conditions, facts

CODE = Is(Word.WORKLOAD, frozenset({"code"}))
ACME = Is(Word.TENANT, frozenset({"acme"}))
LONG = Between(Number.PROMPT_TOKENS, 1000, None)


@pytest.mark.slow
@given(st.lists(conditions, max_size=6), facts)
@settings(deadline=None)
def test_index_finds_what_asking_all_would(all_: list[Condition], asked: Facts) -> None:
    """Whatever the conditions and the facts: the same positions, in order."""
    by_hand = tuple(position for position, each in enumerate(all_) if each.holds(asked))

    assert index_of(all_).that_hold(asked) == by_hand


def test_what_a_clue_leads_to_is_not_asked_otherwise() -> None:
    """Words, sets, headers and scopes lead to their conditions; numbers and denials do not."""
    led = [CODE, Has(Group.KINDS, None), Sent("x-a", None), InScope("t", None), AllOf((LONG, CODE)),
           AnyOf((CODE, ACME)), Is(Word.SESSION, None), AnyOf(())]  # fmt: skip
    asked = [LONG, Not(CODE), ALWAYS, AnyOf((CODE, LONG)), AllOf((LONG, Not(ACME)))]

    index = index_of([*led, *asked])

    assert index.asked == tuple(range(len(led), len(led) + len(asked)))


def test_the_most_telling_clue_leads() -> None:
    """Few requests are of one tenant and many of one workload, so the tenant leads."""
    index = index_of([AllOf((CODE, ACME))])

    assert [word for word, _ in index.by_word] == [Word.TENANT]


def test_what_only_repeats_its_clue_is_not_asked_again() -> None:
    """Finding `tenant: acme` by the tenant says it all."""
    assert index_of([ACME, ALWAYS, AllOf((CODE, ACME))]).left[:2] == (None, None)
    assert index_of([AllOf((CODE, ACME))]).left == (AllOf((CODE, ACME)),)


def test_a_long_list_is_asked_and_not_looked_up() -> None:
    """An index must not outgrow its rules."""
    many = Is(Word.TENANT, frozenset(f"t{n}" for n in range(MAX_CLUES + 1)))

    index = index_of([many])

    assert (index.asked, index.left) == ((0,), (many,))
    assert index.that_hold(some_facts(tenant_id="t7")) == (0,)
    assert index.that_hold(some_facts()) == ()


def test_every_rule_on_kinds_is_found_for_what_was_not_read() -> None:
    """Whatever kind it names; rules on other sets are not."""
    index = index_of([
        Has(Group.KINDS, None), Has(Group.KINDS, frozenset({"iban"})), Has(Group.DISALLOWED, None),
        Not(Has(Group.KINDS, None)),
    ])  # fmt: skip
    unread = some_facts(labels=some_labels(sensitivity=Sensitivity.UNKNOWN))

    assert index.that_hold(unread) == (0, 1)


def test_any_value_and_one_value_are_both_found() -> None:
    """A word that is said leads to rules on it and to rules on its being said."""
    index = index_of([
        Is(Word.FEATURE, None), Is(Word.FEATURE, frozenset({"x"})), Has(Group.KINDS, None),
        Has(Group.KINDS, frozenset({"email"})), Has(Group.KINDS, frozenset({"iban"})),
    ])  # fmt: skip
    seen = some_facts(feature="x", labels=some_labels(kinds=(Kind.EMAIL,)))

    assert index.that_hold(seen) == (0, 1, 2, 3)
    assert index.that_hold(some_facts()) == ()


def test_index_of_nothing_finds_nothing() -> None:
    """A config without policies costs next to nothing."""
    assert Index().that_hold(some_facts()) == ()
