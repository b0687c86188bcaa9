"""What each measured program is told, as values that its file format can hold. Pure.

All of them read JSON: Envoy by the file's ending, LiteLLM and Pointsman because YAML holds it.
"""

from pathlib import Path
from typing import Final

_ENVOY_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters"

Config = dict[str, object]


def envoy_config(port: int, upstream_port: int) -> Config:
    """One listener, one cluster, the router as the only filter; no log, no time limit."""
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
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(upstream_port)]}}


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


def pointsman_config(port: int, upstream_port: int, redis: Path, pepper: Path) -> Config:
    """Two providers at the same upstream, a priced target at each, one route over both."""
    provider = {
        "dialect": "openai",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "allow_private": True,
        "limits": {"max_connections": 4096},
    }
    price = {"input_usd_per_million": 0.15, "output_usd_per_million": 0.60}
    return {
        "server": {
            "listen": f"127.0.0.1:{port}",
            "workers": 1,
            "redis": f"unix://{redis}",
            "pepper": f"file:{pepper}",
            "drain_delay_s": 0,
            "drain_grace_s": 1,
        },
        "providers": {"first": provider, "second": provider},
        "targets": {
            f"{name}/bench-model": {"provider": name, "model": "bench-model", "price": price}
            for name in ("first", "second")
        },
        "routes": {"bench": {"targets": ["first/bench-model", "second/bench-model"]}},
        "tenants": {"bench": {"tier": "enterprise", "routes": ["bench"]}},
    }
