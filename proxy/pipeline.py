"""The request path, top to bottom. Read this first: every line of `answer` is one module.

docs/request-path.md walks the same steps, under the same numbers; 5 (admit) is so far the caps on
premium calls, which execution/plan counts.
"""

from dataclasses import dataclass, replace
from typing import NoReturn

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.request import Request
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant
from proxy.errors import GatewayError
from proxy.execution.executor import Executor
from proxy.execution.grant import grant
from proxy.execution.opening import Opening
from proxy.execution.plan import Planner
from proxy.execution.relay import relay
from proxy.execution.settle import Books, Entry
from proxy.execution.understand import Understanding
from proxy.ports import Exchange, Head, KeyRing, Snapshots
from proxy.routing.decide import decide
from proxy.routing.degrade import header_of
from proxy.routing.expected import expected_of
from proxy.routing.explain import explained, summary_of
from proxy.wire.bearer import bearer_of
from proxy.wire.limits import Caps
from proxy.wire.models import model_body, models_body
from proxy.wire.parse import parse
from proxy.wire.question import routing_question

MODELS_CREATED_S = 1767225600
"""What `created` says of every route (2026-01-01): SDKs require the field, routes have no age."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Who does the steps 3 to 6."""

    understanding: Understanding
    planner: Planner
    executor: Executor


class Pipeline:
    """Answers requests. One for a process; holds no state of any request."""

    def __init__(
        self,
        *,
        keyring: KeyRing,
        snapshots: Snapshots,
        books: Books,
        steps: Steps,
        caps: Caps,
    ) -> None:
        self._keyring = keyring
        self._snapshots = snapshots
        self._books = books
        self._understanding = steps.understanding
        self._planner = steps.planner
        self._executor = steps.executor
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
            entry.route_id = grant(request.route_id, tenant, snapshot).id
            asked = await self._understanding.of(  # 3 classify
                request, tenant, exchange, snapshot, entry.key_tags
            )
            entry.facts = asked.facts
            decision = decide(asked.facts, snapshot)  # 4 routing/decide
            entry.decision = self._planner.capped(decision, asked.facts, snapshot)
            plan = await self._planner.plan(asked, entry.decision, snapshot)  # 4 execution/plan
            entry.decision, entry.request = plan.decision, plan.request
            entry.keep_as, entry.held, entry.redacted = plan.keep_as, plan.held, plan.redacted
            if plan.ready is not None:
                _tell(exchange, plan.ready, stream=plan.request.stream, headers=told(entry))
                return
            entry.opening = await self._open(plan.request, exchange, entry)  # 6 execution/executor
            del (
                request,
                asked,
                decision,
                plan,
            )  # nothing is sent again: a stream need not keep its prompt
            entry.let_go_of_body()
            entry.ending = await relay(entry.opening, exchange.sink, told(entry))  # 7 relay

    async def route(self, exchange: Exchange) -> None:
        """Answer with the decision for a chat, and send nothing upstream."""
        with self._books.entry(exchange) as entry:
            snapshot = self._snapshots.current
            tenant = await self._tenant_of(exchange, snapshot, entry)
            question = routing_question(await exchange.body(), self._caps)
            request = parse(Endpoint.CHAT, question.chat, self._caps)
            entry.request = request
            entry.route_id = grant(request.route_id, tenant, snapshot).id
            supposed = replace(tenant, tier=question.tier or tenant.tier)
            asked = await self._understanding.of(
                request, supposed, exchange, snapshot, entry.key_tags
            )
            entry.facts = asked.facts
            decision = decide(asked.facts, snapshot)
            entry.decision = self._planner.foreseen(asked, decision, snapshot)
            expected = expected_of(entry.decision, asked.facts, snapshot)
            shown = orjson.dumps(explained(entry.decision, expected))
            _tell(exchange, shown)

    async def models(self, exchange: Exchange, route_id: str | None) -> None:
        """Answer with the routes that the caller may ask for, or the one named *route_id*."""
        with self._books.entry(exchange) as entry:
            snapshot = self._snapshots.current
            tenant = await self._tenant_of(exchange, snapshot, entry)
            if route_id is None:
                body = models_body(snapshot.routes_of(tenant), MODELS_CREATED_S)
            else:
                body = model_body(grant(route_id, tenant, snapshot), MODELS_CREATED_S)
            _tell(exchange, body)

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


def _tell(
    exchange: Exchange,
    body: bytes,
    *,
    stream: bool = False,
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    """Answer with what needs no provider."""
    kind = "text/event-stream; charset=utf-8" if stream else "application/json"
    exchange.sink.start(Head(200, kind, len(body), stream=stream, headers=headers))
    exchange.sink.write(body)
    exchange.sink.end()


def told(entry: Entry) -> tuple[tuple[str, str], ...]:
    """The headers that tell the client how its request was routed."""
    decision = entry.decision
    assert decision is not None
    headers = [
        ("x-pointsman-route", decision.route.id),
        ("x-pointsman-attempts", str(len(entry.attempts))),
        ("x-pointsman-config", decision.config_version),
        ("x-pointsman-decision", summary_of(decision)),
    ]
    if entry.opening is not None:
        headers.append(("x-pointsman-target", entry.opening.call.target.id))
    if entry.redacted:
        told_kinds = ", ".join(f"{kind}={count}" for kind, count in entry.redacted)
        headers.append(("x-pointsman-redacted", told_kinds))
    if decision.degradation is not None:
        headers.append(("x-pointsman-degraded", header_of(decision.degradation)))
    return tuple(headers)
