"""The operators' rules, each by itself and all of them together. Pure values."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from proxy.domain.catalog import Route, Target
from proxy.domain.conditions import AllOf, AnyOf, Condition, Costs, InScope, Not, Sent
from proxy.domain.price import Price
from proxy.domain.rule_index import Index, index_of
from proxy.domain.rules import Attribute, Demand, Ruling
from proxy.domain.scopes import scope_hash

TOOL_LOOP: Final = "builtin/tool-loop-stays"
"""The id of the rule that keeps a tool loop with the provider that issued its calls."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry of `policies`: when it applies, and what it says then.

    `says` names the rule itself as the only one applied. `why` is the operators' own note.
    """

    id: str
    when: Condition
    says: Ruling
    why: str | None = None


_STATED: Final[Mapping[Attribute, Callable[[Target], Collection[str] | None]]] = {
    Attribute.PROVIDER: lambda target: (target.provider.id,),
    Attribute.TARGET: lambda target: (target.id,),
    Attribute.MODEL: lambda target: (target.model,),
    Attribute.REGION: lambda target: _if_stated(target.provider.region),
    Attribute.CERTIFICATIONS: lambda target: target.provider.certifications,
    Attribute.TIER: lambda target: (target.tier,),
    Attribute.CAPABILITIES: lambda target: target.capabilities,
    Attribute.TAGS: lambda target: target.tags | target.provider.tags,
}


def _if_stated(word: str | None) -> Collection[str] | None:
    return None if word is None else (word,)


def stated(target: Target, attribute: Attribute) -> Collection[str] | None:
    """What the config says of *target*; None: nothing, which is not the same as an empty set."""
    return _STATED[attribute](target)


def bars(demand: Demand, target: Target) -> bool:
    """Whether *demand* keeps *target* from answering. What is not stated could be anything: it
    neither fulfils a requirement nor escapes a prohibition.
    """
    found = stated(target, demand.match.attribute)
    if found is None:
        return True
    return demand.match.values.isdisjoint(found) is not demand.forbidden


@dataclass(frozen=True, slots=True)
class Policies:
    """All rules, in the config's order.

    `headers` are the names that rules look at, in lower case: the allow-list of what facts hold.
    `index` finds the rules that apply, by their position. `targets` are those of the routes.
    `scope_key` keys the hashes that scopes are compared by.
    `rulings` remembers what rules came to together; forgetting any of it changes no answer.
    """

    rules: tuple[Rule, ...] = ()
    targets: tuple[Target, ...] = ()
    tool_loop_stays: bool = True
    headers: frozenset[str] = frozenset()
    scope_key: bytes = field(default=b"", repr=False)
    index: Index = field(default_factory=Index)
    rulings: dict[object, Ruling] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )


def policies_of(
    rules: Iterable[Rule],
    routes: Collection[Route] = (),
    *,
    scope_key: bytes = b"",
    tool_loop_stays: bool = True,
) -> Policies:
    """*rules*, indexed. Estimated cost is by the prices of *routes*, and scopes' values are
    compared by their hash under *scope_key*: the same that facts are made with.
    """
    prices: Mapping[str, tuple[Price, ...]] = MappingProxyType(
        {
            route.id: tuple(target.price for target in route.targets if target.price is not None)
            for route in routes
        }
    )
    bound = tuple(
        replace(rule, when=_bound(rule.when, prices=prices, scope_key=scope_key)) for rule in rules
    )
    return Policies(
        rules=bound,
        targets=tuple({target.id: target for route in routes for target in route.targets}.values()),
        tool_loop_stays=tool_loop_stays,
        headers=frozenset(name for rule in bound for name in _headers(rule.when)),
        scope_key=scope_key,
        index=index_of([rule.when for rule in bound]),
    )


def rebound(
    policies: Policies, routes: Collection[Route], scope_key: bytes | None = None
) -> Policies:
    """*policies* under the prices of *routes*, and under another key; None: under their own."""
    return policies_of(
        policies.rules,
        routes,
        scope_key=policies.scope_key if scope_key is None else scope_key,
        tool_loop_stays=policies.tool_loop_stays,
    )


def _bound(
    condition: Condition, *, prices: Mapping[str, tuple[Price, ...]], scope_key: bytes
) -> Condition:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return replace(
                condition,
                parts=tuple(_bound(part, prices=prices, scope_key=scope_key) for part in parts),
            )
        case Not(part):
            return Not(_bound(part, prices=prices, scope_key=scope_key))
        case Costs():
            return replace(condition, prices=prices)
        case InScope(name, values):
            hashes = frozenset(scope_hash(scope_key, name, value) for value in values or ())
            return InScope(name, values, hashes)
    return condition


def _headers(condition: Condition) -> Iterable[str]:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return [name for part in parts for name in _headers(part)]
        case Not(part):
            return _headers(part)
        case Sent(name):
            return [name]
    return []
