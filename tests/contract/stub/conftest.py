"""Fixtures of the tests with a stub."""

from collections.abc import AsyncIterator

import pytest
from configs import POLICIES

from proxy.stub import Stub, running_stub


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    """A stub of the policies by example."""
    async with running_stub(POLICIES) as running:
        yield running
