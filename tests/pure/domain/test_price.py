"""What tokens cost: whole nano-dollars, rounded up once."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.price import DatedPrice, Price, PriceTier, cost_of, price_at
from proxy.domain.usage import Usage

PRICE = Price(
    input_nanousd=1_000_000,
    output_nanousd=10_000_000,
    cached_input_nanousd=100_000,
    cache_write_nanousd=2_000_000,
    reasoning_nanousd=20_000_000,
)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(), 0),
        (Usage(prompt_tokens=7), 7),
        (Usage(completion_tokens=3), 30),
        (Usage(prompt_tokens=100, cached_tokens=100), 10),
        (Usage(prompt_tokens=100, cached_tokens=40, cache_write_tokens=10), 50 + 4 + 20),
        (Usage(completion_tokens=10, reasoning_tokens=4), 60 + 80),
        (Usage(prompt_tokens=1, cached_tokens=1), 1),
    ],
)
def test_each_class_has_its_price(usage: Usage, cost: int) -> None:
    """Cached, written and reasoning tokens are parts of their whole, at prices of their own."""
    assert cost_of(usage, PRICE) == cost


def test_class_without_a_price_costs_what_its_parent_costs() -> None:
    """Where the config says nothing of a class, it is no cheaper and no dearer."""
    usage = Usage(100, 50, cached_tokens=30, cache_write_tokens=20, reasoning_tokens=25)

    assert cost_of(usage, Price(1_000_000, 2_000_000)) == 100 + 100


def test_price_of_nothing_is_a_price() -> None:
    """A class that costs 0 is free; that is not the same as a class without a price."""
    usage = Usage(100, 50, cached_tokens=100, reasoning_tokens=50)

    assert cost_of(usage, Price(10**9, 10**9, 0, None, 0)) == 0


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usage whose parts never exceed their whole."""
    prompt, completion = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached))
    return Usage(prompt, completion, cached, written, draw(st.integers(0, completion)))


nanousd = st.integers(0, 10**13)
prices = st.builds(
    Price, nanousd, nanousd, st.none() | nanousd, st.none() | nanousd, st.none() | nanousd
)


@given(usages(), prices)
def test_cost_is_exact_and_rounded_up_once(usage: Usage, price: Price) -> None:
    """Never less than the exact sum, and never a whole nano-dollar more."""
    per_token = [
        (usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens, price.input_nanousd),
        (usage.cached_tokens, price.cached_input_nanousd),
        (usage.cache_write_tokens, price.cache_write_nanousd),
        (usage.completion_tokens - usage.reasoning_tokens, price.output_nanousd),
        (usage.reasoning_tokens, price.reasoning_nanousd),
    ]
    parents = [price.input_nanousd] * 3 + [price.output_nanousd] * 2
    exact = sum(
        Fraction(tokens * (parent if each is None else each), 1_000_000)
        for (tokens, each), parent in zip(per_token, parents, strict=True)
    )

    cost = cost_of(usage, price)

    assert isinstance(cost, int)
    assert 0 <= cost - exact < 1


@given(usages(), usages(), prices)
def test_more_use_costs_no_less(one: Usage, other: Usage, price: Price) -> None:
    """Splitting the same use over two attempts is never cheaper by more than the rounding."""
    both = Usage(*(getattr(one, name) + getattr(other, name) for name in Usage.__slots__))

    apart = cost_of(one, price) + cost_of(other, price)

    assert apart - 1 <= cost_of(both, price) <= apart


TIERED = Price(
    1_000_000,
    2_000_000,
    tiers=(
        PriceTier(100, Price(3_000_000, 4_000_000)),
        PriceTier(200, Price(5_000_000, 6_000_000, cached_input_nanousd=0)),
    ),
)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(100, 10), 100 + 20),
        (Usage(101, 10), 303 + 40),
        (Usage(200, 10), 600 + 40),
        (Usage(201, 10), 1005 + 60),
        (Usage(201, 10, cached_tokens=200), 5 + 60),
        (Usage(0, 1000), 2000),
    ],
)
def test_long_prompt_is_charged_whole_by_the_tier_that_it_reached(usage: Usage, cost: int) -> None:
    """Beyond a bound all tokens cost what the tier says, the completion's too; at it, not yet."""
    assert cost_of(usage, TIERED) == cost


@pytest.mark.parametrize(
    ("usage", "discount", "cost"),
    [
        (Usage(100, 0), 500, 50),
        (Usage(3, 0), 500, 2),
        (Usage(1, 0), 999, 1),
        (Usage(100, 7), 0, 170),
        (Usage(100, 7), 1000, 0),
    ],
)
def test_batch_gets_its_discount_before_the_one_rounding(
    usage: Usage, discount: int, cost: int
) -> None:
    """Parts per thousand off the exact sum; a call that is no batch gets nothing off."""
    price = replace(PRICE, batch_discount_per_mille=discount)

    assert cost_of(usage, price, batch=True) == cost
    assert cost_of(usage, price) == cost_of(usage, PRICE)


def test_discount_holds_in_every_tier() -> None:
    """The discount is the price's own, whichever tier the prompt reached."""
    price = replace(TIERED, batch_discount_per_mille=500)

    assert cost_of(Usage(101, 10), price, batch=True) == (303 + 40 + 1) // 2


@given(usages(), prices, st.integers(0, 1000), st.integers(0, 10**9))
def test_cost_never_falls_where_prices_rise(
    usage: Usage, price: Price, discount: int, more: int
) -> None:
    """Raising any class, or lowering the discount, never makes a call cheaper; none is negative."""
    before = replace(price, batch_discount_per_mille=discount)
    raised = [
        replace(before, **{name: getattr(before, name) + more})
        for name in Price.__slots__
        if name.endswith("_nanousd") and getattr(before, name) is not None
    ]
    raised.append(replace(before, batch_discount_per_mille=discount // 2))

    for batch in (False, True):
        cost = cost_of(usage, before, batch=batch)
        assert cost >= 0
        assert all(cost_of(usage, after, batch=batch) >= cost for after in raised)


@given(usages(), prices, prices, st.integers(0, 10**9))
def test_tier_is_its_own_price(usage: Usage, low: Price, high: Price, bound: int) -> None:
    """A tiered call costs what an untiered one costs at the price that applies."""
    tiered = replace(low, tiers=(PriceTier(bound, high),))

    applies = high if usage.prompt_tokens > bound else low
    assert cost_of(usage, tiered) == cost_of(usage, applies)


@pytest.mark.parametrize(
    ("day", "price"), [(9, None), (10, PRICE), (19, PRICE), (20, TIERED), (10**6, TIERED)]
)
def test_price_in_force_is_the_one_that_began_last(day: int, price: Price | None) -> None:
    """A price holds from its first day until the next one begins; before all, there is none."""
    assert price_at((DatedPrice(10, PRICE), DatedPrice(20, TIERED)), day) == price
    assert price_at((), day) is None


@given(st.integers(0, 10), st.integers(0, 10))
def test_zero_means_nothing_at_all(prompt: int, completion: int) -> None:
    """Usage is zero where neither side has a token."""
    assert Usage(prompt, completion).is_zero == (prompt + completion == 0)
