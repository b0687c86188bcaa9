"""Step 4: what can be said of a route's targets before a request comes. Pure.

Worked out once of a snapshot, for each (route, workload, endpoint, needs, weights) that is asked
for: closed sets, so it is bounded. What stands here need not be done for every request.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.domain.catalog import Endpoint, Route, Target
from proxy.domain.decision import Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Workload
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Breaker, History, Standing
from proxy.domain.usage import BYTES_PER_TOKEN
from proxy.routing.cost import Tariff, attempts_milli, tariff_of
from proxy.routing.weights import Vector

NEUTRAL: Final = 0.5
"""The term of a figure that is not known: neither good nor bad."""

PRIOR_ERROR_RATE: Final = 0.02
PRIOR_SAMPLES: Final = 20
"""A target's error rate counts as if this many attempts with that rate had come before."""

BYTES_PER_TOKEN_AT_MOST: Final = 128
"""The longest text of a token in the public vocabularies (cl100k, o200k: a run of spaces). What
is longer than the window by this count fits under no tokenizer.
"""

_NOTHING_KNOWN: Final = Standing()


@dataclass(slots=True)
class Prospect:
    """A target with what is known of it before a request comes; changed by nobody.

    `place` is its place in the route. `mark` is a hash of its id, for spreading.
    `rejection`: it cannot serve any such request. `reliability`, `quality` and `headroom` are
    terms, `settled` their share of the score. Times in milliseconds, None where not known.
    """

    target: Target
    id: str
    place: int
    mark: int
    rejection: Rejection | None
    breaker: Breaker
    tariff: Tariff | None
    bytes_per_token: float
    calibrated: bool
    window_tokens: int | None
    first_token_ms: float | None
    first_token_p95_ms: float | None
    ms_per_token: float | None
    reliability: float
    quality: float
    headroom: float
    settled: float


@dataclass(slots=True)
class Board:
    """All prospects of a route, and what comes of them where nothing else of a request matters.

    `standing` may be called, `broken` have an open breaker, `rejected` is the rest, in the
    route's order. `least_window_tokens`: a request that fits here fits everywhere, None where no
    window is stated. `half_open`: at least one wants probes.
    """

    prospects: tuple[Prospect, ...]
    standing: tuple[Prospect, ...]
    broken: tuple[Prospect, ...]
    rejected: tuple[Rejection, ...]
    least_window_tokens: int | None
    half_open: bool


def board_of(facts: Facts, route: Route, weights: Vector, snapshot: Snapshot) -> Board:
    """The board of *route* for requests like the one with *facts*."""
    if snapshot.routes.get(route.id) is not route:
        return board_for(route, facts, weights, snapshot)
    key = (route.id, facts.labels.workload.value, facts.endpoint, facts.needs, weights)
    found: Board | None = snapshot.memo.get(key)
    if found is None:
        found = board_for(route, facts, weights, snapshot)
        snapshot.memo[key] = found
    return found


def board_for(route: Route, facts: Facts, weights: Vector, snapshot: Snapshot) -> Board:
    """The board of *route*, worked out; of *facts* only endpoint, needs and workload are read."""
    spaces = [each.embedding_space for each in route.targets if each.embedding_space is not None]
    # The config's check refuses a route of two spaces; should one come by, the smaller name is
    # taken, since the order of targets must not matter.
    space = min(spaces, default=None)
    history = snapshot.histories.get((route.id, facts.labels.workload.value))
    prospects = tuple(
        _prospect(
            place,
            target,
            snapshot.standings.get(target.id, _NOTHING_KNOWN),
            _unable(target, facts, space),
            (facts.labels.workload.value, history, weights),
        )
        for place, target in enumerate(route.targets)
    )
    able = [each for each in prospects if each.rejection is None]
    standing, broken = parted(able)
    windows = [each.window_tokens for each in able if each.window_tokens is not None]
    return Board(
        prospects,
        tuple(standing),
        tuple(broken),
        tuple(rejections(prospects, {}, broken if standing else ())),
        min(windows, default=None),
        any(each.breaker is Breaker.HALF_OPEN for each in able),
    )


def parted(able: Iterable[Prospect]) -> tuple[list[Prospect], list[Prospect]]:
    """Those that may be called, and those whose breaker is open."""
    standing: list[Prospect] = []
    broken: list[Prospect] = []
    for each in able:
        (broken if each.breaker is Breaker.OPEN else standing).append(each)
    return standing, broken


def rejections(
    prospects: Iterable[Prospect], found: Mapping[str, Rejection], broken: Iterable[Prospect]
) -> list[Rejection]:
    """Why each of *prospects* is left out, where it is: what it is by itself, what was *found*
    of this request, its breaker.
    """
    out = {each.id: Rejection(each.id, Reason.BREAKER_OPEN, "others stand") for each in broken}
    reasons = [each.rejection or found.get(each.id) or out.get(each.id) for each in prospects]
    return [reason for reason in reasons if reason is not None]


def _prospect(
    place: int,
    target: Target,
    standing: Standing,
    rejection: Rejection | None,
    asked: tuple[Workload, History | None, Vector],
) -> Prospect:
    workload, history, weights = asked
    speed = standing.tokens_per_s
    reliability = reliability_of(standing)
    quality = quality_of(target, workload, standing)
    headroom = NEUTRAL if standing.headroom is None else _clamped(standing.headroom)
    price, attempts = target.price, attempts_milli(standing, history)
    return Prospect(
        target=target,
        id=target.id,
        place=place,
        mark=mark_of(target.id),
        rejection=rejection,
        breaker=standing.breaker,
        tariff=None if price is None else tariff_of(price, attempts),
        bytes_per_token=standing.bytes_per_token or BYTES_PER_TOKEN,
        calibrated=bool(standing.bytes_per_token),
        window_tokens=None if target.embedding_space is not None else target.context_window_tokens,
        first_token_ms=standing.first_token_p50_ms,
        first_token_p95_ms=standing.first_token_p95_ms,
        ms_per_token=1000.0 / speed if speed else None,
        reliability=reliability,
        quality=quality,
        headroom=headroom,
        settled=weights[2] * reliability + weights[3] * quality + weights[4] * headroom,
    )


def reliability_of(standing: Standing) -> float:
    """The share of attempts that answer, as far as the samples can tell."""
    rate = PRIOR_ERROR_RATE if standing.error_rate is None else _clamped(standing.error_rate)
    samples = max(standing.samples, 0)
    seen = rate * samples + PRIOR_ERROR_RATE * PRIOR_SAMPLES
    return _clamped(1.0 - seen / (samples + PRIOR_SAMPLES))


def quality_of(target: Target, workload: Workload, standing: Standing) -> float:
    """The configured figure for the workload, corrected by what its answers were like."""
    configured = target.quality_for(workload)
    stated = NEUTRAL if configured is None else configured
    return _clamped(stated + standing.quality.get(workload, 0.0))


def mark_of(text: str) -> int:
    """A hash of *text* in 64 bits, alike in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _unable(target: Target, facts: Facts, space: str | None) -> Rejection | None:
    if (facts.endpoint is Endpoint.EMBEDDINGS) != (target.embedding_space is not None):
        return Rejection(target.id, Reason.WRONG_ENDPOINT, facts.endpoint.value)
    if target.embedding_space != space and target.embedding_space is not None:
        return Rejection(target.id, Reason.OTHER_EMBEDDING_SPACE, target.embedding_space)
    if target.capabilities is not None:
        missing = facts.needs - target.capabilities
        if missing:
            return Rejection(target.id, Reason.MISSING_CAPABILITY, ", ".join(sorted(missing)))
    return None


def _clamped(term: float) -> float:
    return min(max(term, 0.0), 1.0)
