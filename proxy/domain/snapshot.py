"""Everything one decision may see, as one immutable value that is swapped whole. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.domain.catalog import Provider, Route, Target
from proxy.domain.classing import BUILT_IN_ONLY, ClassifyRules
from proxy.domain.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the routing config, checked and indexed.

    `version` is a hash of its content; every decision, log line and reply names it.
    """

    version: str
    providers: Mapping[str, Provider]
    targets: Mapping[str, Target]
    routes: Mapping[str, Route]
    tenants: Mapping[str, Tenant]
    classing: ClassifyRules = BUILT_IN_ONLY

    def routes_of(self, tenant: Tenant) -> list[Route]:
        """The routes that *tenant* may ask for, in the config's order."""
        return [route for route in self.routes.values() if route.id in tenant.routes]
