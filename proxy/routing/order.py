"""Step 4: candidates in the order in which they are tried, and load spread over near-equals. Pure.

Candidates stand in groups: probes first, then those that are well, then those whose window is
likely too small, then those whose breaker is half open; within that by the first `prefer` that
they match. In a group the strategy orders: by the route, or by score.

By score, all that come within the strategy's margin of the best are near-equals. Among them a
weighted rendezvous decides: each draws a number from (key, target), the key being the session,
the shared prefix or the request's draw. So the same session finds the same target again without
any state, a target that leaves moves only what was there, and no herd follows the best of the
moment. A near-equal's weight falls to nothing at the margin and with its headroom.
"""

from collections.abc import Sequence
from math import log
from typing import Final

from proxy.domain.catalog import Target
from proxy.domain.decision import Candidate
from proxy.domain.facts import Facts
from proxy.domain.labels import Risk
from proxy.domain.rules import Match
from proxy.domain.standing import Breaker
from proxy.routing.cost import MIN_CACHED_BYTES
from proxy.routing.policy import matches
from proxy.routing.prospects import Prospect, mark_of

PROBE_SHARE: Final = 0.02
"""The share of requests that try a half-open target first, unless much depends on them."""

LEAST_HEADROOM: Final = 0.05
"""What a near-equal without headroom still counts: a stale figure must not cut a target off."""

PREFIX_LANES: Final = 4
"""A prefix keeps to this many targets at most: a whole application may share one, and all its load
must not fall on a single target, nor move all at once. Each extra one costs one cold cache.
"""

_PROBED, _WELL, _CROWDED, _HALF_OPEN = -1, 0, 1, 2
_PREFERENCES: Final = 1_000
_MASK: Final = (1 << 64) - 1
_SPAN: Final = float(1 << 53)

Placed = tuple[int, float, str | int, Candidate, Prospect]
"""Group, what the strategy sorts by (lower is better), what breaks ties; and what stands there."""


def in_order(
    candidates: Sequence[Candidate],
    prospects: Sequence[Prospect],
    facts: Facts,
    prefer: Sequence[Match],
    *,
    margin: float | None,
    grouped: bool,
) -> list[Placed]:
    """*candidates*, each with its prospect, in the order in which they are tried.

    *margin* None: by the route. *grouped* False: all are known to be well and to fit.
    """
    pairs = zip(candidates, prospects, strict=True)
    if margin is None:
        ranked: list[Placed] = [(0, 0.0, one.place, each, one) for each, one in pairs]
    else:
        ranked = [(0, -each.score, one.id, each, one) for each, one in pairs]
    if grouped or prefer:
        ranked = [
            (_group(each, one, facts, prefer), by, tie, each, one)
            for _, by, tie, each, one in ranked
        ]
    ranked.sort()
    return ranked if margin is None or not ranked else spread(ranked, margin, facts)


def _group(candidate: Candidate, prospect: Prospect, facts: Facts, prefer: Sequence[Match]) -> int:
    group, window = _WELL, prospect.window_tokens
    if prospect.breaker is Breaker.HALF_OPEN:
        group = _PROBED if _is_probe(facts, prospect) else _HALF_OPEN
    elif window is not None and candidate.prompt_tokens + (facts.max_output_tokens or 0) > window:
        group = _CROWDED
    return group * _PREFERENCES + _preference(prefer, prospect.target)


def spread(ranked: list[Placed], margin: float, facts: Facts) -> list[Placed]:
    """*ranked*, which is sorted by score, with its leading near-equals in drawn order."""
    group, best = ranked[0][0], -ranked[0][1]
    floor = best - margin
    count = 1
    while count < len(ranked) and ranked[count][0] == group and -ranked[count][1] > floor:
        count += 1
    if count == 1:
        return ranked
    key = key_of(facts)
    drawn = [
        (
            -log(uniform(key, each[4].mark))
            / ((-each[1] - floor) * max(each[4].headroom, LEAST_HEADROOM)),
            each[2],
            each,
        )
        for each in ranked[:count]
    ]
    drawn.sort()
    ranked[:count] = [each for _, _, each in drawn]
    return ranked


def key_of(facts: Facts) -> int:
    """What a request's place among near-equals hangs on: its session, else a long shared prefix,
    else chance.
    """
    if facts.session is not None:
        return mark_of(facts.session)
    if facts.prefix is not None and facts.prompt_bytes >= MIN_CACHED_BYTES:
        return mark_of(facts.prefix) + int(facts.draw * PREFIX_LANES)
    return int(facts.draw * (1 << 53))


def uniform(key: int, mark: int) -> float:
    """A number in (0, 1] that looks drawn, the same for the same two."""
    mixed = (key ^ mark) * 0x9E3779B97F4A7C15 & _MASK
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _MASK
    return ((mixed >> 11) + 1) / _SPAN


def _is_probe(facts: Facts, prospect: Prospect) -> bool:
    if facts.labels.risk.value is Risk.HIGH:
        return False
    return uniform(int(facts.draw * (1 << 53)), ~prospect.mark & _MASK) <= PROBE_SHARE


def _preference(prefer: Sequence[Match], target: Target) -> int:
    for at, match in enumerate(prefer):
        if matches(target, match):
            return at
    return len(prefer)
