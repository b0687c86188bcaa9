"""The curve: the rate that one core holds at p99 tails of 1, 5, 10 and 50 ms. I/O: by openloop.

All programs stand ready before one upstream; idle ones cost nothing. A rate that fails is tried
once more, since a machine that is shared has hiccups of its own.
"""

from collections.abc import Callable
from typing import Final

import uvloop

from loadtest.openloop import offer
from loadtest.plain import run_plain
from loadtest.rounds import Plan
from loadtest.rows import Row
from loadtest.search import highest_rates
from loadtest.sheet import Found, Sheet, number
from loadtest.target import Target

BOUNDS_MS: Final = (1.0, 5.0, 10.0, 50.0)
PROGRAMS: Final = ("direct", "envoy", "pointsman")

_FIRST_SHARE: Final = 0.2
_LAST_SHARE: Final = 1.6
"""The search goes from here to there, in shares of what the program answers under closed load."""

_TAIL: Final = 0.99


def measure_curve(targets: list[Target], plan: Plan) -> Found:
    """The highest rates of each of *targets*."""
    rows, remarks = [], []
    for target in targets:
        print(f"bench: curve: {target.name}", flush=True)
        full = run_plain(target, connections=plan.connections, seconds=plan.warm_up_s)
        full_rate = max(full.requests, 100) / full.seconds
        client_ms: dict[float, float] = {}
        rates = highest_rates(
            _probe(target, plan.probe_s, client_ms),
            BOUNDS_MS,
            start=full_rate * _FIRST_SHARE,
            most=full_rate * _LAST_SHARE,
        )
        rows.append(_row(target.name, rates))
        if remark := _remark(target.name, rates, client_ms):
            remarks.append(remark)
    sheet = Sheet(
        ("requests/s at p99 of", *(f"{bound:g} ms" for bound in BOUNDS_MS)),
        tuple(
            (row.proxy, row.rate_at_1ms, row.rate_at_5ms, row.rate_at_10ms, row.rate_at_50ms)
            for row in rows
        ),
        tuple(remarks),
    )
    return Found(sheet, tuple(rows))


def _probe(
    target: Target, seconds: float, client_ms: dict[float, float]
) -> Callable[[float], float]:
    """Measures p99 in ms at a rate, the better of two where the first is beyond the bounds; how
    late the client itself was is kept in *client_ms*.
    """

    def once(rate: float) -> float:
        offered = uvloop.run(offer(target, rate=rate, seconds=seconds))
        client_ms[rate] = offered.own_delay_ms(_TAIL)
        return float("inf") if offered.errors else offered.within_ms(_TAIL)

    def probe(rate: float) -> float:
        first = once(rate)
        return first if first <= min(BOUNDS_MS) else min(first, once(rate))

    return probe


def _row(name: str, rates: dict[float, float | None]) -> Row:
    at_1, at_5, at_10, at_50 = (rates[bound] for bound in BOUNDS_MS)
    return Row(
        proxy=name, rate_at_1ms=at_1, rate_at_5ms=at_5, rate_at_10ms=at_10, rate_at_50ms=at_50
    )


def _remark(
    name: str, rates: dict[float, float | None], client_ms: dict[float, float]
) -> str | None:
    """A warning where the client was late itself just above a rate that was found."""
    for bound in BOUNDS_MS:
        found = rates[bound]
        above = min((rate for rate in client_ms if rate > (found or 0)), default=None)
        if above is not None and client_ms[above] > bound / 2:
            return (
                f"{name}: at {number(above)} requests/s the load itself sent up to "
                f"{client_ms[above]:.2g} ms late (p99), so from p99 of {bound:g} ms on the rate "
                "is a lower bound: the core of load and upstream is the limit."
            )
    return None
