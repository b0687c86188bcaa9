"""Both transports, on both event loops, before an upstream that sends whatever it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
import uvloop

from proxy.tasks import Supervisor
from tests.contract.providers.callers import Caller, Client
from tests.server.upstream import RawUpstream, raw_upstream


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The gateway runs on uvloop; its tools may run on asyncio's own."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(params=["http1", "client"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which transport is tried."""
    return str(request.param)


@pytest_asyncio.fixture
async def client(kind: str) -> AsyncIterator[Client]:
    """The transport under test; everything it opened is closed at the end."""
    failures: list[BaseException] = []
    supervisor = Supervisor(lambda _, error: failures.append(error))
    made = Client(kind, supervisor)
    yield made
    await supervisor.stop()
    await made.close()
    assert failures == []


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """An upstream that misbehaves as told."""
    async with raw_upstream() as running:
        yield running


@pytest_asyncio.fixture
async def caller(client: Client, upstream: RawUpstream) -> Caller:
    """Calls the misbehaving upstream."""
    return Caller(client, upstream.url)
