"""The metrics that exist: names, labels, buckets, and what each counts. Pure.

Labels come from closed sets only: tenants, routes and targets from the config; endpoints,
endings, failures and evidence from the code; so the number of series has a bound.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Count:
    """What only grows."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """What goes up and down. `across` says how a scrape joins the processes alive."""

    name: str
    text: str
    across: Literal["livesum", "livemax"]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """How figures spread; upper bounds of the buckets, in the unit that the name ends in."""

    name: str
    text: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ()


REQUESTS: Final = Count(
    "pointsman_requests_total",
    "Requests that ended, by the status that the client got.",
    ("endpoint", "route", "status"),
)
REQUEST_SECONDS: Final = Spread(
    "pointsman_request_seconds",
    "From the first byte of a request to its end.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
    ("endpoint", "stream"),
)
FIRST_BYTE_SECONDS: Final = Spread(
    "pointsman_first_byte_seconds",
    "From the first byte of a request to the first byte of its answer.",
    (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60),
    ("target",),
)
PROMPT_ESTIMATE: Final = Spread(
    "pointsman_prompt_estimate_ratio",
    "Prompt tokens that a decision reckoned with, by those that the provider then reported.",
    (0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.5, 2, 4, 8, 16),
    ("target",),
)
ENDINGS: Final = Count("pointsman_endings_total", "Requests, by how they ended.", ("ending",))
ATTEMPTS: Final = Count(
    "pointsman_attempts_total",
    "Calls to targets: answered, or the kind of failure.",
    ("target", "outcome"),
)
TOKENS: Final = Count(
    "pointsman_tokens_total",
    "Tokens; prompt includes cached and cache_write, completion includes reasoning.",
    ("target", "class", "evidence"),
)
COST: Final = Count(
    "pointsman_cost_nanousd_total", "Cost in whole nano-dollars.", ("tenant", "target")
)
UNPRICED: Final = Count(
    "pointsman_unpriced_answers_total",
    "Answers of targets without a price: what they cost is not known.",
    ("tenant", "target"),
)
MAYBE_COST: Final = Count(
    "pointsman_maybe_cost_nanousd_total",
    "Estimated nano-dollars for the prompts of attempts that did not answer but may be billed.",
    ("tenant", "target"),
)
KEYRING: Final = Count(
    "pointsman_keyring_events_total",
    "What the ring of API keys did: hits, lookups, refused, changes, drops.",
    ("event",),
)
PRICE_FETCHES: Final = Count(
    "pointsman_price_fetches_total", "Fetches of the price list by this process.", ("result",)
)
PRICE_MODELS: Final = Count(
    "pointsman_price_models_total",
    "Models of fetched price lists that differed, by what became of them.",
    ("fate",),
)
LINES_LOST: Final = Count("pointsman_log_lines_lost_total", "Log lines that could not be written.")
IN_FLIGHT: Final = Level("pointsman_requests_in_flight", "Requests under way.", "livesum")
BUILD: Final = Level(
    "pointsman_build_info", "1, with the program's version.", "livemax", ("version",)
)
CONFIG: Final = Level(
    "pointsman_config_info", "1 for the routing config in force.", "livemax", ("config",)
)

ALL: Final[tuple[Count | Level | Spread, ...]] = (
    REQUESTS,
    REQUEST_SECONDS,
    FIRST_BYTE_SECONDS,
    PROMPT_ESTIMATE,
    ENDINGS,
    ATTEMPTS,
    TOKENS,
    COST,
    UNPRICED,
    MAYBE_COST,
    KEYRING,
    PRICE_FETCHES,
    PRICE_MODELS,
    LINES_LOST,
    IN_FLIGHT,
    BUILD,
    CONFIG,
)
