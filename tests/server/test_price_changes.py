"""A price that changes while the gateway runs counts from the next decision on."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.config.catalogue import Catalogue, Model, render
from proxy.domain.price import DatedPrice, Price
from proxy.state.connection import Connection
from proxy.state.prices import PriceStore
from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.raw import a_chat

CONFIG = """\
prices: {{file: prices.yaml%s}}
providers:
  first: {{dialect: openai, base_url: "{first}", allow_private: true, catalog: sim}}
targets:
  first/sim-medium: {{provider: first, model: sim-medium}}
routes:
  auto: {{targets: [first/sim-medium]}}
tenants:
  acme: {{tier: pro, routes: [auto]}}
"""


def a_catalogue(as_of: str, nanousd: int, id: str = "sim/sim-medium") -> Catalogue:
    """A catalogue in which each token of the model costs a thousandth of *nanousd*."""
    model = Model(id, (DatedPrice(0, Price(nanousd, nanousd)),))
    return Catalogue(as_of, "a test", {model.id: model})


async def cost_of_a_call(gateway: GatewayUnderTest, http: aiohttp.ClientSession) -> Any:
    """The line of one call more: what it cost a token, and the config's version."""
    before = sum(row["event"] == "request" for row in gateway.lines.rows)
    async with http.post(
        f"http://127.0.0.1:{gateway.port}/v1/chat/completions",
        data=a_chat(),
        headers=gateway.headers,
    ) as response:
        assert response.status == 200
        await response.read()
    row = (await gateway.lines.requests(before + 1))[before]
    tokens = row["tokens"]["prompt"] + row["tokens"]["completion"]
    return row["cost_nanousd"] / tokens, row["config"]


async def until_priced_at(
    gateway: GatewayUnderTest, http: aiohttp.ClientSession, nanousd: float
) -> str:
    """Call until a token costs *nanousd*; the config's version by then."""
    async with asyncio.timeout(10):
        while True:
            cost, version = await cost_of_a_call(gateway, http)
            if cost == nanousd:
                return str(version)


@pytest.mark.slow
async def test_pushed_price_counts_without_a_restart(
    redis_url: str, http: aiohttp.ClientSession
) -> None:
    """Each call costs what was in force when it was decided, and names the version that was."""
    of_file = a_catalogue("2026-01-01", 3_000_000)
    async with running_gateway(
        redis_url, config_text=CONFIG % "", names=("first",), catalogue=of_file
    ) as gateway:
        cost, version = await cost_of_a_call(gateway, http)
        assert cost == 3

        connection = Connection(redis_url)
        await PriceStore(connection).publish(render(a_catalogue("2026-01-02", 5_000_000)))
        await connection.close()

        assert await until_priced_at(gateway, http, 5) != version


@pytest.mark.slow
async def test_gateway_fetches_prices_by_itself(
    redis_url: str, http: aiohttp.ClientSession
) -> None:
    """On its schedule, from a list of another form, without anybody's doing."""

    async def feed(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "sim-medium": {
                    "litellm_provider": "sim",
                    "mode": "chat",
                    "input_cost_per_token": 4e-9,
                    "output_cost_per_token": 4e-9,
                }
            }
        )

    app = web.Application()
    app.router.add_get("/feed.json", feed)
    async with TestServer(app, host="127.0.0.1") as server:
        sync = f", sync: {{{{from: '{server.make_url('/feed.json')}'}}}}"
        async with running_gateway(
            redis_url,
            config_text=CONFIG % sync,
            names=("first",),
            catalogue=a_catalogue("2026-01-01", 3_000_000),
        ) as gateway:
            await until_priced_at(gateway, http, 4)
