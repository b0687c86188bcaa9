"""Everything one decision may see, as one immutable value that is swapped whole. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.domain.catalog import Provider, Route, Target
from proxy.domain.price import UnpricedPolicy
from proxy.domain.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the routing config, checked and indexed.

    `version` is a hash of its content; every decision, log line and reply names it.
    `unpriced_policy` says what becomes of targets without a price for tenants with a budget.
    """

    version: str
    providers: Mapping[str, Provider]
    targets: Mapping[str, Target]
    routes: Mapping[str, Route]
    tenants: Mapping[str, Tenant]
    unpriced_policy: UnpricedPolicy = UnpricedPolicy.REFUSE

    def routes_of(self, tenant: Tenant) -> list[Route]:
        """The routes that *tenant* may ask for, in the config's order."""
        return [route for route in self.routes.values() if route.id in tenant.routes]
