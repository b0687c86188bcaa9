"""Step 2, its end: whether a tenant may ask for a route. Pure."""

from proxy.domain.catalog import Route
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant
from proxy.errors import GatewayError

MAX_SHOWN_CHARS = 64


def grant(route_id: str, tenant: Tenant, snapshot: Snapshot) -> Route:
    """The route of that name.

    Raises:
        GatewayError: model_not_found, where *tenant* may not ask for it or there is none.
    """
    route = snapshot.routes.get(route_id)
    if route is None or route.id not in tenant.routes:
        available = ", ".join(granted.id for granted in snapshot.routes_of(tenant)) or "none"
        raise GatewayError(
            "model_not_found", param="model", model=_shown(route_id), available=available
        )
    return route


def _shown(name: str) -> str:
    # The client's own text comes back to it, but short and without anything unprintable.
    return "".join(c if c.isprintable() else "?" for c in name[:MAX_SHOWN_CHARS])
