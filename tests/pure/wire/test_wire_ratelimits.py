"""What is left of a provider's limits, by its headers."""

import pytest

from proxy.wire.ratelimits import share_left


@pytest.mark.parametrize(
    ("headers", "share"),
    [
        ({}, None),
        ({"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "25"}, 0.25),
        (
            {
                "x-ratelimit-limit-requests": "100",
                "x-ratelimit-remaining-requests": "100",
                "x-ratelimit-limit-tokens": "1000",
                "x-ratelimit-remaining-tokens": "10",
            },
            0.01,
        ),
        (
            {
                "anthropic-ratelimit-tokens-limit": "10",
                "anthropic-ratelimit-tokens-remaining": "0",
            },
            0.0,
        ),
        ({"x-ratelimit-limit-tokens": "10", "x-ratelimit-remaining-tokens": "20"}, 1.0),
        ({"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"}, None),
        ({"x-ratelimit-limit-tokens": "-1", "x-ratelimit-remaining-tokens": "-1"}, None),
        ({"x-ratelimit-limit-tokens": "10"}, None),
        ({"x-ratelimit-limit-tokens": "1e3", "x-ratelimit-remaining-tokens": "NaN"}, None),
        ({"x-ratelimit-limit-tokens": "9" * 5000, "x-ratelimit-remaining-tokens": "1"}, None),
    ],
)
def test_least_share_counts_and_nonsense_does_not(
    headers: dict[str, str], share: float | None
) -> None:
    """The limit nearest to its end tells; what makes no sense is not said."""
    assert share_left(headers) == share
