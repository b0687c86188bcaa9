"""The state of the world that a policy test describes, as what decisions read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from proxy.config.price_spec import price_of
from proxy.domain.admission import (
    Admitted,
    Ask,
    Balance,
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
    budgeted = tenant.budgeted or world.budget is not None
    tenants = {**config.tenants, tenant_id: replace(tenant, budgeted=budgeted)}
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
        premium_calls=test.world.premium_calls,
        key_tags=frozenset(test.key_tags),
    )


def allowed(run: DryRun, world: WorldSpec) -> Allowed:
    """Which candidate of *run* the budget lets through, by the model of admission."""
    budget = world.budget
    if not run.decision.ranking:
        return NOBODY
    if budget is None:
        return Allowed(run.decision.ranking[0].target.id, None)
    purse = Purse(BUDGET, Unit.MONEY, budget.limit_nanousd)
    bids = bids_of(run.decision, run.facts, [purse], hard=not budget.soft)
    ledger = Ledger(balances={(BUDGET, 0): Balance(budget.spent_nanousd)})
    ask = Ask(run.asked.request_id, bids, _LEASE_US)
    _, found = admit(ledger, ask, Limits(), run.facts.unix_s * 1_000_000)
    if isinstance(found, Admitted):
        return Allowed(bids[found.place].target_id, None)
    return Allowed(None, found.limit_key)


def _standing(spec: StandingSpec) -> Standing:
    measured: Mapping[str, object] = spec.model_dump(exclude={"price", "unpriced", "samples"})
    samples = SAMPLES if spec.samples is None else spec.samples
    return Standing(**{**measured, "samples": samples})  # type: ignore[arg-type]  # same names


def _priced(target: Target, world: WorldSpec) -> Target:
    spec = world.targets.get(target.id)
    if spec is None or (spec.price is None and not spec.unpriced):
        return target
    return replace(target, price=None if spec.price is None else price_of(spec.price))
