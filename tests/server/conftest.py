"""Fixtures of the tests that go through the whole gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest_asyncio
import uvloop

from tests.gateway import GatewayUnderTest, running_gateway


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """These tests run on the event loop that the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop}


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
