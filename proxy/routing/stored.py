"""A decision as a record keeps it, and the world that it was made in. Pure.

Kept are the facts, the figures of each target of the route (its price, what was known of it), the
history, and the decision. What the operators wrote is not: the config's version names it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from proxy.domain.catalog import Route, Target
from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.policies import rebound
from proxy.domain.price import Price
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import History, Standing
from proxy.routing.codec import Json, Known, made, plain

STORED_VERSION: Final = 1


class Figures(NamedTuple):
    """What a decision read of a target that is not in the config, or may have changed since."""

    price: Price | None
    standing: Standing | None


class Stored(NamedTuple):
    """All that is needed to decide again, and what was decided."""

    version: int
    facts: Facts
    figures: Mapping[str, Figures]
    history: History | None
    decision: Decision


def stored(facts: Facts, snapshot: Snapshot, decision: Decision) -> Json:
    """*decision*, which was made from *facts* and *snapshot*, with both, as JSON."""
    targets = [*decision.route.targets, *(each.target for each in decision.ranking)]
    figures = {
        target.id: Figures(target.price, snapshot.standings.get(target.id)) for target in targets
    }
    history = snapshot.histories.get((facts.route_id, facts.labels.workload.value))
    return plain(Stored(STORED_VERSION, facts, figures, history, decision))


def restored(json: Any, config: Snapshot) -> Stored:
    """What was stored as *json*; *config* is a snapshot of the version that the decision names."""
    kinds = Mapping[str, Figures]
    figures = made(kinds, json["figures"], Known(config.routes, config.targets))
    routes, targets = _repriced(config, figures)
    found = made(Stored, json, Known(routes, targets))
    assert isinstance(found, Stored)
    return found


def world_of(stored: Stored, config: Snapshot) -> Snapshot:
    """The snapshot that *stored* was decided from, as far as it mattered to it."""
    routes, targets = _repriced(config, stored.figures)
    standings = {
        id_: each.standing for id_, each in stored.figures.items() if each.standing is not None
    }
    key = (stored.facts.route_id, stored.facts.labels.workload.value)
    return replace(
        config,
        routes=routes,
        targets=targets,
        policies=rebound(config.policies, tuple(routes.values())),
        standings=standings,
        histories={} if stored.history is None else {key: stored.history},
    )


def _repriced(
    config: Snapshot, figures: Mapping[str, Figures]
) -> tuple[dict[str, Route], dict[str, Target]]:
    targets = {
        id_: replace(target, price=figures[id_].price) if id_ in figures else target
        for id_, target in config.targets.items()
    }
    routes = {
        id_: replace(route, targets=tuple(targets[each.id] for each in route.targets))
        for id_, route in config.routes.items()
    }
    return routes, targets
