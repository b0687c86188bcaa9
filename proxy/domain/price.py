"""Money: what tokens cost. Pure, whole nano-dollars only."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from proxy.domain.usage import Usage
from proxy.units import TOKENS_PER_PRICE, NanoUsd

MILLE = 1000


class UnpricedPolicy(StrEnum):
    """What becomes of a target without a price, where the tenant has a budget.

    refuse: it is no candidate, as nothing bounds what it may cost; flag: it is one, its cost not
    known.
    """

    REFUSE = "refuse"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for a million tokens, by class.

    A class without a price of its own costs what its parent costs: cached input and cache
    writes as input, reasoning as output. `tiers` stand by their bound, lowest first.
    `batch_discount_per_mille` is what a batch call gets off, in parts per thousand.
    """

    input_nanousd: int
    output_nanousd: int
    cached_input_nanousd: int | None = None
    cache_write_nanousd: int | None = None
    reasoning_nanousd: int | None = None
    tiers: "tuple[PriceTier, ...]" = ()
    batch_discount_per_mille: int = 0


@dataclass(frozen=True, slots=True)
class PriceTier:
    """What a call costs, all its tokens, once its prompt is longer than `above_tokens`.

    `price` says every class anew and has no tiers itself; its batch discount is that of the
    price that the tier belongs to.
    """

    above_tokens: int
    price: Price


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price and the first day, in days since 1970 (UTC), on which it holds."""

    valid_from_day: int
    price: Price


def price_at(prices: Sequence[DatedPrice], day: int) -> Price | None:
    """The price in force on *day*: of those that have begun, the one that began last.

    *prices* stand by their day, earliest first. None: none has begun.
    """
    for dated in reversed(prices):
        if dated.valid_from_day <= day:
            return dated.price
    return None


def cost_of(usage: Usage, price: Price, *, batch: bool = False) -> NanoUsd:
    """What *usage* costs at *price*, rounded up once, to whole nano-dollars."""
    rates = rates_for(usage.prompt_tokens, price) if price.tiers else price
    cached = _or(rates.cached_input_nanousd, rates.input_nanousd)
    written = _or(rates.cache_write_nanousd, rates.input_nanousd)
    reasoning = _or(rates.reasoning_nanousd, rates.output_nanousd)
    plain_input = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    plain_output = usage.completion_tokens - usage.reasoning_tokens
    total = (
        plain_input * rates.input_nanousd
        + usage.cached_tokens * cached
        + usage.cache_write_tokens * written
        + plain_output * rates.output_nanousd
        + usage.reasoning_tokens * reasoning
    )
    if batch:
        # Before the one rounding, so that nothing is rounded twice.
        kept = total * (MILLE - price.batch_discount_per_mille)
        return NanoUsd(-(-kept // (TOKENS_PER_PRICE * MILLE)))
    return NanoUsd(-(-total // TOKENS_PER_PRICE))


def rates_for(prompt_tokens: int, price: Price) -> Price:
    """What *price* charges for a call with so long a prompt: itself, or the price of a tier."""
    for tier in reversed(price.tiers):
        if prompt_tokens > tier.above_tokens:
            return tier.price
    return price


def _or(price: int | None, parent: int) -> int:
    return parent if price is None else price
