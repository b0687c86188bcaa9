"""What conditions leave possible: sound, though not complete."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from proxy.config.policy_boxes import MAX_BOXES, MAX_LITERALS, boxes_of, implies
from proxy.domain.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Between,
    Condition,
    Costs,
    During,
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
from proxy.domain.policies import policies_of
from tests.policies import SCOPE_KEY, a_rule, conditions, facts


def code(*values: str) -> Is:
    """The workload is one of *values*."""
    return Is(Word.WORKLOAD, frozenset(values))


def tools(low: float | None, high: float | None) -> Between:
    """The number of tools is within bounds."""
    return Between(Number.TOOLS, low, high)


FEATURE, EMAIL = Is(Word.FEATURE, None), Has(Group.KINDS, frozenset({"email"}))
EVERY_WORKLOAD = code(
    "classification", "extraction", "summarization", "synthesis", "code", "reasoning", "tool_use",
    "policy_review", "chat", "embeddings",
)  # fmt: skip
MANY = AnyOf(tuple(tools(number, number) for number in range(MAX_BOXES + 1)))
NIGHT = During(UTC, 1320, 360, frozenset({0, 1}))


@pytest.mark.parametrize(
    "condition",
    [
        AnyOf(()),
        Not(ALWAYS),
        AllOf((code("code"), code("chat"))),
        AllOf((code("code"), Not(code("code", "chat")))),
        Not(EVERY_WORKLOAD),
        AllOf((FEATURE, Not(FEATURE))),
        AllOf((Is(Word.FEATURE, frozenset({"x"})), Not(FEATURE))),
        AllOf((tools(5, None), tools(None, 4))),
        AllOf((Costs(5, None), Costs(None, 4))),
        AllOf((EMAIL, Not(EMAIL))),
        AllOf((EMAIL, Not(Has(Group.KINDS, None)))),
        AllOf((Sent("x-a", frozenset({"eu"})), Not(Sent("x-a", frozenset({"eu", "us"}))))),
        AllOf((InScope("t", None), Not(InScope("t", None)))),
        During(UTC, 60, 60),
        AllOf((AnyOf((code("code"), code("chat"))), Not(AnyOf((code("code"), code("chat")))))),
        AllOf((Is(Word.TIER, frozenset({"free"})), Is(Word.TIER, frozenset({"pro"})))),
    ],
)
def test_what_excludes_itself_leaves_nothing(condition: Condition) -> None:
    """No request can ever fit, and that can be told from the condition alone."""
    assert boxes_of(condition) == []


@pytest.mark.parametrize(
    "condition",
    [
        ALWAYS,
        AllOf((code("code", "chat"), Not(code("chat")))),
        AllOf((Is(Word.FEATURE, frozenset({"x"})), Not(Is(Word.FEATURE, frozenset({"y"}))))),
        AllOf((Has(Group.KINDS, None), Not(EMAIL))),
        AllOf((tools(1, 4), tools(4, 9))),
        Not(tools(1, 2)),
        AllOf((NIGHT, Not(During(UTC, 0, 60)))),
        AllOf((Sent("x-a", None), Not(Sent("x-b", None)))),
    ],
)
def test_what_can_be_is_not_ruled_out(condition: Condition) -> None:
    """Odd is not impossible."""
    assert boxes_of(condition)


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        (code("code"), ALWAYS),
        (code("code"), code("code", "chat")),
        (AllOf((code("code"), FEATURE)), FEATURE),
        (Is(Word.FEATURE, frozenset({"x"})), FEATURE),
        (Is(Word.FEATURE, frozenset({"x"})), Not(Is(Word.FEATURE, frozenset({"y"})))),
        (Not(code("chat")), Not(code("chat", "chat"))),
        (code("code"), Not(code("chat"))),
        (tools(2, 3), tools(1, 4)),
        (tools(2, 3), tools(1, None)),
        (Costs(2, 3), Costs(None, 3)),
        (EMAIL, Has(Group.KINDS, frozenset({"email", "iban"}))),
        (EMAIL, Has(Group.KINDS, None)),
        (Not(Has(Group.KINDS, None)), Not(EMAIL)),
        (InScope("t", frozenset({"a"})), InScope("t", None)),
        (Sent("x-a", frozenset({"a"})), Sent("x-a", frozenset({"a", "b"}))),
        (During(UTC, 1320, 360, frozenset({0})), NIGHT),
        (AnyOf((code("code"), code("chat"))), code("code", "chat", "reasoning")),
        (Not(AnyOf((code("code"), FEATURE))), Not(FEATURE)),
        (Not(tools(1, 2)), Not(tools(1, 2))),
    ],
)
def test_the_narrower_implies_the_wider(condition: Condition, other: Condition) -> None:
    """And not the other way round, but where they are the same."""
    narrow, wide = boxes_of(condition), boxes_of(other)

    assert implies(narrow, wide)
    assert implies(wide, narrow) is (narrow == wide)


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        (ALWAYS, FEATURE),
        (ALWAYS, EVERY_WORKLOAD),  # it is so, but is not found
        (tools(1, None), tools(1, 4)),
        (FEATURE, tools(1, 4)),
        (Sent("x-a", None), Sent("x-b", None)),
        (InScope("a", None), Sent("a", None)),
        (InScope("a", None), InScope("b", None)),
        (Has(Group.KINDS, None), Has(Group.KEY_TAG, None)),
        (NIGHT, During(ZoneInfo("Europe/Berlin"), 1320, 360)),
        (MANY, ALWAYS),
        (ALWAYS, MANY),
    ],
)
def test_what_cannot_be_told_is_not_implied(condition: Condition, other: Condition) -> None:
    """Silence is better than a false alarm."""
    assert not implies(boxes_of(condition), boxes_of(other))


@pytest.mark.parametrize(
    "condition",
    [
        MANY,
        Not(AllOf(tuple(tools(n, n) for n in range(MAX_BOXES + 1)))),
        AllOf(tuple(AnyOf((tools(n, n), code("code"))) for n in range(10))),
        AllOf((FEATURE, MANY, MANY)),
        AllOf(tuple(Not(tools(n, n)) for n in range(MAX_LITERALS + 1))),
    ],
)
def test_too_many_alternatives_are_not_looked_into(condition: Condition) -> None:
    """A condition may be hostile, and nobody reads so many."""
    assert boxes_of(condition) is None


@pytest.mark.slow
@given(conditions, conditions, facts)
@settings(deadline=None)
def test_what_is_said_of_conditions_is_so(one: Condition, two: Condition, asked: Facts) -> None:
    """Whatever fits a condition fits one that it implies; nothing fits one that excludes itself."""
    first, second = policies_of([a_rule(when=one), a_rule(when=two)], scope_key=SCOPE_KEY).rules
    boxes, others = boxes_of(first.when), boxes_of(second.when)

    assert boxes != [] or not first.when.holds(asked)
    if first.when.holds(asked) and implies(boxes, others):
        assert second.when.holds(asked)
