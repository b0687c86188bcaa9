"""Step 4, when nothing fits: the next rung of the ladder. Pure.

Rules of the file: hard rules bind every rung; a rung adds to those before it; whatever is stepped
down is told in the decision, and so in a header; a ladder that runs out refuses. A rule's refusal
ends the matter at once. How much of the ladders counts is said by the request's risk.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from proxy.domain.catalog import Endpoint, Route, Target, Tier
from proxy.domain.decision import Decision, Degradation, Reason
from proxy.domain.facts import Facts
from proxy.domain.labels import Degradable
from proxy.domain.rules import Degrade, DegradeStep
from proxy.domain.snapshot import Snapshot
from proxy.domain.usage import BYTES_PER_TOKEN
from proxy.errors import GatewayError
from proxy.routing.cost import (
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

_RULED: Final = frozenset(
    {Reason.POLICY, Reason.REFUSED, Reason.COST_ABOVE_BOUND, Reason.CAP_SPENT}
)

_ENDS: Final = (".", "!", "?", "…", "。")
"""How a sentence of the operators' may end by itself."""


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


class _Lowered(NamedTuple):
    """How far a request was stepped down so far: each rung adds to those before it.

    `route` has the cheaper targets too, once they were let in; `clamped` tells the limit before
    and after, once there is a smaller one. `next` is the rung after this one.
    """

    decision: Decision
    facts: Facts
    snapshot: Snapshot
    degrade: Degrade
    because: str
    route: Route
    clamped: tuple[str, str] | None = None
    next: int = 0


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
    degrade = ladder_of(decision)
    if degrade is not None and decision.ruling.refusal is None:
        why = because or _commonest(decision)
        low = _Lowered(decision, facts, snapshot, degrade, why, decision.route)
        for at, step in enumerate(degrade.steps):
            low, found = _RUNGS[step](low._replace(next=at + 1))
            if found is not None and at >= rung:
                return found
    return Refuse(refusal_of(decision))


def ladder_of(decision: Decision) -> Degrade | None:
    """The ladder for the request of *decision*, as far as its risk leaves one."""
    ruled, own = decision.ruling.degrade, decision.route.degrade
    degradable = decision.labels.degradable.value
    if degradable is Degradable.BY_RULE:
        return ruled
    if degradable is Degradable.BY_LADDER or ruled is None or own is None:
        return ruled or own
    return Degrade(
        (*ruled.steps, *(step for step in own.steps if step not in ruled.steps)),
        own.max_tokens if ruled.max_tokens is None else ruled.max_tokens,
        own.message if ruled.message is None else ruled.message,
    )


def header_of(degradation: Degradation) -> str:
    """What `x-pointsman-degraded` says."""
    return f"from={degradation.before}; to={degradation.after}; reason={degradation.because}"


def refusal_of(decision: Decision) -> GatewayError:
    """The error for a request that nobody may answer: the rule that says so, or what to wait for,
    or what no target has.
    """
    refusal = decision.ruling.refusal
    if refusal is not None:
        written = refusal.message.rstrip()
        sentence = written if written.endswith(_ENDS) else f"{written}."
        return GatewayError("policy_refused", rule=refusal.rule_id, sentence=sentence)
    found = {rejection.reason for rejection in decision.rejected}
    reasons = "; ".join(f"{r.target_id}: {r.reason} ({r.detail})" for r in decision.rejected)
    if Reason.TOO_SLOW in found or not found:
        return GatewayError(
            "no_target_now", retry_after_s=RETRY_AFTER_S, route=decision.route.id, reasons=reasons
        )
    if found & _RULED:
        rules = sorted({r.rule or r.detail for r in decision.rejected if r.reason in _RULED})
        return GatewayError("policy_refused", rule=", ".join(rules), sentence=f"{reasons}.")
    return GatewayError("no_target", route=decision.route.id, reasons=reasons)


def _commonest(decision: Decision) -> str:
    counted = Counter(rejection.reason.value for rejection in decision.rejected)
    most = max(counted.values(), default=0)
    return min((reason for reason, count in counted.items() if count == most), default="refused")


Rung = tuple[_Lowered, Step | None]
"""How far it was stepped down with this rung, and what comes of it; None: it does not help."""


def _cheaper_tier(low: _Lowered) -> Rung:
    """Targets of a lower tier than the route's dearest, from the tenant's other routes."""
    dearest = _dearest(low.decision.route)
    own = {each.id for each in low.decision.route.targets}
    cheaper = [
        target
        for target in _granted(low).values()
        if target.id not in own and _TIERS.index(target.tier) < _TIERS.index(dearest)
    ]
    if not cheaper:
        return low, None
    cheaper.sort(key=lambda target: (-_TIERS.index(target.tier), target.id))
    low = low._replace(route=replace(low.route, targets=(*low.route.targets, *cheaper)))
    return low, _proceed(low, DegradeStep.CHEAPER_TIER)


def _dearest(route: Route) -> Tier:
    return max((each.tier for each in route.targets), key=_TIERS.index)


def _granted(low: _Lowered) -> Mapping[str, Target]:
    tenant = low.snapshot.tenants.get(low.facts.tenant_id)
    routes = [] if tenant is None else low.snapshot.routes_of(tenant)
    return {target.id: target for route in routes for target in route.targets}


def _fewer_tokens(low: _Lowered) -> Rung:
    """A smaller limit for the answer, which a bound on cost or a window may be kept with."""
    limit = output_limit(low.facts, low.decision.ruling.max_output_tokens)
    fewer = low.degrade.max_tokens
    if fewer is None or (limit is not None and limit <= fewer):
        return low, None
    low = low._replace(
        facts=replace(low.facts, max_output_tokens=fewer),
        clamped=("no limit" if limit is None else f"{limit} tokens", f"{fewer} tokens"),
    )
    return low, _proceed(low, DegradeStep.FEWER_TOKENS)


def _proceed(low: _Lowered, step: DegradeStep) -> Step | None:
    found = _decided(low, low.facts, step, ())
    return Proceed(found) if found.ranking else None


def _decided(
    low: _Lowered, facts: Facts, step: DegradeStep, also: tuple[tuple[str, str], ...]
) -> Decision:
    """The decision as far down as *low*, telling all that was stepped down for it."""
    route = low.decision.route
    found = choose(low.route, low.decision.ruling, facts, low.snapshot)
    told = [] if low.clamped is None else [low.clamped]
    selected = found.selected
    if selected is not None and selected not in route.targets:
        told.insert(0, (_dearest(route).value, selected.tier.value))
    told.extend(also)
    before, after = (", ".join(each[at] for each in told) for at in (0, 1))
    limit = found.max_output_tokens if low.clamped is None else facts.max_output_tokens
    return found._replace(
        route=route,
        max_output_tokens=limit,
        degradation=Degradation(step, before, after, low.because),
    )


def _shorter_context(low: _Lowered) -> Rung:
    """A prompt that fits the largest window of those that are too small for it as it is."""
    if low.facts.endpoint is not Endpoint.CHAT:
        return low, None
    found = choose(low.route, low.decision.ruling, low.facts, low.snapshot)
    too_small = {r.target_id for r in found.rejected if r.reason is Reason.CONTEXT_TOO_LONG}
    most = max(
        (_fitting_bytes(each, low) for each in low.route.targets if each.id in too_small),
        default=0,
    )
    if most <= 0:
        return low, None
    told = (f"{low.facts.prompt_bytes} bytes", f"{most} bytes")
    shorter = replace(low.facts, prompt_bytes=most)
    decision = _decided(low, shorter, DegradeStep.SHORTER_CONTEXT, (told,))
    return low, Shorten(decision, most, low.next) if decision.ranking else None


def _fitting_bytes(target: Target, low: _Lowered) -> int:
    standing = low.snapshot.standings.get(target.id)
    ratio = (standing.bytes_per_token if standing else None) or BYTES_PER_TOKEN
    limit = output_limit(low.facts, low.decision.ruling.max_output_tokens)
    answer = completion_tokens(low.facts, None, limit) if limit is None else limit
    left = (target.context_window_tokens or 0) - answer - overhead_tokens(low.facts)
    return int(left * ratio * SHRINK_TO)


def _cached_answer(low: _Lowered) -> Rung:
    """What was answered before, where policy allows keeping it and asking the target again."""
    decision = low.decision
    barred = {r.target_id for r in decision.rejected if r.reason in _NOT_OURS}
    allowed = frozenset(each.id for each in decision.route.targets) - barred
    if not decision.ruling.caching_allowed or not allowed:
        return low, None
    degradation = Degradation(DegradeStep.CACHED_ANSWER, "fresh", "cached", low.because)
    return low, FromCache(allowed, degradation, low.next)


def _message(low: _Lowered) -> Rung:
    if low.degrade.message is None or low.facts.endpoint is Endpoint.EMBEDDINGS:
        return low, None  # no vector says it
    degradation = Degradation(DegradeStep.MESSAGE, "answer", "message", low.because)
    return low, Say(low.degrade.message, degradation)


def _refuse(low: _Lowered) -> Rung:
    return low, Refuse(refusal_of(low.decision))


_TIERS: Final = (Tier.ECONOMY, Tier.STANDARD, Tier.PREMIUM)
_RUNGS: Final[Mapping[DegradeStep, Callable[[_Lowered], Rung]]] = {
    DegradeStep.CHEAPER_TIER: _cheaper_tier,
    DegradeStep.FEWER_TOKENS: _fewer_tokens,
    DegradeStep.SHORTER_CONTEXT: _shorter_context,
    DegradeStep.CACHED_ANSWER: _cached_answer,
    DegradeStep.MESSAGE: _message,
    DegradeStep.REFUSE: _refuse,
}
