"""Step 4: which targets may answer a request, best first, and why the others may not. Pure.

Hard filters come before any scoring: nothing that a rule forbids is ever weighed, so no weight
can bring it back. The last of them is the breaker: where it would leave nobody, it leaves
everybody, marked as throttled.
"""

from collections.abc import Sequence
from typing import Final

from proxy.domain.catalog import Route
from proxy.domain.decision import Candidate, Decision, Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.price import UnpricedPolicy
from proxy.domain.rules import Ruling
from proxy.domain.snapshot import Snapshot
from proxy.routing.cost import prompts_in, upper_bound
from proxy.routing.order import Placed, in_order
from proxy.routing.policy import rule_on, why_not
from proxy.routing.prospects import (
    BYTES_PER_TOKEN_AT_MOST,
    Board,
    Prospect,
    board_of,
    rejections,
)
from proxy.routing.score import Ask, ask_of, warm_cost, weigh
from proxy.routing.weights import PRESETS, strategy_of, weights_of
from proxy.units import NANOUSD_PER_USD

MISJUDGED_AT_MOST: Final = 2.0
"""How far a text's bytes per token may lie above its target's calibrated mean: a prompt that is
too long even so is not sent.
"""


def decide(facts: Facts, snapshot: Snapshot) -> Decision:
    """Rank the targets of the route in *facts*, which the snapshot must hold.

    The same pair gives the same decision for ever. An empty ranking is an answer, not an error;
    the reasons travel with it.
    """
    ruling = rule_on(facts, snapshot.policies)
    return choose(snapshot.routes[facts.route_id], ruling, facts, snapshot)


def choose(route: Route, ruling: Ruling, facts: Facts, snapshot: Snapshot) -> Decision:
    """Rank the targets of *route*, which need not be as the snapshot has it, under *ruling*."""
    strategy = strategy_of(ruling, route)
    weights = weights_of(facts, ruling, route, strategy)
    history = snapshot.histories.get((route.id, facts.labels.workload.value))
    board = board_of(facts, route, weights, snapshot)
    ask = ask_of(facts, ruling, history, weights)
    standing, broken, rejected = _through_gates(board, ruling, facts, ask, snapshot)
    throttled = not standing
    called = broken if throttled else standing
    ranked = in_order(
        weigh(called, ask, throttled=throttled),
        called,
        facts,
        ruling.prefer,
        margin=PRESETS[strategy].margin,
        grouped=board.half_open or _may_crowd(board, facts, ask),
    )
    return Decision(
        route,
        _ranking(ranked, ask),
        tuple(rejected),
        snapshot.version,
        facts.labels,
        ruling,
        strategy,
        None if ruling.max_output_tokens is None else ask.output_limit,
    )


Parted = tuple[Sequence[Prospect], Sequence[Prospect], Sequence[Rejection]]
"""Who may be called, whose breaker is open, and why the others may not."""


def _through_gates(
    board: Board, ruling: Ruling, facts: Facts, ask: Ask, snapshot: Snapshot
) -> Parted:
    must_price = _must_price(facts, snapshot)
    # Bytes: a text has no more tokens than that.
    fits = board.least_window_tokens is None or facts.prompt_bytes <= board.least_window_tokens
    gated = ruling.applied or ask.max_latency_ms is not None
    if fits and not gated and not must_price:
        return board.standing, board.broken, board.rejected
    gates = _Gates(ruling, facts, ask, must_price=must_price)
    found: dict[str, Rejection] = {}
    for prospect in board.prospects:
        if prospect.rejection is None and (rejection := gates.why_not(prospect)) is not None:
            found[prospect.id] = rejection
    if not found:
        return board.standing, board.broken, board.rejected
    standing = [each for each in board.standing if each.id not in found]
    broken = [each for each in board.broken if each.id not in found]
    return standing, broken, rejections(board.prospects, found, broken if standing else ())


def _may_crowd(board: Board, facts: Facts, ask: Ask) -> bool:
    if board.least_window_tokens is None:
        return False
    wanted = facts.prompt_bytes + ask.overhead_tokens + (facts.max_output_tokens or 0)
    return wanted > board.least_window_tokens


class _Gates:
    """The hard filters of one request, but for what a target lacks by itself and its breaker."""

    __slots__ = (
        "_answer_tokens", "_bound_ms", "_demanding", "_facts", "_limit", "_most", "_must_price",
        "_refusal", "_ruling",
    )  # fmt: skip

    def __init__(self, ruling: Ruling, facts: Facts, ask: Ask, *, must_price: bool) -> None:
        self._ruling = ruling
        self._refusal = ruling.refusal
        self._demanding = bool(ruling.demands) or ruling.min_quality is not None
        self._most = ruling.max_cost_nanousd
        self._facts = facts
        self._must_price = must_price
        self._limit = ask.output_limit
        self._bound_ms = ask.max_latency_ms
        self._answer_tokens = 0 if ask.stream else ask.completion_tokens

    def why_not(self, prospect: Prospect) -> Rejection | None:
        """Why *prospect* may not answer; None if it may."""
        facts = self._facts
        if self._refusal is not None:
            rule = self._refusal.rule_id
            return Rejection(prospect.id, Reason.REFUSED, f"rule {rule}", rule)
        if self._demanding and (rejection := why_not(prospect.target, self._ruling)) is not None:
            return rejection
        if self._most is not None and (rejection := self._too_dear(prospect, self._most)):
            return rejection
        window = prospect.window_tokens
        if window is not None and facts.prompt_bytes > window and _cannot_fit(prospect, facts):
            return Rejection(prospect.id, Reason.CONTEXT_TOO_LONG, f"{window} tokens")
        if self._must_price and prospect.tariff is None:
            return Rejection(prospect.id, Reason.UNPRICED, "its tenant has a budget")
        first_ms, bound_ms = prospect.first_token_p95_ms, self._bound_ms
        if bound_ms is None or first_ms is None:
            return None
        wait_ms = first_ms + self._answer_tokens * (prospect.ms_per_token or 0.0)
        return None if wait_ms <= bound_ms else self._too_slow(prospect, wait_ms, bound_ms)

    def _too_dear(self, prospect: Prospect, most: int) -> Rejection | None:
        # The bound, not the estimate: a rule that names a sum means that it is not exceeded.
        bound = upper_bound(prospect.target, self._facts, self._limit)
        if bound is not None and bound <= most:
            return None
        can = "without bound" if bound is None else f"up to {bound / NANOUSD_PER_USD:.6f} USD"
        detail = f"{can}, allowed {most / NANOUSD_PER_USD:.6f} USD"
        return Rejection(prospect.id, Reason.COST_ABOVE_BOUND, detail, self._ruling.max_cost_rule)

    def _too_slow(self, prospect: Prospect, wait_ms: float, bound_ms: int) -> Rejection:
        rule = self._ruling.max_latency_rule if bound_ms == self._ruling.max_latency_ms else None
        return Rejection(
            prospect.id, Reason.TOO_SLOW, f"{wait_ms:.0f} ms, allowed {bound_ms} ms", rule
        )


def _cannot_fit(prospect: Prospect, facts: Facts) -> bool:
    densest = float(BYTES_PER_TOKEN_AT_MOST)
    if prospect.calibrated:
        densest = min(densest, MISJUDGED_AT_MOST * prospect.bytes_per_token)
    return facts.prompt_bytes // densest > (prospect.window_tokens or 0) * prompts_in(facts)


def _must_price(facts: Facts, snapshot: Snapshot) -> bool:
    tenant = snapshot.tenants.get(facts.tenant_id)
    budgeted = tenant is not None and tenant.budgeted
    return budgeted and snapshot.unpriced_policy is UnpricedPolicy.REFUSE


def _ranking(ranked: Sequence[Placed], ask: Ask) -> tuple[Candidate, ...]:
    candidates = [each[3] for each in ranked]
    if ask.warm and candidates:
        # The first target of a session is where its cache is warm, or will be from now on.
        first = candidates[0]
        warm = warm_cost(ranked[0][4], ask, first.prompt_tokens)
        candidates[0] = Candidate(first.target, first.score, first.terms, warm, *first[4:])
    return tuple(candidates)
