"""The list of models that a client sees: the routes it may ask for. Pure."""

from collections.abc import Iterable

import orjson

from proxy.domain.catalog import Route

OWNER = "pointsman"


def models_body(routes: Iterable[Route], created_s: int) -> bytes:
    """The body of `GET /v1/models`; *created_s* is Unix time, when the config came into force."""
    return orjson.dumps({"object": "list", "data": [_model(route, created_s) for route in routes]})


def model_body(route: Route, created_s: int) -> bytes:
    """The body of `GET /v1/models/{id}`."""
    return orjson.dumps(_model(route, created_s))


def _model(route: Route, created_s: int) -> dict[str, object]:
    return {"id": route.id, "object": "model", "created": created_s, "owned_by": OWNER}
