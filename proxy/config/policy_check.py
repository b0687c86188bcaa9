"""What is odd about policies that load: rules that never match, never count or leave nothing. Pure.

What is said of a rule is so; not everything that is so is found (see `policy_boxes`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from proxy.config.document import START, Fault, Node, Path, locate, shown
from proxy.config.policy_boxes import Box, boxes_of, implies
from proxy.config.policy_names import word_warnings
from proxy.domain.catalog import Endpoint, Route
from proxy.domain.conditions import Word
from proxy.domain.labels import Workload
from proxy.domain.policies import Rule, stated
from proxy.domain.rules import Ruling
from proxy.domain.snapshot import Snapshot
from proxy.routing.policy import combined, why_not

FIRST_COUNTS: Final = ("prefer", "weights", "strategy", "degrade")
"""What the first rule that applies decides, so that a later one may never get its turn."""

MAX_NAMED: Final = 5
MAX_PLACES: Final = 1000
MAX_ROUTES: Final = 200
MAX_COMPARED: Final = 300_000
"""More is not looked at: comparing costs time, and a config may be hostile."""


class Place(NamedTuple):
    """Where a request can come from and go to; `tenant` None: any that no rule names."""

    tenant: str | None
    tier: str
    route: Route


@dataclass(frozen=True, slots=True)
class _Seen:
    """A rule with its place in the file and the requests that it can apply to."""

    rule: Rule
    path: Path
    boxes: list[Box] | None
    routes: tuple[Route, ...] | None

    @property
    def never_matches(self) -> bool:
        return self.boxes == [] or self.routes == ()


_Where = list[tuple[Route, Workload]]
"""The routes and workloads that a rule is for."""

_General = dict[str, list[_Seen]]
"""For each rule's id the others that apply whenever it does, in the config's order."""


def policy_warnings(root: Node, snapshot: Snapshot) -> list[Fault]:
    """Everything odd about the policies of *snapshot*, which *root* writes."""
    seen = _all_seen(snapshot)
    alive = [each for each in seen if not each.never_matches]
    general = _more_general(alive)
    words = list(word_warnings(root, snapshot))
    odd = [_fault(root, each, "when", _why_never(each)) for each in seen if each.never_matches]
    for each in alive:
        odd.extend(_fault(root, each, *why) for why in _bars_unawares(each, snapshot))
        odd.extend(_fault(root, each, *why) for why in _leaves_nothing(each, general, snapshot))
    told = {fault.path[:2] for fault in words}  # an unknown word says it more plainly
    shadows = [_fault(root, each, *why) for each in alive for why in _shadows(each, general, root)]
    return [*words, *(fault for fault in odd if fault.path[:2] not in told), *shadows]


def _all_seen(snapshot: Snapshot) -> list[_Seen]:
    rules = [(rule, boxes_of(rule.when)) for rule in snapshot.policies.rules]
    all_boxes = [box for _, boxes in rules for box in boxes or ()]
    places = _places(snapshot, all_boxes)
    if len(places) > MAX_PLACES or len(places) * len(all_boxes) > MAX_COMPARED:
        places = []
    return [
        _Seen(rule, ("policies", index), boxes, _routes(boxes, places) if places else None)
        for index, (rule, boxes) in enumerate(rules)
    ]


def _places(snapshot: Snapshot, boxes: list[Box]) -> list[Place]:
    """Every kind of place that *boxes* can tell apart; not many more than are looked at."""
    named = {word for box in boxes for word in box.bound_of(Word.TENANT).words}
    found: dict[tuple[str | None, str, str], Place] = {}
    for tenant in snapshot.tenants.values():
        known = tenant.id if tenant.id in named else None
        for route in snapshot.routes_of(tenant):
            found.setdefault((known, tenant.tier, route.id), Place(known, tenant.tier, route))
        if len(found) > MAX_PLACES:
            break
    return list(found.values())


def _routes(boxes: list[Box] | None, places: list[Place]) -> tuple[Route, ...] | None:
    """The routes of those *places* where one of *boxes* can be."""
    if boxes is None:
        return None
    found = {
        place.route.id: place.route
        for place in places
        if any(_can_be_at(box, place) for box in boxes)
    }
    return tuple(found.values())


def _can_be_at(box: Box, place: Place) -> bool:
    return (
        box.allows(Word.TENANT, place.tenant)
        and box.allows(Word.TIER, place.tier)
        and box.allows(Word.ROUTE, place.route.id)
        and any(box.allows(Word.ENDPOINT, endpoint) for endpoint in _endpoints(place.route))
    )


def _endpoints(route: Route) -> tuple[Endpoint, ...]:
    if any(target.embedding_space is not None for target in route.targets):
        return (Endpoint.EMBEDDINGS,)
    return (Endpoint.CHAT, Endpoint.COMPLETIONS)


def _why_never(seen: _Seen) -> str:
    if seen.boxes == []:
        return "can never match: its conditions exclude each other"
    return (
        "can never match: no tenant that it speaks of may ask for a route that it speaks of, "
        "with that endpoint"
    )


def _more_general(seen: list[_Seen]) -> _General:
    """For each rule the others that apply whenever it does, in the config's order."""
    compared = 0
    sizes = {each.rule.id: sum(box.size for box in each.boxes or ()) for each in seen}
    found: _General = {}
    for each in seen:
        found[each.rule.id] = []
        for other in seen:
            compared += max(1, sizes[each.rule.id] * sizes[other.rule.id])
            if compared > MAX_COMPARED:
                break
            if other is not each and implies(each.boxes, other.boxes):
                found[each.rule.id].append(other)
    return found


def _shadows(seen: _Seen, general: _General, root: Node) -> Iterator[tuple[str, str]]:
    """What *seen* says in vain, by key."""
    says = seen.rule.says
    for other in general[seen.rule.id]:
        if other.rule.says.refusal is not None and says.refusal is None:
            by = _named(other, root)
            yield "id", f"never counts: {by} refuses every request that this one is for"
            return
    earlier = [other for other in general[seen.rule.id] if other.path < seen.path]
    for key in FIRST_COUNTS:
        first = next((other for other in earlier if getattr(other.rule.says, key)), None)
        if getattr(says, key) and first is not None:
            by = _named(first, root)
            yield (
                key,
                f"never counts: {by} comes first, says {key} too, and applies whenever this does",
            )


def _bars_unawares(seen: _Seen, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The targets that a prohibition bars only because they do not state what it is about."""
    for demand in seen.rule.says.demands:
        attribute = demand.match.attribute
        silent = [
            target.id
            for target in snapshot.targets.values()
            if demand.forbidden and stated(target, attribute) is None
        ]
        if silent:
            more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
            yield (
                "forbid",
                f"bars {shown(silent[0])}{more} as well: no {attribute} is stated there, so it "
                "could be this one; state it",
            )


def _leaves_nothing(
    seen: _Seen, general: _General, snapshot: Snapshot
) -> Iterator[tuple[str, str]]:
    """That *seen*, alone or with rules that always apply with it, bars every target."""
    says = seen.rule.says
    routes = snapshot.routes.values() if seen.routes is None else seen.routes
    if not _is_hard(says) or says.refusal is not None or len(routes) > MAX_ROUTES:
        return
    where = [(route, workload) for route in routes for workload in _workloads(seen)]
    others = [each.rule for each in general[seen.rule.id] if _is_hard(each.rule.says)]
    if _leaves_any(combined([says, *(other.says for other in others)]), where):
        return
    message = "leaves no target on any route that it applies to"
    if _leaves_any(says, where):
        message += f", together with {_culprits(says, others, where)}"
    yield _hard_key(says, where), message


def _culprits(says: Ruling, others: list[Rule], where: _Where) -> str:
    """Who takes what *says* leaves: one rule if it does so alone, else all of them."""
    for other in others:
        if not _leaves_any(combined([says, other.says]), where):
            return f"rule {shown(other.id)}, which applies whenever it does"
    named = ", ".join(shown(other.id) for other in others[:MAX_NAMED])
    more = ", …" if len(others) > MAX_NAMED else ""
    return f"rules {named}{more}, which apply whenever it does"


def _workloads(seen: _Seen) -> list[Workload]:
    return [
        workload
        for workload in Workload
        if seen.boxes is None or any(box.allows(Word.WORKLOAD, workload) for box in seen.boxes)
    ]


def _leaves_any(says: Ruling, where: _Where) -> bool:
    if says.min_quality is None:  # then the workload does not matter
        where = list({route.id: (route, workload) for route, workload in where}.values())
    return any(
        why_not(target, replace(says, workload=workload)) is None
        for route, workload in where
        for target in route.targets
    )


def _is_hard(says: Ruling) -> bool:
    return bool(says.demands) or says.min_quality is not None


def _hard_key(says: Ruling, where: _Where) -> str:
    """The key of *says* to look at first."""
    if says.min_quality is not None and _leaves_any(replace(says, min_quality=None), where):
        return "min_quality"
    return "forbid" if all(demand.forbidden for demand in says.demands) else "require"


def _named(seen: _Seen, root: Node) -> str:
    mark = locate(root, (*seen.path, "id")) or START
    return f"rule {shown(seen.rule.id)} (line {mark.line})"


def _fault(root: Node, seen: _Seen, key: str, message: str) -> Fault:
    path = (*seen.path, key)
    return Fault(locate(root, path, at_key=True) or START, path, message)
