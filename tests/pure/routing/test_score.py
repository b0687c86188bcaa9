"""Named terms in 0..1, and their weighted sum."""

from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Endpoint, Target
from proxy.domain.decision import Candidate
from proxy.domain.facts import Facts
from proxy.domain.labels import LatencyClass
from proxy.domain.price import Price
from proxy.domain.rules import Ruling, Strategy
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Standing
from proxy.routing.prospects import NEUTRAL, board_for
from proxy.routing.score import (
    BATCH_PATIENCE,
    FIRST_TOKEN_SCALE_MS,
    REFERENCE_INPUT_NANOUSD,
    REFERENCE_OUTPUT_NANOUSD,
    TOTAL_SCALE_MS,
    Ask,
    ask_of,
    latency_bound,
    warm_cost,
    weigh,
)
from proxy.routing.weights import weights_of
from tests.builders import a_route, a_snapshot, a_standing, a_target, some_facts, some_labels
from tests.routing import any_facts, rulings, worlds

REFERENCE = Price(REFERENCE_INPUT_NANOUSD, REFERENCE_OUTPUT_NANOUSD)


def an_ask(ruling: Ruling | None = None, **fields: Any) -> Ask:
    """What weighing reads of a request with *fields*."""
    facts, ruling = some_facts(**fields), ruling or Ruling()
    return ask_of(facts, ruling, None, weights_of(facts, ruling, a_route(), Strategy.SCORE))


def weighed(target: Target, standing: Standing | None = None, **fields: Any) -> Candidate:
    """*target* as a candidate."""
    route = a_route(target)
    snapshot = a_snapshot(route, standings={target.id: standing or Standing()})
    ask = an_ask(**fields)
    board = board_for(route, some_facts(**fields), ask.weights, snapshot)
    (candidate,) = weigh(board.standing, ask, throttled=False)
    return candidate


@pytest.mark.parametrize(
    ("factor", "term"), [(0.0, 1.0), (0.01, 10 / 11), (1.0, 0.5), (100.0, 1 / 11)]
)
def test_cost_term_is_one_half_at_the_reference_price(factor: float, term: float) -> None:
    """Whatever the size of the request; a hundredfold price moves it by the same on either side."""
    price = Price(round(REFERENCE_INPUT_NANOUSD * factor), round(REFERENCE_OUTPUT_NANOUSD * factor))
    for size in (1000, 1_000_000):
        found = weighed(a_target(price=price), prompt_bytes=size)
        assert found.terms.cost == pytest.approx(term, abs=1e-3)


def test_target_without_a_price_is_not_cheap() -> None:
    """What cannot be shown to be cheap has no cost term, and no cost."""
    found = weighed(a_target(price=None), session="s", turns=3, prompt_bytes=10_000)

    assert (found.cost_nanousd, found.terms.cost, found.terms.affinity) == (None, 0.0, 0.0)


def test_retries_are_in_the_cost() -> None:
    """What needs two attempts costs twice as much."""
    once = weighed(a_target())
    twice = weighed(a_target(), a_standing(attempts_per_success=2.0))

    assert once.cost_nanousd is not None
    assert twice.cost_nanousd == 2 * once.cost_nanousd
    assert twice.terms.cost < once.terms.cost


@pytest.mark.parametrize(
    ("first_ms", "speed", "stream", "wait_ms"),
    [
        (400.0, 100.0, True, 400.0),
        (400.0, 100.0, False, 3400.0),
        (400.0, None, True, 400.0),
        (400.0, None, False, None),
        (None, 100.0, True, None),
        (None, 100.0, False, None),
    ],
)
def test_latency_is_of_what_the_client_waits_for(
    first_ms: float | None, speed: float | None, stream: bool, wait_ms: float | None
) -> None:
    """A stream's first token, or the whole of a plain answer; unknown is neutral."""
    standing = a_standing(first_token_p50_ms=first_ms, tokens_per_s=speed)
    scale = FIRST_TOKEN_SCALE_MS if stream else TOTAL_SCALE_MS

    found = weighed(a_target(), standing, stream=stream)

    expected = NEUTRAL if wait_ms is None else scale / (scale + wait_ms)
    assert found.terms.latency == pytest.approx(expected)
    assert found.first_token_ms == first_ms
    if not stream:
        assert found.total_ms == wait_ms


def test_answer_without_tokens_is_there_with_its_first() -> None:
    """Embeddings: their speed need not be known."""
    target = a_target(embedding_space="s")
    standing = a_standing(tokens_per_s=None)

    assert weighed(target, standing, endpoint=Endpoint.EMBEDDINGS).total_ms == 400.0


def test_bound_is_the_scale_of_latency() -> None:
    """Against a named bound a wait of that length is one half."""
    standing = a_standing(first_token_p50_ms=700.0)

    assert weighed(a_target(), standing, stream=True, max_latency_ms=700).terms.latency == 0.5


def test_batch_is_patient() -> None:
    """What nobody waits for may take longer for the same term."""
    batch = some_labels(latency_class=LatencyClass.BATCH)

    assert an_ask(labels=batch).latency_scale_ms == BATCH_PATIENCE * TOTAL_SCALE_MS
    assert an_ask(labels=batch, max_latency_ms=5).latency_scale_ms == 5


@pytest.mark.parametrize(
    ("caller", "rule", "bound"), [(None, None, None), (5, None, 5), (None, 7, 7), (9, 7, 7)]
)
def test_lower_bound_counts(caller: int | None, rule: int | None, bound: int | None) -> None:
    """The caller's or the rules'."""
    assert latency_bound(some_facts(max_latency_ms=caller), Ruling(max_latency_ms=rule)) == bound


def test_affinity_is_the_money_that_a_warm_cache_saves() -> None:
    """As a share of the cost; nothing without session or prefix, or where cached is no cheaper."""
    price = Price(10**9, 0, cached_input_nanousd=10**8)
    asked: dict[str, Any] = {"prompt_bytes": 40_000, "turns": 5}

    stays = weighed(a_target(price=price), session="s", **asked)

    assert stays.terms.affinity == pytest.approx(0.8 * 0.9, abs=1e-3)
    assert weighed(a_target(price=price), prefix="p", **asked).terms.affinity == pytest.approx(
        0.5 * 0.9, abs=1e-3
    )
    assert weighed(a_target(price=price), **asked).terms.affinity == 0
    assert weighed(a_target(price=Price(10**9, 0)), session="s", **asked).terms.affinity == 0
    assert weighed(a_target(price=Price(0, 0)), session="s", **asked).terms.affinity == 0


def test_warm_cost_is_the_cost_less_the_saving() -> None:
    """To within a rounding of what the affinity term says; None without a price."""
    price = Price(10**9, 10**9, cached_input_nanousd=10**8)
    for target in (a_target(price=price), a_target(price=None)):
        ask = an_ask(session="s", prompt_bytes=40_000, turns=5)
        route = a_route(target)
        board = board_for(route, some_facts(), ask.weights, a_snapshot(route))
        (found,) = weigh(board.standing, ask, throttled=False)

        warm = warm_cost(board.standing[0], ask, found.prompt_tokens)

        if found.cost_nanousd is None:
            assert warm is None
        else:
            saved = found.cost_nanousd * found.terms.affinity
            assert warm == pytest.approx(found.cost_nanousd - saved, abs=1)


def test_tokens_are_estimated_by_the_targets_ratio() -> None:
    """The calibrated one, or four bytes; what templates add comes on top; rounded up."""
    assert weighed(a_target(), prompt_bytes=401).prompt_tokens == 101 + 24
    calibrated = a_standing(bytes_per_token=2.0)
    assert weighed(a_target(), calibrated, prompt_bytes=401).prompt_tokens == 201 + 24


def test_cap_of_a_rule_shortens_the_expected_answer() -> None:
    """The ask knows the lower limit."""
    capped = an_ask(Ruling(max_output_tokens=10), max_output_tokens=50)

    assert (capped.output_limit, capped.completion_tokens) == (10, 10)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(worlds(), any_facts(), rulings(), st.booleans())
def test_terms_and_scores_stay_in_range(
    world: Snapshot, facts: Facts, ruling: Ruling, throttled: bool
) -> None:
    """Finite, from 0 to 1, and the score is the weighted sum of the terms."""
    route = world.routes["auto"]
    ask = ask_of(facts, ruling, None, weights_of(facts, ruling, route, Strategy.SCORE))
    board = board_for(route, facts, ask.weights, world)

    for found in weigh(board.prospects, ask, throttled=throttled):
        assert all(isfinite(term) and 0 <= term <= 1 for term in found.terms)
        weighted = sum(w * term for w, term in zip(ask.weights, found.terms, strict=True))
        assert found.score == pytest.approx(weighted)
        assert -1e-9 <= found.score <= 1 + 1e-9
        assert found.cost_nanousd is None or found.cost_nanousd >= 0
        assert (found.prompt_tokens, found.completion_tokens) >= (0, 0)
        assert found.throttled is throttled
