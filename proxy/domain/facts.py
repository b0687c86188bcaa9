"""All that a decision may know of a request, free of payload. Pure values."""

from proxy.domain.catalog import Capability, Endpoint
from proxy.domain.request import Request
from proxy.domain.tenant import Tenant
from proxy.values import value


@value
class Facts:
    """What routing sees: who asks, for which route, and what the answer needs."""

    tenant_id: str
    tenant_tier: str
    route_id: str
    endpoint: Endpoint
    needs: frozenset[Capability]
    stream: bool
    prompt_bytes: int
    message_count: int
    max_output_tokens: int | None


def facts_of(request: Request, tenant: Tenant) -> Facts:
    """The facts of *request*, asked by *tenant*."""
    return Facts(
        tenant_id=tenant.id,
        tenant_tier=tenant.tier,
        route_id=request.route_id,
        endpoint=request.endpoint,
        needs=request.needs,
        stream=request.stream,
        prompt_bytes=request.prompt_bytes,
        message_count=request.message_count,
        max_output_tokens=request.max_output_tokens,
    )
