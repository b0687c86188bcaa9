"""Step 4: what a request is expected to cost at a target, and what it can cost at most. Pure.

Rules of the file: whole nano-dollars; rounded up once, at the end; a dearer price never makes
anything here cheaper.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from proxy.domain.catalog import Capability, Endpoint, Target
from proxy.domain.facts import Facts
from proxy.domain.labels import Workload
from proxy.domain.price import Price
from proxy.domain.standing import History, Standing
from proxy.units import TOKENS_PER_PRICE, NanoUsd

OVERHEAD_TOKENS: Final = 16
OVERHEAD_TOKENS_PER_MESSAGE: Final = 8
OVERHEAD_TOKENS_PER_TOOL: Final = 32
"""What chat templates put around the text, at most; the providers' own come to 3 to 7 a message
and about 10 a tool.
"""

MIN_CACHED_BYTES: Final = 4096
"""Prompt caches keep nothing shorter: 1,024 tokens at the vendors that have one."""

SHARED_BY_PREFIX: Final = 0.5
"""How much of a prompt a shared prefix is taken for, where only its existence is known."""

MAX_ATTEMPTS_PER_SUCCESS: Final = 10.0
"""A target that needs more is judged by its reliability, not by its price."""

EXPECTED_COMPLETION_TOKENS: Final[Mapping[Workload, int]] = {
    Workload.CLASSIFICATION: 20,
    Workload.EXTRACTION: 200,
    Workload.SUMMARIZATION: 300,
    Workload.SYNTHESIS: 800,
    Workload.CODE: 800,
    Workload.REASONING: 1500,
    Workload.TOOL_USE: 150,
    Workload.POLICY_REVIEW: 400,
    Workload.CHAT: 300,
    Workload.EMBEDDINGS: 0,
}
"""How long an answer is taken to be before a route has a history of its own."""

_MILLI: Final = 1000

RATED_TOKENS: Final = TOKENS_PER_PRICE * _MILLI
"""Rates are for so many tokens: a price's million, in thousandths of an attempt."""

_NOT_TEXT: Final = frozenset({Capability.VISION, Capability.AUDIO})


class Rates(NamedTuple):
    """What tokens cost a success: nano-dollars for RATED_TOKENS of them, its retries included.

    `saved` is what a cached input token costs less than a plain one.
    """

    input: int
    output: int
    saved: int


class Tariff(NamedTuple):
    """The rates of a target, and those of longer prompts: (above how many tokens, rates), the
    longest first.
    """

    rates: Rates
    longer: tuple[tuple[int, Rates], ...]


def tariff_of(price: Price, attempts: int) -> Tariff:
    """*price* with *attempts* a success, in thousandths."""
    longer = tuple(
        (tier.above_tokens, _rates(tier.price, attempts)) for tier in reversed(price.tiers)
    )
    return Tariff(_rates(price, attempts), longer)


def _rates(price: Price, attempts: int) -> Rates:
    saved = 0
    if price.cached_input_nanousd is not None:
        saved = max(price.input_nanousd - price.cached_input_nanousd, 0)
    return Rates(price.input_nanousd * attempts, price.output_nanousd * attempts, saved * attempts)


def rates_for(prompt_tokens: int, tariff: Tariff) -> Rates:
    """The rates of *tariff* for a prompt of that length."""
    for above_tokens, rates in tariff.longer:
        if prompt_tokens > above_tokens:
            return rates
    return tariff.rates


def overhead_tokens(facts: Facts) -> int:
    """The tokens that are put around the text of a request."""
    if facts.endpoint is not Endpoint.CHAT:
        return 0
    return (
        OVERHEAD_TOKENS
        + OVERHEAD_TOKENS_PER_MESSAGE * facts.message_count
        + OVERHEAD_TOKENS_PER_TOOL * facts.tools
    )


def output_limit(facts: Facts, capped: int | None) -> int | None:
    """The most tokens that one answer may have: the client's limit or the rules', whichever is
    lower; None where neither has one.
    """
    if facts.max_output_tokens is None or capped is None:
        return facts.max_output_tokens if capped is None else capped
    return min(facts.max_output_tokens, capped)


def completion_tokens(facts: Facts, history: History | None, limit: int | None) -> int:
    """How long the answer is expected to be, all *n* of them together."""
    if facts.endpoint is Endpoint.EMBEDDINGS:
        return 0
    known = history.completion_tokens_p50 if history is not None else None
    expected = EXPECTED_COMPLETION_TOKENS[facts.labels.workload.value] if known is None else known
    return all_answers(expected, facts, limit)


def all_answers(each_tokens: int, facts: Facts, limit: int | None) -> int:
    """The tokens of all answers to the request, where each has so many or as its *limit* allows."""
    each = each_tokens if limit is None else min(each_tokens, limit)
    return each * facts.n * prompts_in(facts)


def warm_share(facts: Facts) -> float:
    """How much of the prompt a warm cache would hold: all turns of a session but the last one,
    or a part of what shares a prefix; nothing where there is too little to keep.
    """
    if facts.prompt_bytes < MIN_CACHED_BYTES or facts.endpoint is Endpoint.EMBEDDINGS:
        return 0.0
    turns = 1.0 - 1.0 / max(facts.turns, 1) if facts.session is not None else 0.0
    return max(turns, SHARED_BY_PREFIX) if facts.prefix is not None else turns


def attempts_milli(standing: Standing, history: History | None) -> int:
    """Attempts for each success, in thousandths: the target's own figure, else that of the route
    and workload, else one.
    """
    attempts = standing.attempts_per_success
    if attempts is None and history is not None:
        attempts = history.attempts_per_success
    if attempts is None:
        return _MILLI
    return round(min(max(attempts, 1.0), MAX_ATTEMPTS_PER_SUCCESS) * _MILLI)


def expected_cost(rates: Rates, prompt: int, completion: int, cached: int) -> NanoUsd:
    """What a success is expected to cost, *cached* of the *prompt* tokens being in a warm cache."""
    total = prompt * rates.input + completion * rates.output - cached * rates.saved
    return NanoUsd(-(-total // RATED_TOKENS))


def upper_bound(target: Target, facts: Facts, limit: int | None) -> NanoUsd | None:
    """What one attempt at *target* can cost at most; None where nothing bounds it.

    *limit* bounds one answer's tokens. The dearest class that can apply is taken.
    """
    if target.price is None:
        return None
    prompt, answer = _prompt_at_most(target, facts), _answer_at_most(target, facts, limit)
    if prompt is None or answer is None:
        return None
    dearest_input, dearest_output = _dearest(target.price, prompt)
    return NanoUsd(-(-(prompt * dearest_input + answer * dearest_output) // TOKENS_PER_PRICE))


def _dearest(price: Price, prompt_at_most: int) -> tuple[int, int]:
    # The prompt may turn out shorter than its bound, so the lower tiers can apply too.
    found = [price, *(t.price for t in price.tiers if prompt_at_most > t.above_tokens)]
    inputs = [
        max(p.input_nanousd, p.cached_input_nanousd or 0, p.cache_write_nanousd or 0) for p in found
    ]
    return max(inputs), max(max(p.output_nanousd, p.reasoning_nanousd or 0) for p in found)


def _prompt_at_most(target: Target, facts: Facts) -> int | None:
    # A token is at least a byte, so text bounds its tokens; a window bounds what is not text.
    text = facts.prompt_bytes + overhead_tokens(facts)
    if facts.endpoint is Endpoint.EMBEDDINGS:
        return text  # many inputs, each with a window of its own
    window = target.context_window_tokens
    if facts.images or facts.needs & _NOT_TEXT:
        return window
    return text if window is None else min(text, window * prompts_in(facts))


def _answer_at_most(target: Target, facts: Facts, limit: int | None) -> int | None:
    if facts.endpoint is Endpoint.EMBEDDINGS:
        return 0
    said = (limit, target.max_output_tokens, target.context_window_tokens)
    bounds = [each for each in said if each is not None]
    return min(bounds) * facts.n * prompts_in(facts) if bounds else None


def prompts_in(facts: Facts) -> int:
    """How many prompts the request brings: a completions request may bring a list."""
    return max(facts.message_count, 1) if facts.endpoint is Endpoint.COMPLETIONS else 1
