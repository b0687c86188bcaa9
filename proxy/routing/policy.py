"""What the operators' rules come to for a request, and which targets they keep from it. Pure.

How rules combine stands in `domain/rules`; `combined` is that page as code. It is associative: any
run of rules may be combined first, as long as the order stays.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from typing import Final, TypeVar

from proxy.domain.catalog import Target
from proxy.domain.decision import Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Workload
from proxy.domain.policies import TOOL_LOOP, Policies, bars, stated
from proxy.domain.rules import Attribute, Demand, LogLevel, Match, PremiumCap, Ruling

T = TypeVar("T")
_Number = TypeVar("_Number", bound=float)

MAX_RULINGS: Final = 512
"""How many combinations of rules are remembered: most requests meet one of a few."""

_NOTHING: Final = Ruling()
_NOT_JUDGED: Final = "?"
_STRICTNESS: Final = {level: rank for rank, level in enumerate(LogLevel)}


def rule_on(facts: Facts, policies: Policies) -> Ruling:
    """What *policies* say of a request with *facts*: their rules, and the one that is built in."""
    positions = policies.index.that_hold(facts)
    key = (positions, facts.labels.workload.value, facts.tool_origin)
    ruling = policies.rulings.get(key)
    if ruling is None:
        ruling = _ruling(*key, policies)
        if len(policies.rulings) >= MAX_RULINGS:
            policies.rulings.clear()
        policies.rulings[key] = ruling
    return ruling


def why_not(target: Target, ruling: Ruling) -> Rejection | None:
    """Why *ruling* keeps *target* from the request, naming the rule; None if it may answer.

    What depends on more than the config (cost, latency) is for those who know the figures.
    """
    rule_id = ruling.verdicts.get(target.id, _NOT_JUDGED)
    if rule_id is _NOT_JUDGED:
        rule_id = _judge(target, ruling)
    return None if rule_id is None else Rejection(target.id, Reason.POLICY, rule_id, rule_id)


def matches(target: Target, match: Match) -> bool:
    """Whether *match* is known of *target*; what is not stated matches nothing."""
    return not match.values.isdisjoint(stated(target, match.attribute) or ())


def combined(rulings: Iterable[Ruling]) -> Ruling:
    """What *rulings* come to together, in that order."""
    says = tuple(rulings)
    if len(says) < 2:
        return says[0] if says else _NOTHING
    max_cost, max_cost_rule = _least((r.max_cost_nanousd, r.max_cost_rule) for r in says)
    max_latency, max_latency_rule = _least((r.max_latency_ms, r.max_latency_rule) for r in says)
    least_quality, min_quality_rule = _least(
        (None if r.min_quality is None else -r.min_quality, r.min_quality_rule) for r in says
    )
    return Ruling(
        applied=tuple(chain.from_iterable([r.applied for r in says])),
        demands=tuple(chain.from_iterable([r.demands for r in says])),
        refusal=_first([r.refusal for r in says]),
        prefer=next((r.prefer for r in says if r.prefer), ()),
        weights=_first([r.weights for r in says]),
        strategy=_first([r.strategy for r in says]),
        degrade=_first([r.degrade for r in says]),
        redact=frozenset().union(*[r.redact for r in says]),
        log=max([r.log for r in says], key=_STRICTNESS.__getitem__),
        max_cost_nanousd=max_cost,
        max_cost_rule=max_cost_rule,
        max_latency_ms=max_latency,
        max_latency_rule=max_latency_rule,
        min_quality=None if least_quality is None else -least_quality,
        min_quality_rule=min_quality_rule,
        workload=_first([r.workload for r in says]),
        max_attempts=min(
            [r.max_attempts for r in says if r.max_attempts is not None], default=None
        ),
        max_output_tokens=min(
            [r.max_output_tokens for r in says if r.max_output_tokens is not None], default=None
        ),
        premium_caps=_tightest(chain.from_iterable([r.premium_caps for r in says])),
        caching_allowed=_unless_forbidden([r.caching_allowed for r in says]),
    )


def _ruling(
    positions: tuple[int, ...], workload: Workload, tool_origin: str | None, policies: Policies
) -> Ruling:
    says = [policies.rules[position].says for position in positions]
    if any(each.min_quality is not None for each in says):
        says.append(Ruling(workload=workload))
    if policies.tool_loop_stays and tool_origin is not None:
        says.append(_stay_with(tool_origin))
    ruling = combined(says)
    verdicts = {target.id: _judge(target, ruling) for target in policies.targets}
    return replace(ruling, verdicts=verdicts)


def _stay_with(provider_id: str) -> Ruling:
    match = Match(Attribute.PROVIDER, frozenset({provider_id}))
    return Ruling(applied=(TOOL_LOOP,), demands=(Demand(TOOL_LOOP, match, forbidden=False),))


def _judge(target: Target, ruling: Ruling) -> str | None:
    """The first rule that bars *target*."""
    for demand in ruling.demands:
        if bars(demand, target):
            return demand.rule_id
    if ruling.min_quality is None or _is_good_enough(target, ruling.min_quality, ruling.workload):
        return None
    return ruling.min_quality_rule or _NOT_JUDGED


def _is_good_enough(target: Target, at_least: float, workload: Workload | None) -> bool:
    # A hard rule wants proof: a target whose quality nobody has stated is not good enough.
    quality = None if workload is None else target.quality_for(workload)
    return quality is not None and quality >= at_least


def _first(found: Iterable[T | None]) -> T | None:
    for each in found:
        if each is not None:
            return each
    return None


def _least(
    bounds: Iterable[tuple[_Number | None, str | None]],
) -> tuple[_Number | None, str | None]:
    """The smallest bound and the first rule that sets it."""
    least: _Number | None = None
    rule: str | None = None
    for bound, by in bounds:
        if bound is not None and (least is None or bound < least):
            least, rule = bound, by
    return least, rule


def _tightest(caps: Iterable[PremiumCap]) -> tuple[PremiumCap, ...]:
    by_scope: dict[str, PremiumCap] = {}
    for cap in caps:
        held = by_scope.get(cap.scope)
        if held is None or cap.calls < held.calls:
            by_scope[cap.scope] = cap
    return tuple(sorted(by_scope.values(), key=attrgetter("scope")))


def _unless_forbidden(found: Iterable[bool | None]) -> bool | None:
    said = [each for each in found if each is not None]
    return all(said) if said else None
