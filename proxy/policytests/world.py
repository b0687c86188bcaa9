"""The state of the world that a policy test describes, as what decisions read. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from proxy.config.price_spec import price_of
from proxy.domain.admission import (
    Admitted,
    Ask,
    Balance,
    Bid,
    Ledger,
    Limits,
    Purse,
    Unit,
    admit,
)
from proxy.domain.catalog import Target
from proxy.domain.policies import rebound
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Standing
from proxy.execution.dry_run import DryRun, Moment
from proxy.policytests.spec import StandingSpec, TestSpec, WorldSpec
from proxy.routing.bids import bids_of

BUDGET: Final = "budget"
SAMPLES: Final = 1000
"""How many attempts figures rest on that do not say: so many that they count as they are."""

_LEASE_US: Final = 600_000_000
_DRAW_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Allowed:
    """What budgets allow: `target_id` is the first candidate that they let through, None where
    they let none; `limit_met` is then what the last one met.
    """

    target_id: str | None
    limit_met: str | None


NOBODY: Final = Allowed(None, None)
"""What budgets say where nobody is a candidate."""


def world_of(test: TestSpec, tenant_id: str, config: Snapshot) -> Snapshot:
    """*config* in the world of *test*, which *tenant_id* asks in."""
    world = test.world
    tenant = config.tenants[tenant_id]
    tenants = {**config.tenants, tenant_id: replace(tenant, budgeted=world.budget is not None)}
    standings = {id_: _standing(spec) for id_, spec in world.targets.items()}
    targets = {id_: _priced(target, world) for id_, target in config.targets.items()}
    routes = {
        id_: replace(route, targets=tuple(targets[target.id] for target in route.targets))
        for id_, route in config.routes.items()
    }
    return replace(
        config,
        tenants=tenants,
        targets=targets,
        routes=routes,
        standings=standings,
        policies=rebound(config.policies, tuple(routes.values())),
    )


def moment_of(test: TestSpec, time: str) -> Moment:
    """When the request of *test* comes: at *time*, ISO 8601 with its zone."""
    return Moment(
        unix_s=int(datetime.fromisoformat(time).timestamp()),
        request_id=f"req_{int(test.draw * 16**_DRAW_DIGITS):012x}",
        tool_origin=test.world.tool_calls_from,
        kept_from=test.world.cached_answer_from,
    )


def allowed(run: DryRun, world: WorldSpec) -> Allowed:
    """Which candidate of *run* budgets let through, by the model of admission."""
    budget = world.budget
    purses = [] if budget is None else [Purse(BUDGET, Unit.MONEY, budget.limit_nanousd)]
    hard = budget is None or not budget.soft
    bids = bids_of(run.decision, run.facts, purses, hard=hard)
    if not bids:
        return NOBODY
    ask = Ask(run.asked.request_id, bids, _LEASE_US)
    ledger = Ledger(
        balances={(key, 0): Balance(posted) for key, posted in _spent(bids, run, world)}
    )
    _, found = admit(ledger, ask, Limits(), run.facts.unix_s * 1_000_000)
    if isinstance(found, Admitted):
        return Allowed(bids[found.place].target_id, None)
    return Allowed(None, _without_value(found.limit_key))


def _spent(bids: tuple[Bid, ...], run: DryRun, world: WorldSpec) -> Iterator[tuple[str, int]]:
    """What is gone from each purse that *bids* draw on."""
    caps = run.decision.ruling.premium_caps
    scopes = {f"premium/{cap.rule_id}/{cap.scope}": cap.scope for cap in caps}
    for purse in {purse for bid in bids for purse in bid.purses}:
        if purse.unit is Unit.CALLS:
            scope = scopes[_without_value(purse.key)]
            yield purse.key, world.premium_calls.get(scope, 0)
        else:
            assert world.budget is not None
            yield purse.key, world.budget.spent_nanousd


def _without_value(purse_key: str) -> str:
    """`premium/RULE/SCOPE` of a cap's purse, whose key has the hash of the scope's value too."""
    return purse_key.partition("=")[0]


def _standing(spec: StandingSpec) -> Standing:
    measured: Mapping[str, object] = spec.model_dump(exclude={"price", "unpriced", "samples"})
    samples = SAMPLES if spec.samples is None else spec.samples
    return Standing(**{**measured, "samples": samples})  # type: ignore[arg-type]  # same names


def _priced(target: Target, world: WorldSpec) -> Target:
    spec = world.targets.get(target.id)
    if spec is None or (spec.price is None and not spec.unpriced):
        return target
    return replace(target, price=None if spec.price is None else price_of(spec.price))
