"""What the snapshot tells of a tenant's routes."""

from proxy.domain.tenant import Tenant
from tests.builders import a_route, a_snapshot, a_target


def test_routes_of_a_tenant_are_those_granted() -> None:
    """In the config's order; a grant of what does not exist gives nothing."""
    snapshot = a_snapshot(a_route(a_target()))
    granted = Tenant("acme", "pro", frozenset({"auto", "vanished"}))

    assert [route.id for route in snapshot.routes_of(granted)] == ["auto"]
    assert snapshot.routes_of(Tenant("other", "free", frozenset())) == []
