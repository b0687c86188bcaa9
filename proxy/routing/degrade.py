"""Step 4, when nothing fits: the next rung of the route's ladder. Pure.

Rules of the file: hard rules bind every rung; whatever is stepped down is told in the decision,
and so in a header; a ladder that runs out refuses. A rule's refusal ends the matter at once.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from proxy.domain.catalog import Endpoint, Target, Tier
from proxy.domain.decision import Decision, Degradation, Reason
from proxy.domain.facts import Facts
from proxy.domain.rules import Degrade, DegradeStep
from proxy.domain.snapshot import Snapshot
from proxy.errors import GatewayError
from proxy.routing.cost import (
    BYTES_PER_TOKEN,
    completion_tokens,
    output_limit,
    overhead_tokens,
)
from proxy.routing.decide import choose

RETRY_AFTER_S: Final = 10
"""When to come back where waiting helps: about as long as live figures take to turn."""

SHRINK_TO: Final = 0.9
"""The share of a window that a shortened prompt is cut to: its tokens are an estimate."""

_NOT_OURS: Final = frozenset(
    {Reason.POLICY, Reason.REFUSED, Reason.WRONG_ENDPOINT, Reason.OTHER_EMBEDDING_SPACE}
)
"""Reasons that keep a target's cached answers out too."""

_RULED: Final = frozenset({Reason.POLICY, Reason.REFUSED, Reason.COST_ABOVE_BOUND})


class Proceed(NamedTuple):
    """Go on with *decision*, which has candidates; the request is clamped as it says."""

    decision: Decision


class Shorten(NamedTuple):
    """Shorten the prompt to so many bytes, then go on with *decision*; where that cannot be done,
    ask for the next step from *rung* on.
    """

    decision: Decision
    max_prompt_bytes: int
    rung: int


class FromCache(NamedTuple):
    """Answer with what one of *targets* answered to the same request of the same tenant; where
    nothing is kept, ask for the next step from *rung* on.
    """

    targets: frozenset[str]
    degradation: Degradation
    rung: int


class Say(NamedTuple):
    """Answer with the operators' message."""

    message: str
    degradation: Degradation


class Refuse(NamedTuple):
    """Refuse with *error*."""

    error: GatewayError


Step = Proceed | Shorten | FromCache | Say | Refuse


class _Rung(NamedTuple):
    decision: Decision
    facts: Facts
    snapshot: Snapshot
    degrade: Degrade
    because: str
    next: int


def step_down(
    decision: Decision,
    facts: Facts,
    snapshot: Snapshot,
    rung: int = 0,
    because: str | None = None,
) -> Step:
    """What to do for a request that *decision* has no candidate for; from *rung* of the ladder on.

    *because* says what else stands in the way, such as a limit that admission found; None: the
    reason that most rejected targets have.
    """
    degrade = decision.ruling.degrade or decision.route.degrade
    if degrade is not None and decision.ruling.refusal is None:
        for at in range(rung, len(degrade.steps)):
            tried = _Rung(
                decision, facts, snapshot, degrade, because or _commonest(decision), at + 1
            )
            found = _RUNGS[degrade.steps[at]](tried)
            if found is not None:
                return found
    return Refuse(refusal_of(decision))


def header_of(degradation: Degradation) -> str:
    """What `x-pointsman-degraded` says."""
    return f"from={degradation.before}; to={degradation.after}; reason={degradation.because}"


def refusal_of(decision: Decision) -> GatewayError:
    """The error for a request that nobody may answer: the rule that says so, or what to wait for,
    or what no target has.
    """
    refusal = decision.ruling.refusal
    if refusal is not None:
        return GatewayError("policy_refused", rule=refusal.rule_id, reason=refusal.message)
    found = {rejection.reason for rejection in decision.rejected}
    reasons = "; ".join(f"{r.target_id}: {r.reason} ({r.detail})" for r in decision.rejected)
    if Reason.TOO_SLOW in found or not found:
        return GatewayError(
            "no_target_now", retry_after_s=RETRY_AFTER_S, route=decision.route.id, reasons=reasons
        )
    if found & _RULED:
        rules = sorted({r.rule or r.detail for r in decision.rejected if r.reason in _RULED})
        return GatewayError("policy_refused", rule=", ".join(rules), reason=reasons)
    return GatewayError("no_target", route=decision.route.id, reasons=reasons)


def _commonest(decision: Decision) -> str:
    counted = Counter(rejection.reason.value for rejection in decision.rejected)
    most = max(counted.values(), default=0)
    return min((reason for reason, count in counted.items() if count == most), default="refused")


def _cheaper_tier(rung: _Rung) -> Step | None:
    """Targets of a lower tier than the route's dearest, from the tenant's other routes."""
    route = rung.decision.route
    dearest = max((each.tier for each in route.targets), key=_rank)
    own = {each.id for each in route.targets}
    cheaper = [
        target
        for target in _granted(rung).values()
        if target.id not in own and _rank(target.tier) < _rank(dearest)
    ]
    if not cheaper:
        return None
    cheaper.sort(key=lambda target: (-_rank(target.tier), target.id))
    lower = replace(route, targets=tuple(cheaper))
    found = choose(lower, rung.decision.ruling, rung.facts, rung.snapshot)
    if not found.ranking:
        return None
    after = found.ranking[0].target.tier.value
    return Proceed(
        found._replace(
            route=route,
            rejected=rung.decision.rejected + found.rejected,
            degradation=Degradation(DegradeStep.CHEAPER_TIER, dearest.value, after, rung.because),
        )
    )


def _granted(rung: _Rung) -> Mapping[str, Target]:
    tenant = rung.snapshot.tenants.get(rung.facts.tenant_id)
    routes = [] if tenant is None else rung.snapshot.routes_of(tenant)
    return {target.id: target for route in routes for target in route.targets}


def _fewer_tokens(rung: _Rung) -> Step | None:
    """A smaller limit for the answer, which a bound on cost or a window may be kept with."""
    limit = output_limit(rung.facts, rung.decision.ruling.max_output_tokens)
    fewer = rung.degrade.max_tokens
    if fewer is None or (limit is not None and limit <= fewer):
        return None
    clamped = replace(rung.facts, max_output_tokens=fewer)
    found = choose(rung.decision.route, rung.decision.ruling, clamped, rung.snapshot)
    if not found.ranking:
        return None
    before = "no limit" if limit is None else f"{limit} tokens"
    degradation = Degradation(DegradeStep.FEWER_TOKENS, before, f"{fewer} tokens", rung.because)
    return Proceed(found._replace(max_output_tokens=fewer, degradation=degradation))


def _shorter_context(rung: _Rung) -> Step | None:
    """A prompt that fits the largest window of those that are too small for it as it is."""
    if rung.facts.endpoint is not Endpoint.CHAT:
        return None
    too_small = {
        rejection.target_id
        for rejection in rung.decision.rejected
        if rejection.reason is Reason.CONTEXT_TOO_LONG
    }
    fits = [
        _fitting_bytes(target, rung)
        for target in rung.decision.route.targets
        if target.id in too_small
    ]
    most = max(fits, default=0)
    if most <= 0:
        return None
    shorter = replace(rung.facts, prompt_bytes=most)
    found = choose(rung.decision.route, rung.decision.ruling, shorter, rung.snapshot)
    if not found.ranking:
        return None
    degradation = Degradation(
        DegradeStep.SHORTER_CONTEXT,
        f"{rung.facts.prompt_bytes} bytes",
        f"{most} bytes",
        rung.because,
    )
    return Shorten(found._replace(degradation=degradation), most, rung.next)


def _fitting_bytes(target: Target, rung: _Rung) -> int:
    standing = rung.snapshot.standings.get(target.id)
    ratio = (standing.bytes_per_token if standing else None) or BYTES_PER_TOKEN
    limit = output_limit(rung.facts, rung.decision.ruling.max_output_tokens)
    answer = completion_tokens(rung.facts, None, limit) if limit is None else limit
    left = (target.context_window_tokens or 0) - answer - overhead_tokens(rung.facts)
    return int(left * ratio * SHRINK_TO)


def _cached_answer(rung: _Rung) -> Step | None:
    """What was answered before, where policy allows keeping it and asking the target again."""
    decision = rung.decision
    barred = {r.target_id for r in decision.rejected if r.reason in _NOT_OURS}
    allowed = frozenset(each.id for each in decision.route.targets) - barred
    if not decision.ruling.caching_allowed or not allowed:
        return None
    degradation = Degradation(DegradeStep.CACHED_ANSWER, "fresh", "cached", rung.because)
    return FromCache(allowed, degradation, rung.next)


def _message(rung: _Rung) -> Step | None:
    if rung.degrade.message is None:
        return None
    degradation = Degradation(DegradeStep.MESSAGE, "answer", "message", rung.because)
    return Say(rung.degrade.message, degradation)


def _refuse(rung: _Rung) -> Step | None:
    return Refuse(refusal_of(rung.decision))


_RUNGS: Final[Mapping[DegradeStep, Callable[[_Rung], Step | None]]] = {
    DegradeStep.CHEAPER_TIER: _cheaper_tier,
    DegradeStep.FEWER_TOKENS: _fewer_tokens,
    DegradeStep.SHORTER_CONTEXT: _shorter_context,
    DegradeStep.CACHED_ANSWER: _cached_answer,
    DegradeStep.MESSAGE: _message,
    DegradeStep.REFUSE: _refuse,
}


def _rank(tier: Tier) -> int:
    return _TIERS.index(tier)


_TIERS: Final = (Tier.ECONOMY, Tier.STANDARD, Tier.PREMIUM)
