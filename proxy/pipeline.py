"""The request path, top to bottom. Read this first: every line of `answer` is one module.

docs/request-path.md walks the same steps, under the same numbers; 3 (classify) and 5 (admit) do
nothing yet.
"""

from typing import NoReturn

from proxy.domain.catalog import Endpoint, Route
from proxy.domain.facts import facts_of
from proxy.domain.request import Request
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant
from proxy.errors import GatewayError
from proxy.execution.executor import Executor
from proxy.execution.opening import Opening
from proxy.execution.relay import relay
from proxy.execution.settle import Books, Entry
from proxy.ports import Exchange, Head, KeyRing, Snapshots
from proxy.routing.decide import decide
from proxy.wire.bearer import bearer_of
from proxy.wire.limits import Caps
from proxy.wire.models import model_body, models_body
from proxy.wire.parse import parse

MODELS_CREATED_S = 1767225600
"""What `created` says of every route (2026-01-01): SDKs require the field, routes have no age."""


class Pipeline:
    """Answers requests. One for a process; holds no state of any request."""

    def __init__(
        self,
        *,
        keyring: KeyRing,
        snapshots: Snapshots,
        books: Books,
        executor: Executor,
        caps: Caps,
    ) -> None:
        self._keyring = keyring
        self._snapshots = snapshots
        self._executor = executor
        self._books = books
        self._caps = caps

    async def answer(self, exchange: Exchange, endpoint: Endpoint) -> None:
        """Answer *exchange* into its sink; the books are settled however this ends.

        Raises:
            GatewayError: only before the first byte; later trouble is an event of the stream.
        """
        with self._books.entry(exchange) as entry:  # 8 execution/settle, when it is left
            snapshot = self._snapshots.current
            tenant = await self._tenant_of(exchange, snapshot, entry)  # 1 state/keyring
            request = parse(endpoint, await exchange.body(), self._caps)  # 2 wire/parse
            entry.request = request
            _grant(request.route_id, tenant, snapshot)
            entry.decision = decide(facts_of(request, tenant), snapshot)  # 4 routing/decide
            entry.opening = await self._open(request, exchange, entry)  # 6 execution/executor
            del request  # nothing is sent again: a stream need not keep its prompt
            entry.let_go_of_body()
            entry.ending = await relay(entry.opening, exchange.sink, told(entry))  # 7 relay

    async def models(self, exchange: Exchange, route_id: str | None) -> None:
        """Answer with the routes that the caller may ask for, or the one named *route_id*."""
        with self._books.entry(exchange) as entry:
            snapshot = self._snapshots.current
            tenant = await self._tenant_of(exchange, snapshot, entry)
            if route_id is None:
                body = models_body(snapshot.routes_of(tenant), MODELS_CREATED_S)
            else:
                body = model_body(_grant(route_id, tenant, snapshot), MODELS_CREATED_S)
            exchange.sink.start(Head(200, "application/json", len(body), stream=False))
            exchange.sink.write(body)
            exchange.sink.end()

    def refuse(self, exchange: Exchange, error: GatewayError) -> NoReturn:
        """Refuse what asks for nothing that is served; it leaves a record like all the rest."""
        with self._books.entry(exchange):
            raise error

    async def _open(self, request: Request, exchange: Exchange, entry: Entry) -> Opening:
        assert entry.decision is not None
        try:
            return await self._executor.open(request, entry.decision, exchange.forwarded, entry)
        except GatewayError as error:
            error.headers = told(entry)
            raise

    async def _tenant_of(self, exchange: Exchange, snapshot: Snapshot, entry: Entry) -> Tenant:
        key = await self._keyring.identify(bearer_of(exchange.authorization))
        entry.identity = key.identity  # the record names a refused key too
        if key.refused_as is not None:
            raise GatewayError(key.refused_as)
        tenant = snapshot.tenants.get(entry.identity.tenant_id)
        if tenant is None:
            raise GatewayError("unknown_tenant")
        return tenant


def _grant(route_id: str, tenant: Tenant, snapshot: Snapshot) -> Route:
    """The route of that name, if *tenant* may ask for it."""
    route = snapshot.routes.get(route_id)
    if route is None or route.id not in tenant.routes:
        available = ", ".join(granted.id for granted in snapshot.routes_of(tenant)) or "none"
        raise GatewayError(
            "model_not_found", param="model", model=_shown(route_id), available=available
        )
    return route


def _shown(name: str) -> str:
    # The client's own text comes back to it, but short and without anything unprintable.
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def told(entry: Entry) -> tuple[tuple[str, str], ...]:
    """The headers that tell the client how its request was routed."""
    assert entry.decision is not None
    headers = [
        ("x-pointsman-route", entry.decision.route.id),
        ("x-pointsman-attempts", str(len(entry.attempts))),
        ("x-pointsman-config", entry.decision.config_version),
    ]
    if entry.opening is not None:
        headers.append(("x-pointsman-target", entry.opening.call.target.id))
    return tuple(headers)
