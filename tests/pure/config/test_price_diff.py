"""What a price list may change: by itself, after a look, or never."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import DAY, USD, a_catalogue, a_model, any_prices

from proxy.config.catalogue import Catalogue, Model
from proxy.config.price_diff import Revision, Step, Terms, revise
from proxy.config.price_feed import Feed, Refused
from proxy.config.price_spec import Mode
from proxy.domain.catalog import Capability
from proxy.domain.price import DatedPrice, Price, PriceTier

TERMS = Terms(DAY, "2026-11-26T04:10:00Z", 50)


def revised(
    current: Catalogue, *models: Model, refused: tuple[Refused, ...] = (), terms: Terms = TERMS
) -> Revision:
    """What becomes of *current* by a feed of *models*."""
    return revise(current, Feed("a feed", {model.id: model for model in models}, refused), terms)


def steps(old: Price, new: Price) -> list[tuple[str, int | None, int, bool]]:
    """What differs where a model at *old* is offered at *new*."""
    revision = revised(a_catalogue(a_model("one/a", old)), a_model("one/a", new))
    return [
        (step.what, step.old, step.new, step.jumps)
        for change in (*revision.taken, *revision.held)
        for step in change.steps
    ]


def test_same_prices_change_nothing() -> None:
    """Then there is nothing to write."""
    current = a_catalogue(a_model("one/a"), a_model("one/b"))

    revision = revised(current, a_model("one/a"))

    assert revision.catalogue.models == current.models
    assert (revision.taken, revision.held) == ((), ())
    assert (revision.unchanged, revision.missing) == (1, 1)
    assert (revision.catalogue.as_of, revision.catalogue.source) == (TERMS.as_of, "a feed")


def test_new_price_holds_from_today_on() -> None:
    """It is dated; what had been announced for later stays announced, what is past goes."""
    later = DatedPrice(DAY + 1, Price(9, 9))
    known = a_model(
        "one/a", prices=(DatedPrice(0, Price(USD, USD)), DatedPrice(DAY, Price(100, 100)), later)
    )
    new = Price(110, 100)

    revision = revised(a_catalogue(known), a_model("one/a", new))

    assert revision.catalogue.models["one/a"].prices == (DatedPrice(DAY, new), later)
    assert revision.changed_ids == {"one/a"}
    assert revision.taken[0].steps == (Step("input", 100, 110, False),)


@pytest.mark.parametrize(
    ("old", "new", "jumps"),
    [
        (100, 150, False),
        (100, 151, True),
        (100, 50, False),
        (100, 49, True),
        (100, 0, True),
        (0, 1, True),
    ],
)
def test_move_beyond_the_threshold_is_a_jump(old: int, new: int, jumps: bool) -> None:
    """Up or down, exactly; from nothing to something always is one."""
    assert steps(Price(old, 7), Price(new, 7)) == [("input", old, new, jumps)]


def test_jump_holds_the_whole_model_back() -> None:
    """Not a class of it is taken before somebody has looked, nor its window."""
    known = a_model("one/a", Price(100, 100))
    offered = a_model("one/a", Price(101, 1000), context_window_tokens=5)
    current = a_catalogue(known, a_model("one/b", Price(100, 100)))

    revision = revised(current, offered, a_model("one/b", Price(120, 100)))

    assert revision.catalogue.models["one/a"] == known
    assert [change.model.id for change in revision.held] == ["one/a"]
    assert [change.model.id for change in revision.taken] == ["one/b"]
    assert revision.changed_ids == {"one/b"}


def test_jumps_may_be_accepted() -> None:
    """By whoever has looked."""
    terms = replace(TERMS, accept_jumps=True)

    revision = revised(
        a_catalogue(a_model("one/a", Price(100, 100))),
        a_model("one/a", Price(1000, 100)),
        a_model("one/new", Price(0, 0)),
        terms=terms,
    )

    assert revision.held == ()
    assert {change.model.id for change in revision.taken} == {"one/a", "one/new"}


def test_new_model_is_taken_unless_it_costs_nothing() -> None:
    """A price of nothing is more often a gap in a feed than a gift."""
    current = a_catalogue(a_model("one/a"))

    revision = revised(current, a_model("one/b", Price(5, 6)), a_model("one/c", Price(0, 0)))

    assert set(revision.catalogue.models) == {"one/a", "one/b"}
    assert revision.catalogue.models["one/b"].prices == (DatedPrice(DAY, Price(5, 6)),)
    assert revision.taken[0].is_new
    assert revision.taken[0].steps == (
        Step("input", None, 5, False),
        Step("output", None, 6, False),
    )
    assert revision.held[0].model.id == "one/c"


def test_kinds_of_providers_that_nobody_asked_for_stay_out() -> None:
    """The catalogue grows by what it knows the kind of, or by what is named; so do complaints."""
    current = a_catalogue(a_model("one/a"))
    refused = (Refused("one/x", "is negative"), Refused("two/x", "is negative"))

    plain = revised(current, a_model("two/b"), refused=refused)
    named = revised(
        current, a_model("two/b"), refused=refused, terms=replace(TERMS, kinds=frozenset({"two"}))
    )

    assert set(plain.catalogue.models) == {"one/a"}
    assert plain.refused == refused[:1]
    assert set(named.catalogue.models) == {"one/a", "two/b"}
    assert named.refused == refused


def test_override_is_left_alone() -> None:
    """An operator's word counts more than any feed, jumps accepted or not."""
    mine = a_model("one/a", Price(7, 7), override=True)

    revision = revised(
        a_catalogue(mine), a_model("one/a", Price(1000, 1)), terms=replace(TERMS, accept_jumps=True)
    )

    assert revision.catalogue.models == {"one/a": mine}
    assert (revision.overrides, revision.taken, revision.unchanged) == (1, (), 0)


def test_model_with_a_price_to_come_gets_one_for_now() -> None:
    """Without a price in force anything is better known than nothing."""
    later = DatedPrice(DAY + 5, Price(9, 9))
    known = a_model("one/a", prices=(later,))

    revision = revised(a_catalogue(known), a_model("one/a", Price(1000, 1)))

    assert revision.catalogue.models["one/a"].prices == (DatedPrice(DAY, Price(1000, 1)), later)
    assert not revision.taken[0].is_new


def test_class_that_follows_its_parent_is_not_shown_twice() -> None:
    """What no side prices apart moves with its parent; else what would be charged is compared."""
    assert steps(Price(100, 100), Price(120, 100)) == [("input", 100, 120, False)]
    assert steps(Price(100, 100), Price(100, 100, 100)) == []
    assert steps(Price(100, 100), Price(100, 100, 20)) == [("cached_input", 100, 20, True)]
    assert steps(Price(100, 100, None, 125), Price(100, 100)) == [("cache_write", 125, 100, False)]
    assert steps(Price(100, 100), Price(100, 100, None, None, 110)) == [
        ("reasoning", 100, 110, False)
    ]


def test_tiers_are_compared_bound_by_bound() -> None:
    """A tier that comes, goes or moves is a price that differs there."""
    plain = Price(100, 100)
    tiered = replace(plain, tiers=(PriceTier(10, Price(120, 100)),))
    moved = replace(plain, tiers=(PriceTier(20, Price(120, 100)),))

    assert steps(plain, tiered) == [("input above 10", 100, 120, False)]
    assert steps(tiered, plain) == [("input above 10", 120, 100, False)]
    assert steps(tiered, moved) == [("input above 10", 120, 100, False)]


def test_discount_is_shown_and_no_jump() -> None:
    """It bears on batches only."""
    old, new = Price(100, 100), Price(100, 100, batch_discount_per_mille=500)

    assert steps(old, new) == [("batch_discount", 0, 500, False)]


def test_limits_and_abilities_follow_the_feed_where_it_states_them() -> None:
    """What a feed does not say is kept; the price, unchanged, keeps its date."""
    tools = frozenset({Capability.TOOLS})
    known = a_model("one/a", context_window_tokens=5, max_output_tokens=6, capabilities=tools)
    current = a_catalogue(known)

    silent = revised(current, a_model("one/a"))
    other = revised(
        current,
        a_model("one/a", context_window_tokens=7, capabilities=frozenset(), mode=Mode.EMBEDDING),
    )

    assert silent.taken == ()
    assert other.catalogue.models["one/a"] == replace(
        known, context_window_tokens=7, capabilities=frozenset(), mode=Mode.EMBEDDING
    )
    assert other.taken[0].steps == ()


@pytest.mark.parametrize(
    ("old", "new", "tenths"),
    [(100, 150, 500), (100, 50, -500), (3, 4, 333), (3, 2, -333), (0, 5, None), (None, 5, None)],
)
def test_percent_is_told_in_tenths(old: int | None, new: int, tenths: int | None) -> None:
    """Cut towards nothing; none from nothing."""
    assert Step("input", old, new, False).percent_tenths == tenths


@given(any_prices(), any_prices(), st.integers(1, 1000))
@settings(max_examples=50)
def test_taking_it_twice_changes_nothing_more(old: Price, new: Price, percent: int) -> None:
    """What was taken is what was offered, and the second time there is nothing left to do."""
    terms = replace(TERMS, jump_percent=percent, accept_jumps=True)
    offered = a_model("one/a", new)

    once = revised(a_catalogue(a_model("one/a", old)), offered, terms=terms)
    twice = revised(once.catalogue, offered, terms=terms)

    assert twice.taken == twice.held == ()
    assert twice.catalogue.models == once.catalogue.models


@given(any_prices(), any_prices(), st.integers(1, 1000))
@settings(max_examples=50)
def test_nothing_that_jumps_is_taken_unasked(old: Price, new: Price, percent: int) -> None:
    """No class that is taken moved by more than the threshold."""
    revision = revised(
        a_catalogue(a_model("one/a", old)),
        a_model("one/a", new),
        terms=replace(TERMS, jump_percent=percent),
    )

    for change in revision.taken:
        for step in change.steps:
            if step.what != "batch_discount":
                assert step.old is not None
                assert abs(step.new - step.old) * 100 <= percent * step.old
