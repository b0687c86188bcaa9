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
    Bid,
    Ledger,
    Limits,
    Purse,
    Refused,
    Unit,
    admit,
)
from proxy.domain.catalog import Target, Tier
from proxy.domain.decision import Candidate
from proxy.domain.policies import rebound
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Standing
from proxy.execution.dry_run import DryRun, Moment
from proxy.policytests.spec import StandingSpec, TestSpec, WorldSpec
from proxy.routing.cost import output_limit, upper_bound

BUDGET: Final = "budget"
PREMIUM_CALLS: Final = "premium_calls"
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
    balances: dict[tuple[str, int], Balance] = {}
    if world.budget is not None:
        balances[BUDGET, 0] = Balance(posted=world.budget.spent_nanousd)
    for scope, calls in world.premium_calls.items():
        balances[_purse_of(scope), 0] = Balance(posted=calls)
    bids = tuple(_bid(candidate, run, world) for candidate in run.decision.ranking)
    if not bids:
        return NOBODY
    ask = Ask(run.asked.request_id, bids, _LEASE_US)
    now_us = run.facts.unix_s * 1_000_000
    _, found = admit(Ledger(balances=balances), ask, Limits(), now_us)
    match found:
        case Admitted(place):
            return Allowed(bids[place].target_id, None)
        case Refused(limit_key):
            return Allowed(None, limit_key)


def _bid(candidate: Candidate, run: DryRun, world: WorldSpec) -> Bid:
    target = candidate.target
    most = output_limit(run.facts, run.decision.max_output_tokens)
    bound = upper_bound(target, run.facts, most)
    # Where nothing bounds it, what is expected is the best that is known.
    nanousd = candidate.cost_nanousd if bound is None else bound
    return Bid(target.id, nanousd or 0, 0, tuple(_purses(target, run, world)))


def _purses(target: Target, run: DryRun, world: WorldSpec) -> list[Purse]:
    purses: list[Purse] = []
    if world.budget is not None:
        purses.append(Purse(BUDGET, Unit.MONEY, world.budget.limit_nanousd))
    if target.tier is Tier.PREMIUM:
        named = {name for name, _ in run.facts.scopes}
        purses += [
            Purse(_purse_of(cap.scope), Unit.CALLS, cap.calls)
            for cap in run.decision.ruling.premium_caps
            if cap.scope in named
        ]
    return purses


def _purse_of(scope: str) -> str:
    return f"{PREMIUM_CALLS}.{scope}"


def _standing(spec: StandingSpec) -> Standing:
    measured: Mapping[str, object] = spec.model_dump(exclude={"price", "unpriced", "samples"})
    samples = SAMPLES if spec.samples is None else spec.samples
    return Standing(**{**measured, "samples": samples})  # type: ignore[arg-type]  # same names


def _priced(target: Target, world: WorldSpec) -> Target:
    spec = world.targets.get(target.id)
    if spec is None or (spec.price is None and not spec.unpriced):
        return target
    return replace(target, price=None if spec.price is None else price_of(spec.price))
