"""Names for the numbers that travel through the gateway. Leaf, pure."""

from typing import NewType

NanoUsd = NewType("NanoUsd", int)
"""Whole nano-dollars: 1 USD is 1_000_000_000."""

Tokens = NewType("Tokens", int)

LoopSeconds = NewType("LoopSeconds", float)
"""A point in time of the event loop's monotonic clock, in seconds."""

UnixMs = NewType("UnixMs", int)
"""Wall-clock time, in milliseconds since 1970."""

NANOUSD_PER_USD = 1_000_000_000
TOKENS_PER_PRICE = 1_000_000
"""Prices are stated for a million tokens."""
