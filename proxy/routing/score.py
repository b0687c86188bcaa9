"""Step 4: what a candidate's figures come to: named terms in 0..1 and their weighted sum. Pure.

Rules of the file: a term looks at its own target and the request, never at the other candidates,
so that adding or losing one moves no other; and no term leaves [0, 1], whatever the figures.
docs/routing.md has the formulas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from proxy.domain.decision import Candidate, Terms
from proxy.domain.facts import Facts
from proxy.domain.labels import LatencyClass
from proxy.domain.rules import Ruling
from proxy.domain.standing import History
from proxy.domain.usage import BYTES_PER_TOKEN
from proxy.routing.cost import (
    RATED_TOKENS,
    completion_tokens,
    expected_cost,
    output_limit,
    overhead_tokens,
    rates_for,
    warm_share,
)
from proxy.routing.prospects import NEUTRAL, Prospect
from proxy.routing.weights import Vector
from proxy.units import TOKENS_PER_PRICE, NanoUsd

REFERENCE_INPUT_NANOUSD: Final = 1_000_000_000
REFERENCE_OUTPUT_NANOUSD: Final = 4_000_000_000
"""The price for a million tokens at which the cost term is one half: 1 USD in, 4 USD out."""

FIRST_TOKEN_SCALE_MS: Final = 1_000.0
TOTAL_SCALE_MS: Final = 8_000.0
"""The waits at which the latency term is one half, where no bound was named."""

BATCH_PATIENCE: Final = 30.0
"""How many times as long a batch may wait for the same term."""


@dataclass(slots=True)
class Ask:
    """What weighing reads of a request, worked out once for all its targets; changed by nobody.

    `warm` is the share of the prompt that a warm cache would hold. `reference_nanousd` is what
    the request would cost at the reference price. `latency_scale_ms` is the wait at which the
    latency term is one half.
    """

    prompt_bytes: int
    overhead_tokens: int
    completion_tokens: int
    output_limit: int | None
    stream: bool
    warm: float
    max_latency_ms: int | None
    reference_nanousd: float
    latency_scale_ms: float
    weights: Vector


def ask_of(facts: Facts, ruling: Ruling, history: History | None, weights: Vector) -> Ask:
    """What weighing reads of a request with *facts*."""
    limit = output_limit(facts, ruling.max_output_tokens)
    completion = completion_tokens(facts, history, limit)
    overhead = overhead_tokens(facts)
    prompt = facts.prompt_bytes / BYTES_PER_TOKEN + overhead
    reference = prompt * REFERENCE_INPUT_NANOUSD + completion * REFERENCE_OUTPUT_NANOUSD
    bound = latency_bound(facts, ruling)
    return Ask(
        facts.prompt_bytes,
        overhead,
        completion,
        limit,
        facts.stream,
        warm_share(facts) if facts.session is not None or facts.prefix is not None else 0.0,
        bound,
        max(reference / TOKENS_PER_PRICE, 1.0),
        _latency_scale(facts, bound),
        weights,
    )


def latency_bound(facts: Facts, ruling: Ruling) -> int | None:
    """The caller's bound or the rules', whichever is lower, in milliseconds."""
    if facts.max_latency_ms is None or ruling.max_latency_ms is None:
        return ruling.max_latency_ms if facts.max_latency_ms is None else facts.max_latency_ms
    return min(facts.max_latency_ms, ruling.max_latency_ms)


def _latency_scale(facts: Facts, bound: int | None) -> float:
    if bound is not None:
        return max(float(bound), 1.0)
    scale = FIRST_TOKEN_SCALE_MS if facts.stream else TOTAL_SCALE_MS
    batch = facts.labels.latency_class.value is LatencyClass.BATCH
    return scale * BATCH_PATIENCE if batch else scale


def weigh(prospects: Sequence[Prospect], ask: Ask, *, throttled: bool) -> list[Candidate]:
    """*prospects* as candidates for *ask*, in their order.

    One loop over all of them, with everything that is the same for each in a local name, and
    tuples made without their constructors: with a hundred targets it is what a decision costs.
    """
    candidates: list[Candidate] = []
    new, bytes_, overhead = tuple.__new__, -ask.prompt_bytes, ask.overhead_tokens
    completion, stream, warm = ask.completion_tokens, ask.stream, ask.warm
    reference, scale = ask.reference_nanousd, ask.latency_scale_ms
    of_cost, of_latency, of_affinity = ask.weights[0], ask.weights[1], ask.weights[5]
    for prospect in prospects:
        prompt = overhead - int(bytes_ // prospect.bytes_per_token)
        cost: int | None = None
        cost_term = affinity = 0.0  # what has no price cannot be shown to be cheap
        tariff = prospect.tariff
        if tariff is not None:
            rates = rates_for(prompt, tariff) if tariff.longer else tariff.rates
            total = prompt * rates.input + completion * rates.output
            cost = (total + RATED_TOKENS - 1) // RATED_TOKENS
            cost_term = 1.0 / (1.0 + sqrt(cost / reference))
            if warm and total:
                affinity = int(prompt * warm) * rates.saved / total
        total_ms = first_ms = prospect.first_token_ms
        if first_ms is not None and completion:
            speed = prospect.ms_per_token
            total_ms = None if speed is None else first_ms + completion * speed
        wait_ms = first_ms if stream else total_ms
        latency = NEUTRAL if wait_ms is None else scale / (scale + wait_ms)
        score = (
            of_cost * cost_term + of_latency * latency + of_affinity * affinity + prospect.settled
        )
        terms = (
            cost_term, latency, prospect.reliability, prospect.quality, prospect.headroom, affinity
        )  # fmt: skip
        figures = (
            prospect.target, score, new(Terms, terms), cost, first_ms, total_ms, prompt, completion,
            throttled,
        )  # fmt: skip
        candidates.append(new(Candidate, figures))
    return candidates


def warm_cost(prospect: Prospect, ask: Ask, prompt: int) -> NanoUsd | None:
    """What the request is expected to cost where its prompt cache is warm."""
    if prospect.tariff is None:
        return None
    rates = rates_for(prompt, prospect.tariff)
    return expected_cost(rates, prompt, ask.completion_tokens, int(prompt * ask.warm))
