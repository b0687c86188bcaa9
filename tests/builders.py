"""Builds values of the domain with defaults, so that a test says only what it is about."""

from typing import Any

import orjson

from proxy.domain.catalog import Endpoint, Provider, Route, Target, Timeouts
from proxy.domain.decision import Candidate, Decision, Terms
from proxy.domain.facts import Facts
from proxy.domain.labels import (
    Label,
    Labels,
    LatencyClass,
    Origin,
    OutputType,
    Risk,
    Sensitivity,
    Workload,
)
from proxy.domain.price import Price
from proxy.domain.request import Request
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Standing
from proxy.domain.tenant import Tenant
from proxy.ports import Call
from proxy.units import LoopSeconds, NanoUsd
from proxy.wire.limits import Caps
from proxy.wire.parse import parse

FOR_EVER = LoopSeconds(float("inf"))


def a_provider(id_: str = "first", **fields: Any) -> Provider:
    """A provider on a host of its own name; *fields* of Timeouts go there."""
    times = {name: fields.pop(name) for name in list(fields) if name in Timeouts.__slots__}
    return Provider(id_, "openai", f"http://{id_}/v1", timeouts=Timeouts(**times), **fields)


def a_target(id_: str = "first/m", **fields: Any) -> Target:
    """A target at the provider that its id names, a dollar in, two out."""
    provider = fields.pop("provider", a_provider(id_.partition("/")[0]))
    price = fields.pop("price", Price(1_000_000_000, 2_000_000_000))
    return Target(id_, provider, fields.pop("model", "m"), price, **fields)


def a_route(*targets: Target, **fields: Any) -> Route:
    """The route `auto` over *targets*, or over one of them."""
    return Route("auto", targets or (a_target(),), **fields)


def a_candidate(target: Target | None = None, **fields: Any) -> Candidate:
    """A candidate of whom nothing special is known."""
    known = Candidate(
        target or a_target(),
        score=0.5,
        terms=Terms(0.5, 0.5, 0.5, 0.5, 0.5, 0.0),
        cost_nanousd=NanoUsd(1000),
        first_token_ms=None,
        total_ms=None,
        prompt_tokens=25,
        completion_tokens=300,
    )
    return known._replace(**fields)


def a_decision(*targets: Target, **fields: Any) -> Decision:
    """A decision that ranks *targets*; *fields* are the route's."""
    route = a_route(*targets, **fields)
    ranking = tuple(a_candidate(target) for target in route.targets)
    return Decision(route, ranking, (), "v1", some_labels())


def a_snapshot(*routes: Route, **fields: Any) -> Snapshot:
    """A snapshot of *routes* and what stands behind them; *standings* are by target id."""
    targets = {target.id: target for route in routes for target in route.targets}
    defaults: dict[str, Any] = {
        "version": "v1",
        "providers": {target.provider.id: target.provider for target in targets.values()},
        "targets": targets,
        "routes": {route.id: route for route in routes},
        "tenants": {"acme": Tenant("acme", "pro", frozenset(route.id for route in routes))},
    }
    return Snapshot(**(defaults | fields))


def a_standing(**fields: Any) -> Standing:
    """A target that has been well for a while."""
    known: dict[str, Any] = {
        "samples": 1000,
        "error_rate": 0.01,
        "first_token_p50_ms": 400.0,
        "first_token_p95_ms": 900.0,
        "tokens_per_s": 80.0,
        "headroom": 0.8,
    }
    return Standing(**(known | fields))


def some_labels(**values: Any) -> Labels:
    """Labels by default; *values* of labels are as sure as a caller's."""
    plain: dict[str, Any] = {
        "workload": Workload.CHAT,
        "sensitivity": Sensitivity.PUBLIC,
        "language": "en",
        "output_type": OutputType.TEXT,
        "risk": Risk.NORMAL,
        "latency_class": LatencyClass.INTERACTIVE,
    }
    said = {
        name: Label(values.pop(name), Origin.CALLER, 1.0)
        if name in values
        else Label(value, Origin.DEFAULT, 0.5)
        for name, value in plain.items()
    }
    return Labels(**({"kinds": ()} | said | values))


def some_facts(**fields: Any) -> Facts:
    """A short chat for the route `auto`; *workload* and *risk* are labels'."""
    said = {name: fields.pop(name) for name in ("workload", "risk") if name in fields}
    defaults: dict[str, Any] = {
        "tenant_id": "acme",
        "tenant_tier": "pro",
        "key_tags": frozenset(),
        "route_id": "auto",
        "endpoint": Endpoint.CHAT,
        "labels": some_labels(**said),
        "needs": frozenset(),
        "stream": False,
        "prompt_bytes": 100,
        "message_count": 1,
        "turns": 1,
        "images": 0,
        "tools": 0,
        "max_output_tokens": None,
        "n": 1,
        "max_latency_ms": None,
        "feature": None,
        "scopes": (),
        "session": None,
        "prefix": None,
        "headers": (),
        "tool_origin": None,
        "unix_s": 1_767_225_600,
        "draw": 0.25,
    }
    return Facts(**(defaults | fields))


def parsed(body: bytes, endpoint: Endpoint = Endpoint.CHAT) -> Request:
    """*body* as the request that it is."""
    return parse(endpoint, body, Caps())


def a_request(**fields: Any) -> Request:
    """A parsed chat request."""
    chat = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], **fields}
    return parsed(orjson.dumps(chat))


def an_embedding() -> Request:
    """A parsed embeddings request."""
    return parsed(b'{"model":"auto","input":"Hello you"}', Endpoint.EMBEDDINGS)


def a_call(request: Request | None = None, target: Target | None = None) -> Call:
    """A call of *request*, or a chat, to *target*, or `first/m`."""
    return Call(request or a_request(), target or a_target(), {}, FOR_EVER)
