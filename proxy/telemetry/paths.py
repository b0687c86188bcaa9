"""The closed sets that a log line or a label may name of a client's request. Pure.

Whatever a client or an upstream can choose freely (a path, a method, a finish reason) is mapped
onto one of these words or onto `other`, so that neither logs nor metrics can carry text of
theirs, and the number of series has a bound.
"""

from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.errors import CATALOGUE

OTHER: Final = "other"

ENDPOINTS: Final = frozenset(
    {*(endpoint.value for endpoint in Endpoint), "route", "models", "healthz", "readyz", "metrics"}
)
"""The values of the label `endpoint`, beside `other`."""

_ENDPOINT_BY_PATH: Final = {
    **{f"/v1/{endpoint.value}": endpoint.value for endpoint in Endpoint},
    "/v1/route": "route",
    "/v1/models": "models",
    "/v1/models/{id}": "models",
    "/healthz": "healthz",
    "/readyz": "readyz",
    "/metrics": "metrics",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FINISH_REASONS: Final = frozenset(
    {"stop", "length", "tool_calls", "content_filter", "function_call", "error"}
)


def endpoint_of(path: str) -> str:
    """The endpoint that *path* belongs to, one of `ENDPOINTS` or `other`."""
    endpoint = _ENDPOINT_BY_PATH.get(path)
    if endpoint is None:
        return "models" if path.startswith("/v1/models/") else OTHER
    return endpoint


def path_of(path: str) -> str:
    """*path* where it is one of ours, with the model's id left out, else `other`."""
    if path in _ENDPOINT_BY_PATH:
        return path
    return "/v1/models/{id}" if path.startswith("/v1/models/") else OTHER


def method_of(method: str) -> str:
    """*method* where HTTP defines it for us, else `other`."""
    return method if method in _METHODS else OTHER


def finish_reason_of(reason: str | None) -> str | None:
    """*reason* where OpenAI's API defines it, else `other`: it is the upstream's free text."""
    return reason if reason is None or reason in _FINISH_REASONS else OTHER


def error_code_of(code: str | None) -> str | None:
    """*code* where the catalogue has it, else `other`: an upstream's own codes stay out."""
    return code if code is None or code in CATALOGUE else OTHER
