"""What the operators' rules say of a request, and which targets they keep from it. Pure.

The language of rules is filled in beside this; here are only the demands of a ruling.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from proxy.domain.catalog import Target
from proxy.domain.decision import Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.rules import Attribute, Demand, Match, Ruling

TOOL_LOOP: Final = "builtin/tool-loop-stays"
_NOTHING: Final = Ruling()
_STATED: Final[Mapping[Attribute, Callable[[Target], Collection[str] | None]]] = {
    Attribute.PROVIDER: lambda target: (target.provider.id,),
    Attribute.TARGET: lambda target: (target.id,),
    Attribute.MODEL: lambda target: (target.model,),
    Attribute.REGION: lambda target: (target.provider.region and (target.provider.region,)) or None,
    Attribute.CERTIFICATIONS: lambda target: target.provider.certifications,
    Attribute.TIER: lambda target: (target.tier,),
    Attribute.CAPABILITIES: lambda target: target.capabilities,
    Attribute.TAGS: lambda target: target.tags,
}


def rule_on(facts: Facts, policies: Any) -> Ruling:
    """What all *policies* together say of a request with *facts*, and the rule that is built in:
    the results of tool calls go to the provider that issued the calls.
    """
    if facts.tool_origin is None:
        return _NOTHING
    match = Match(Attribute.PROVIDER, frozenset({facts.tool_origin}))
    return Ruling(applied=(TOOL_LOOP,), demands=(Demand(TOOL_LOOP, match, forbidden=False),))


def why_not(target: Target, ruling: Ruling) -> Rejection | None:
    """Why *ruling* keeps *target* out; None if it does not."""
    for demand in ruling.demands:
        if _bars(demand, target):
            return Rejection(target.id, Reason.POLICY, demand.rule_id, demand.rule_id)
    return None


def matches(target: Target, match: Match) -> bool:
    """Whether *match* is known of *target*; what is not stated matches nothing."""
    return not match.values.isdisjoint(_STATED[match.attribute](target) or ())


def _bars(demand: Demand, target: Target) -> bool:
    found = _STATED[demand.match.attribute](target)
    return found is None or demand.match.values.isdisjoint(found) is not demand.forbidden
