"""Fixtures of the tests that go through the whole gateway."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from tests.gateway import GatewayUnderTest, running_gateway


@pytest_asyncio.fixture
async def gateway(redis_url: str) -> AsyncIterator[GatewayUnderTest]:
    """A running gateway before three simulated providers."""
    async with running_gateway(redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps bodies as they came."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session
