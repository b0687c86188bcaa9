"""What each measured program is told, as values that its file format can hold. Pure.

All of them read JSON: Envoy by the file's ending, LiteLLM and Pointsman because YAML holds it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.certificates import HOST

_ENVOY_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters"

Config = dict[str, object]


def envoy_config(port: int, upstream_port: int, ca: Path | None = None) -> Config:
    """One listener, one cluster, the router as the only filter; no log, no time limit.

    *ca*: TLS to the upstream, whose certificate and name are verified by it.
    """
    manager = {
        "@type": f"{_ENVOY_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "stream_idle_timeout": "0s",
        "route_config": {"virtual_hosts": [_envoy_virtual_host()]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_ENVOY_FILTERS}.http.router.v3.Router"},
            }
        ],
    }
    network_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager,
    }
    listener = {
        "name": "bench",
        "address": _envoy_address(port),
        "filter_chains": [{"filters": [network_filter]}],
    }
    cluster = _cluster(upstream_port) | ({} if ca is None else _upstream_tls(ca))
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _envoy_virtual_host() -> Config:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    return {"name": "all", "domains": ["*"], "routes": [route]}


def _cluster(upstream_port: int) -> Config:
    endpoint = {"endpoint": {"address": _envoy_address(upstream_port)}}
    # The default of 1,024 connections would refuse some of 1,000 streams beside plain calls.
    thresholds = {"max_connections": 1 << 16, "max_requests": 1 << 16}
    return {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [thresholds]},
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _upstream_tls(ca: Path) -> Config:
    name = {"san_type": "DNS", "matcher": {"exact": HOST}}
    validation = {
        "trusted_ca": {"filename": str(ca)},
        "match_typed_subject_alt_names": [name],
    }
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": HOST,
        "common_tls_context": {"validation_context": validation},
    }
    return {
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
    }


def _envoy_address(port: int) -> Config:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def litellm_config(upstream_port: int, master_key: str) -> Config:
    """One model, the master key as the only key; no database, no callbacks, no retries."""
    parameters = {
        "model": "openai/bench-model",
        "api_base": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "none",
    }
    return {
        "model_list": [{"model_name": "bench", "litellm_params": parameters}],
        "litellm_settings": {"telemetry": False, "num_retries": 0, "request_timeout": 600},
        "general_settings": {"master_key": master_key},
    }


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a gateway's config is: tenants, routes that each of them may ask for, and targets
    of each route, no two routes sharing one.
    """

    tenants: int = 1
    routes: int = 1
    targets: int = 2


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the measured gateway's config says beside its shape. `ca`: TLS to the upstream."""

    port: int
    upstream_port: int
    redis: Path
    pepper: Path
    ca: Path | None = None
    workers: int = 1


def pointsman_config(gateway: Gateway, shape: Shape = Shape()) -> Config:
    """Two providers at the same upstream, each route's priced targets in turn at either.

    The tenant and the route that are measured are called `bench`.
    """
    routes = ["bench", *(f"route-{number}" for number in range(2, shape.routes + 1))]
    tenants = ["bench", *(f"tenant-{number}" for number in range(2, shape.tenants + 1))]
    targets = {
        route: [f"{route}/{number}" for number in range(1, shape.targets + 1)] for route in routes
    }
    return {
        "server": {
            "listen": f"127.0.0.1:{gateway.port}",
            "workers": gateway.workers,
            "redis": f"unix://{gateway.redis}",
            "pepper": f"file:{gateway.pepper}",
            "drain_delay_s": 0,
            "drain_grace_s": 1,
        },
        "providers": {name: _provider(gateway) for name in ("first", "second")},
        "targets": {
            name: _target(("first", "second")[at % 2])
            for names in targets.values()
            for at, name in enumerate(names)
        },
        "routes": {route: {"targets": names} for route, names in targets.items()},
        "tenants": {tenant: {"tier": "enterprise", "routes": routes} for tenant in tenants},
    }


def _provider(gateway: Gateway) -> Config:
    provider: Config = {
        "dialect": "openai",
        "base_url": f"http://127.0.0.1:{gateway.upstream_port}/v1",
        "allow_private": True,
        "limits": {"max_connections": 4096},
    }
    if gateway.ca is not None:
        provider["base_url"] = f"https://{HOST}:{gateway.upstream_port}/v1"
        provider["tls"] = {"ca": str(gateway.ca)}
    return provider


def _target(provider: str) -> Config:
    price = {"input_usd_per_million": 0.15, "output_usd_per_million": 0.60}
    return {"provider": provider, "model": "bench-model", "price": price}
