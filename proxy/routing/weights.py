"""Step 4: the strategies, each a preset of the one scoring function, and how terms count. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.domain.catalog import Route
from proxy.domain.facts import Facts
from proxy.domain.labels import Workload
from proxy.domain.rules import Ruling, Strategy, Term, Weights

Vector = tuple[float, float, float, float, float, float]
"""Weights in the order of `rules.Term`; they sum to 1."""

DEFAULT_WEIGHTS: Final[Mapping[Workload, Vector]] = {
    # cost, latency, reliability, quality, headroom, affinity
    Workload.CLASSIFICATION: (0.40, 0.20, 0.20, 0.10, 0.05, 0.05),
    Workload.EXTRACTION: (0.30, 0.15, 0.20, 0.25, 0.05, 0.05),
    Workload.SUMMARIZATION: (0.30, 0.15, 0.20, 0.20, 0.05, 0.10),
    Workload.SYNTHESIS: (0.20, 0.10, 0.20, 0.35, 0.05, 0.10),
    Workload.CODE: (0.15, 0.10, 0.20, 0.40, 0.05, 0.10),
    Workload.REASONING: (0.10, 0.05, 0.20, 0.55, 0.05, 0.05),
    Workload.TOOL_USE: (0.15, 0.15, 0.25, 0.30, 0.05, 0.10),
    Workload.POLICY_REVIEW: (0.10, 0.05, 0.25, 0.50, 0.05, 0.05),
    Workload.CHAT: (0.20, 0.30, 0.20, 0.15, 0.05, 0.10),
    Workload.EMBEDDINGS: (0.45, 0.20, 0.25, 0.00, 0.10, 0.00),
}


class Preset(NamedTuple):
    """A strategy as a preset of the one scoring function.

    `weights` None: those of the rules, the route or the workload. `margin` is how far below the
    best score a candidate still counts as near-equal; None: the route's own order stands, and
    the score is only shown.
    """

    weights: Vector | None
    margin: float | None


PRESETS: Final[Mapping[Strategy, Preset]] = {
    Strategy.PRIORITY: Preset(None, None),
    Strategy.POLICY: Preset(None, None),
    Strategy.WORKLOAD: Preset((0.25, 0.0, 0.0, 0.75, 0.0, 0.0), 0.02),
    Strategy.CHEAPEST: Preset((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.005),
    Strategy.FASTEST: Preset((0.0, 1.0, 0.0, 0.0, 0.0, 0.0), 0.05),
    Strategy.SCORE: Preset(None, 0.03),
}


def strategy_of(ruling: Ruling, route: Route) -> Strategy:
    """The first rule's, else the route's, else its own order."""
    return ruling.strategy or route.strategy or Strategy.PRIORITY


def weights_of(facts: Facts, ruling: Ruling, route: Route, strategy: Strategy) -> Vector:
    """The strategy's own weights, else the first rule's, the route's, the workload's."""
    preset = PRESETS[strategy].weights
    if preset is not None:
        return preset
    said = ruling.weights or route.weights
    return DEFAULT_WEIGHTS[facts.labels.workload.value] if said is None else _vector(said)


@lru_cache(maxsize=1024)
def _vector(weights: Weights) -> Vector:
    said = dict(weights.of)
    total = sum(said.values())
    cost, latency, reliability, quality, headroom, affinity = (
        said.get(term, 0.0) / total for term in Term
    )
    return cost, latency, reliability, quality, headroom, affinity
