"""The strategies are presets of one function; weights come from the rules, routes or workloads."""

from math import isclose

import pytest

from proxy.domain.labels import Workload
from proxy.domain.rules import Ruling, Strategy, Term, Weights
from proxy.routing.weights import DEFAULT_WEIGHTS, PRESETS, strategy_of, weights_of
from tests.builders import a_route, some_facts

QUALITY_ONLY = Weights(((Term.QUALITY, 3.0),))
COST_AND_LATENCY = Weights(((Term.LATENCY, 1.0), (Term.COST, 3.0)))


def test_default_weights_are_whole() -> None:
    """Every workload has weights, and they sum to one."""
    assert set(DEFAULT_WEIGHTS) == set(Workload)
    assert all(isclose(sum(weights), 1.0) for weights in DEFAULT_WEIGHTS.values())
    assert all(min(weights) >= 0 for weights in DEFAULT_WEIGHTS.values())


def test_every_strategy_is_a_preset() -> None:
    """Those that spread have a margin, those that keep the route's order have none."""
    assert set(PRESETS) == set(Strategy)
    in_order = {strategy for strategy, preset in PRESETS.items() if preset.margin is None}
    assert in_order == {Strategy.PRIORITY, Strategy.POLICY}


@pytest.mark.parametrize("ruled", [None, Strategy.FASTEST])
@pytest.mark.parametrize("routed", [None, Strategy.SCORE])
def test_first_who_says_a_strategy_counts(ruled: Strategy | None, routed: Strategy | None) -> None:
    """A rule, then the route, then the route's own order."""
    found = strategy_of(Ruling(strategy=ruled), a_route(strategy=routed))

    assert found is (ruled or routed or Strategy.PRIORITY)


def test_first_who_says_weights_counts() -> None:
    """A rule, then the route, then the workload's; scaled to one, in the order of the terms."""
    facts, plain = some_facts(workload=Workload.CODE), a_route()
    routed = a_route(weights=QUALITY_ONLY)
    ruling = Ruling(weights=COST_AND_LATENCY)

    assert weights_of(facts, ruling, routed, Strategy.SCORE) == (0.75, 0.25, 0, 0, 0, 0)
    assert weights_of(facts, Ruling(), routed, Strategy.SCORE) == (0, 0, 0, 1, 0, 0)
    default = weights_of(facts, Ruling(), plain, Strategy.SCORE)
    assert default == DEFAULT_WEIGHTS[Workload.CODE]


@pytest.mark.parametrize("strategy", [Strategy.CHEAPEST, Strategy.FASTEST, Strategy.WORKLOAD])
def test_preset_with_weights_keeps_them(strategy: Strategy) -> None:
    """What is called the cheapest is the cheapest, whatever weights a rule brings."""
    found = weights_of(some_facts(), Ruling(weights=QUALITY_ONLY), a_route(), strategy)

    assert found == PRESETS[strategy].weights
