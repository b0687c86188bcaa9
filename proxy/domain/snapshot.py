"""Everything one decision may see, as one immutable value that is swapped whole. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.domain.catalog import Provider, Route, Target
from proxy.domain.classing import BUILT_IN_ONLY, ClassifyRules
from proxy.domain.labels import Workload
from proxy.domain.policies import Policies
from proxy.domain.price import UnpricedPolicy
from proxy.domain.standing import History, Standing
from proxy.domain.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the routing config, checked and indexed, and what is known of its targets.

    `version` is a hash of the config's content; every decision, log line and reply names it.
    `policies` is what `routing/policy` reads. `unpriced_policy` says what becomes of targets
    without a price for tenants with a budget. `memo` is no part of the value: what deciding works
    out of it once, and again for every new snapshot.
    """

    version: str
    providers: Mapping[str, Provider]
    targets: Mapping[str, Target]
    routes: Mapping[str, Route]
    tenants: Mapping[str, Tenant]
    standings: Mapping[str, Standing] = field(default_factory=dict)
    histories: Mapping[tuple[str, Workload], History] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)
    unpriced_policy: UnpricedPolicy = UnpricedPolicy.REFUSE
    classing: ClassifyRules = BUILT_IN_ONLY
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def routes_of(self, tenant: Tenant) -> list[Route]:
        """The routes that *tenant* may ask for, in the config's order."""
        return [route for route in self.routes.values() if route.id in tenant.routes]
