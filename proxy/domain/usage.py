"""How many tokens an attempt used, and how we know. Pure values."""

from enum import StrEnum
from typing import Final

from proxy.values import value


class Evidence(StrEnum):
    """Where a usage figure comes from. A reported zero is a figure, not a gap."""

    REPORTED = "reported"
    REPORTED_ZERO = "reported_zero"
    ESTIMATED = "estimated"
    NONE = "none"


BYTES_PER_TOKEN: Final = 4
"""What text comes to where nothing better is known: no usage reported, no target calibrated."""


@value
class Usage:
    """Tokens by class. Prompt tokens include cached and cache-written ones, completion tokens
    include reasoning, as in OpenAI's usage object; the parts never exceed their whole.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def is_zero(self) -> bool:
        """Whether nothing at all was used."""
        return self.prompt_tokens == 0 and self.completion_tokens == 0


def estimated_usage(prompt_bytes: int, completion_tokens: int) -> Usage:
    """What an attempt used, as far as it can be told from outside."""
    return Usage(-(-prompt_bytes // BYTES_PER_TOKEN), completion_tokens)
