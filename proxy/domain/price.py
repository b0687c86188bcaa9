"""Money: what tokens cost. Pure, whole nano-dollars only."""

from dataclasses import dataclass

from proxy.domain.usage import Usage
from proxy.units import TOKENS_PER_PRICE, NanoUsd


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for a million tokens, by class.

    A class without a price of its own costs what its parent costs: cached input and cache
    writes as input, reasoning as output.
    """

    input_nanousd: int
    output_nanousd: int
    cached_input_nanousd: int | None = None
    cache_write_nanousd: int | None = None
    reasoning_nanousd: int | None = None


def cost_of(usage: Usage, price: Price) -> NanoUsd:
    """What *usage* costs at *price*, rounded up once, to whole nano-dollars."""
    cached = _or(price.cached_input_nanousd, price.input_nanousd)
    written = _or(price.cache_write_nanousd, price.input_nanousd)
    reasoning = _or(price.reasoning_nanousd, price.output_nanousd)
    plain_input = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    plain_output = usage.completion_tokens - usage.reasoning_tokens
    total = (
        plain_input * price.input_nanousd
        + usage.cached_tokens * cached
        + usage.cache_write_tokens * written
        + plain_output * price.output_nanousd
        + usage.reasoning_tokens * reasoning
    )
    return NanoUsd(-(-total // TOKENS_PER_PRICE))


def _or(price: int | None, parent: int) -> int:
    return parent if price is None else price
