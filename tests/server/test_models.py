"""The list of models is the list of the caller's routes, and nothing of what stands behind them."""

from urllib.parse import quote

import orjson
import pytest

from tests.gateway import GatewayUnderTest
from tests.server.raw import a_get, connected, upstream_calls

ROUTES = ["auto", "one", "org/model:v1", "embeddings"]


async def test_list_names_the_routes_in_the_configs_order(gateway: GatewayUnderTest) -> None:
    """Every route that the key may ask for, in OpenAI's shape; no target, provider or price."""
    async with connected(gateway) as it:
        answer = await it.ask(a_get(gateway, "/v1/models"))

    assert answer.header("content-type") == "application/json"
    body = orjson.loads(answer.body)
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == ROUTES
    for model in body["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert (model["object"], model["owned_by"]) == ("model", "pointsman")
    assert upstream_calls(gateway) == 0


async def test_list_of_a_small_tenant_is_short(gateway: GatewayUnderTest) -> None:
    """Routes of others are neither listed nor found by name."""
    token, _ = await gateway.store.create("small", "test")
    mine = gateway.token.encode()
    async with connected(gateway) as it:
        listed = await it.ask(a_get(gateway, "/v1/models").replace(mine, token.encode()))
        other = await it.ask(a_get(gateway, "/v1/models/auto").replace(mine, token.encode()))
        own = await it.ask(a_get(gateway, "/v1/models/one").replace(mine, token.encode()))

    assert [model["id"] for model in orjson.loads(listed.body)["data"]] == ["one"]
    assert (other.status, other.error["code"]) == (404, "model_not_found")
    assert other.error["message"].endswith("Available: one.")
    assert own.status == 200


@pytest.mark.parametrize(
    "written",
    [
        "org/model:v1",
        quote("org/model:v1"),
        quote("org/model:v1", safe=""),
        "org%2Fmodel%3av1",
        "%6Frg/model:v1",
        "org/model:v1?x=/y",
    ],
)
async def test_id_may_hold_slashes_and_colons(gateway: GatewayUnderTest, written: str) -> None:
    """However an SDK escapes an id, the route is found."""
    async with connected(gateway) as it:
        answer = await it.ask(a_get(gateway, f"/v1/models/{written}"))

    assert answer.status == 200
    assert orjson.loads(answer.body)["id"] == "org/model:v1"
    (row,) = await gateway.lines.requests(1)
    assert (row["path"], row["status"]) == ("/v1/models/{id}", 200)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("none", "none"),
        ("auto/", "auto/"),
        ("AUTO", "AUTO"),
        ("auto%00", "auto?"),
        ("a%0d%0ab", "a??b"),
        ("%ff", "\ufffd"),
        ("%", "%"),
        ("%2", "%2"),
        ("auto%20", "auto "),
        ("../models/auto", "../models/auto"),
        ("x" * 3000, "x" * 64),
    ],
)
async def test_unknown_id_is_named_safely(
    gateway: GatewayUnderTest, written: str, shown: str
) -> None:
    """The id comes back to the caller short and printable, beside what it may ask for."""
    async with connected(gateway) as it:
        answer = await it.ask(a_get(gateway, f"/v1/models/{written}"))

    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["param"] == "model"
    assert f"'{shown}' is not" in answer.error["message"]
    assert ", ".join(ROUTES) in answer.error["message"]


async def test_body_of_a_get_is_not_read_as_the_next_request(gateway: GatewayUnderTest) -> None:
    """A GET may bear a body that nobody wants; the connection lives on behind it."""
    async with connected(gateway) as it:
        first = await it.ask(a_get(gateway, "/v1/models", "Content-Length: 5") + b"GET /")
        second = await it.ask(a_get(gateway, "/v1/models"))

    assert (first.status, second.status) == (200, 200)
