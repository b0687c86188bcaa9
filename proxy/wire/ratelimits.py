"""What a provider's headers say is left of its limits. Pure.

OpenAI and its kin say `x-ratelimit-{limit,remaining}-{requests,tokens}`, Anthropic the same with
its own prefix; Azure is known to send 0 or -1 for limits that it does not state.
"""

from collections.abc import Mapping
from typing import Final

_PAIRS: Final = tuple(
    [
        (f"x-ratelimit-limit-{what}", f"x-ratelimit-remaining-{what}")
        for what in ("requests", "tokens")
    ]
    + [
        (f"anthropic-ratelimit-{what}-limit", f"anthropic-ratelimit-{what}-remaining")
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ]
)

_LIMITS: Final = frozenset(limit for limit, _ in _PAIRS)


def share_left(headers: Mapping[str, str]) -> float | None:
    """The share, in [0, 1], that is left of the limit nearest to its end; None: nothing is said.

    *headers*: names in lower case, or found in any.
    """
    if headers.keys().isdisjoint(_LIMITS):
        return None
    least: float | None = None
    for limit_name, remaining_name in _PAIRS:
        if (stated := headers.get(limit_name)) is None:
            continue
        limit, remaining = _figure(stated), _figure(headers.get(remaining_name))
        if limit and remaining is not None:
            share = min(remaining / limit, 1.0)
            least = share if least is None else min(least, share)
    return least


def _figure(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) <= 15 else None
