"""A running simulator, and a raw connection to it."""

from collections.abc import AsyncIterator

import pytest

from proxy.simulator.server import Simulator, running_simulator
from tests.contract.simulator.rawhttp import Exchange, exchange_with


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """One flawless provider, scripted by the test."""
    async with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def ask(sim: Simulator) -> Exchange:
    """Sends one request on a connection of its own and reads until that ends."""
    return exchange_with(sim.url)
