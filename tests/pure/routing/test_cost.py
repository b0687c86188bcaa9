"""What a request is expected to cost, and what it can cost at most."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Capability, Endpoint
from proxy.domain.facts import Facts
from proxy.domain.labels import Workload
from proxy.domain.price import Price, PriceTier, cost_of
from proxy.domain.standing import History, Standing
from proxy.domain.usage import Usage
from proxy.routing.cost import (
    EXPECTED_COMPLETION_TOKENS,
    MIN_CACHED_BYTES,
    SHARED_BY_PREFIX,
    attempts_milli,
    completion_tokens,
    expected_cost,
    output_limit,
    overhead_tokens,
    prompts_in,
    rates_for,
    tariff_of,
    upper_bound,
    warm_share,
)
from tests.builders import a_target, some_facts
from tests.routing import amounts, any_facts, prices

LONG = MIN_CACHED_BYTES
TIERED = Price(10**9, 2 * 10**9, tiers=(PriceTier(1000, Price(3 * 10**9, 5 * 10**9)),))


def cost(price: Price, prompt: int, completion: int, cached: int = 0, attempts: int = 1000) -> int:
    """What that is expected to cost."""
    return expected_cost(rates_for(prompt, tariff_of(price, attempts)), prompt, completion, cached)


@pytest.mark.parametrize(
    ("prompt", "completion", "expected"), [(0, 0, 0), (1, 0, 1000), (1000, 10, 1_020_000)]
)
def test_cost_is_tokens_by_class(prompt: int, completion: int, expected: int) -> None:
    """At a dollar in and two out for a million, in nano-dollars."""
    assert cost(Price(10**9, 2 * 10**9), prompt, completion) == expected


def test_retries_that_a_target_needs_are_in_its_cost() -> None:
    """It is the cost of a success: rounded up once, after all."""
    assert cost(Price(10**6, 0), 1, 0, attempts=1500) == 2
    assert cost(Price(10**6, 0), 2, 0, attempts=1500) == 3


def test_cached_tokens_are_cheaper_where_they_have_a_price() -> None:
    """Without one they cost what input costs; one that is dearer saves nothing."""
    assert cost(Price(10**9, 0, cached_input_nanousd=10**8), 100, 0, 40) == 60_000 + 4_000
    assert cost(Price(10**9, 0), 100, 0, 40) == 100_000
    assert cost(Price(10**9, 0, cached_input_nanousd=10**10), 100, 0, 40) == 100_000


@pytest.mark.parametrize(("prompt", "rate"), [(1000, 10**9), (1001, 3 * 10**9)])
def test_longer_prompts_have_rates_of_their_own(prompt: int, rate: int) -> None:
    """The tier that begins below the prompt holds for all of it."""
    assert rates_for(prompt, tariff_of(TIERED, 1000)).input == rate * 1000


@given(prices(), st.integers(0, 10_000), st.integers(0, 10_000))
def test_expected_cost_is_what_such_use_would_be_charged(
    price: Price, prompt: int, completion: int
) -> None:
    """The same arithmetic as the books, to the last nano-dollar."""
    assert cost(price, prompt, completion) == cost_of(Usage(prompt, completion), price)


@pytest.mark.parametrize(
    ("endpoint", "tokens"),
    [(Endpoint.CHAT, 16 + 3 * 8 + 2 * 32), (Endpoint.COMPLETIONS, 0), (Endpoint.EMBEDDINGS, 0)],
)
def test_templates_surround_chats_only(endpoint: Endpoint, tokens: int) -> None:
    """Each message and tool brings some tokens more."""
    assert overhead_tokens(some_facts(endpoint=endpoint, message_count=3, tools=2)) == tokens


@pytest.mark.parametrize(
    ("client", "rule", "limit"), [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5)]
)
def test_lower_limit_of_two_counts(client: int | None, rule: int | None, limit: int | None) -> None:
    """The client's and the rules'."""
    assert output_limit(some_facts(max_output_tokens=client), rule) == limit


@pytest.mark.parametrize("workload", Workload)
def test_answer_is_as_long_as_its_workload_is(workload: Workload) -> None:
    """Until there is history; never longer than the limit."""
    facts = some_facts(workload=workload)
    expected = EXPECTED_COMPLETION_TOKENS[workload]

    assert completion_tokens(facts, None, None) == expected
    assert completion_tokens(facts, History(), None) == expected
    assert completion_tokens(facts, History(9, completion_tokens_p50=55), None) == 55
    assert completion_tokens(facts, None, 10) == min(expected, 10)


def test_each_of_several_answers_counts() -> None:
    """`n` of them, for each prompt of a completions request; embeddings write nothing."""
    many: dict[str, Any] = {"n": 2, "message_count": 3}

    assert completion_tokens(some_facts(**many), None, 10) == 20
    assert completion_tokens(some_facts(endpoint=Endpoint.COMPLETIONS, **many), None, 10) == 60
    assert completion_tokens(some_facts(endpoint=Endpoint.EMBEDDINGS, **many), None, 10) == 0
    assert prompts_in(some_facts(endpoint=Endpoint.COMPLETIONS, message_count=0)) == 1


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"session": "s", "turns": 4, "prompt_bytes": LONG}, 0.75),
        ({"session": "s", "turns": 0, "prompt_bytes": LONG}, 0.0),
        ({"session": "s", "turns": 4, "prompt_bytes": LONG - 1}, 0.0),
        ({"prefix": "p", "prompt_bytes": LONG}, SHARED_BY_PREFIX),
        ({"prefix": "p", "session": "s", "turns": 4, "prompt_bytes": LONG}, 0.75),
        ({"prefix": "p", "prompt_bytes": LONG, "endpoint": Endpoint.EMBEDDINGS}, 0.0),
        ({"prompt_bytes": LONG}, 0.0),
    ],
)
def test_warm_share_is_what_a_cache_would_hold(fields: dict[str, Any], share: float) -> None:
    """All turns of a session but the last, or a part of what shares a prefix, if it is long."""
    assert warm_share(some_facts(**fields)) == share


@pytest.mark.parametrize(
    ("own", "shared", "milli"),
    [
        (None, None, 1000),
        (1.25, None, 1250),
        (None, 1.5, 1500),
        (1.25, 1.5, 1250),
        (0.5, None, 1000),
        (99.0, None, 10_000),
    ],
)
def test_attempts_are_the_targets_own_where_known(
    own: float | None, shared: float | None, milli: int
) -> None:
    """Else those of the route and workload, else one; within bounds."""
    standing = Standing(attempts_per_success=own)

    assert attempts_milli(standing, History(attempts_per_success=shared)) == milli
    if shared is None:
        assert attempts_milli(standing, None) == milli


BOUNDS: dict[str, tuple[dict[str, Any], dict[str, Any], int | None, int | None]] = {
    "no price": ({"price": None}, {}, 10, None),
    "no limit, no window": ({}, {}, None, None),
    "limit": ({}, {}, 10, 124_000 + 20_000),
    "window bounds the answer": ({"context_window_tokens": 200}, {}, None, 124_000 + 400_000),
    "window bounds the prompt": ({"context_window_tokens": 50}, {}, 10, 50_000 + 20_000),
    "target's own limit": ({"max_output_tokens": 5}, {}, 10, 124_000 + 10_000),
    "images in a window": ({"context_window_tokens": 200}, {"images": 1}, 10, 220_000),
    "images without one": ({}, {"images": 1}, 10, None),
    "sound": ({}, {"needs": frozenset({Capability.AUDIO})}, 10, None),
    "two answers": ({}, {"n": 2}, 10, 124_000 + 40_000),
    "embeddings": (
        {"embedding_space": "s", "context_window_tokens": 5},
        {"endpoint": Endpoint.EMBEDDINGS},
        None,
        100_000,
    ),
    "prompts": (
        {"context_window_tokens": 40},
        {"endpoint": Endpoint.COMPLETIONS, "message_count": 2},
        10,
        80_000 + 40_000,
    ),
    "dearest input": ({"price": Price(1, 0, 10**9, 2 * 10**9)}, {}, 10, 248_000),
    "dearest output": ({"price": Price(0, 1, None, None, 10**9)}, {}, 10, 10_000),
    "tier out of reach": ({"price": TIERED}, {}, 10, 144_000),
    "tier in reach": ({"price": TIERED}, {"prompt_bytes": 1000}, 10, 1024 * 3000 + 50_000),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bound_takes_the_most_that_can_be(case: str) -> None:
    """Text by its bytes, answers by the lowest limit, at the dearest class that can apply."""
    target, facts, limit, bound = BOUNDS[case]

    assert upper_bound(a_target(**target), some_facts(**facts), limit) == bound


@settings(deadline=None)
@given(prices(), any_facts(), st.integers(1, 5000), st.data())
def test_no_use_within_the_limits_costs_more_than_the_bound(
    price: Price, facts: Facts, limit: int, data: st.DataObject
) -> None:
    """Any split of the prompt's tokens over classes and any answers within the limit."""
    target = a_target(price=price, embedding_space=None)
    text = replace(facts, images=0, needs=frozenset(), endpoint=Endpoint.CHAT)
    bound = upper_bound(target, text, limit)
    prompt = data.draw(st.integers(0, text.prompt_bytes + overhead_tokens(text)))
    cached = data.draw(st.integers(0, prompt))
    completion = data.draw(st.integers(0, limit * text.n))
    reasoning = data.draw(st.integers(0, completion))

    usage = Usage(prompt, completion, cached, prompt - cached, reasoning)

    assert bound is not None
    assert cost_of(usage, price) <= bound


@given(amounts, amounts, st.integers(0, 10**6))
def test_raising_a_price_never_lowers_the_bound(one: int, two: int, more: int) -> None:
    """Nor the expected cost."""
    low, high = Price(one, two), Price(one + more, two + more)
    facts = some_facts()

    assert cost(low, 100, 50) <= cost(high, 100, 50)
    assert (upper_bound(a_target(price=low), facts, 9) or 0) <= (
        upper_bound(a_target(price=high), facts, 9) or 0
    )
