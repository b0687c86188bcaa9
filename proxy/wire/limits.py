"""How much of a body Pointsman reads. Pure values."""

from dataclasses import dataclass

DEPTH_CEILING = 64
"""The deepest nesting that can be configured; the scanner's pattern grows with it."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds on a request body; what exceeds one is refused, never cut.

    `max_members` bounds the top level only: each of its members is looked at one by one, so
    that a million of them would cost more than the rest of a request together. `max_brackets`
    bounds `[` and `{`, in texts too: 20 MB of empty lists become a gigabyte once decoded.
    `max_strings` bounds names and texts: to decode two million short ones takes longer than a
    second, in which nobody else is served.
    """

    max_body_bytes: int = 20 * 1024 * 1024
    max_json_depth: int = 64
    max_members: int = 1000
    max_brackets: int = 250_000
    max_strings: int = 250_000

    def __post_init__(self) -> None:
        if not 1 <= self.max_json_depth <= DEPTH_CEILING:
            raise ValueError(f"max_json_depth must be 1 to {DEPTH_CEILING}")
