"""Fixtures of the tests with the real SDKs: a gateway, and each kind of client before it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI

from tests.gateway import GatewayUnderTest, running_gateway
from tests.sdk.clients import AsyncSdk, Sdk, SyncSdk
from tests.sdk.routes import ROUTES


@pytest_asyncio.fixture
async def gateway(redis_url: str) -> AsyncIterator[GatewayUnderTest]:
    """A running gateway before three simulated providers, with the routes of `ROUTES`."""
    async with running_gateway(redis_url, config_text=ROUTES) as running:
        yield running


@pytest_asyncio.fixture(params=["sync", "async"])
async def sdk(request: pytest.FixtureRequest, gateway: GatewayUnderTest) -> AsyncIterator[Sdk]:
    """The SDK as an application sets it up: its base URL and its key, nothing else."""
    options: dict[str, Any] = {"base_url": f"{gateway.url}/v1", "api_key": gateway.token}
    client: Sdk
    if request.param == "sync":
        client = SyncSdk(OpenAI(**options))
    else:
        client = AsyncSdk(AsyncOpenAI(**options))
    yield client
    await client.close()
