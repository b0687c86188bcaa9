"""Fixtures of the whole suite: a real Redis, one server a session, emptied for each test."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis

from proxy.state.embedded import EmbeddedRedis

# How long an example takes says more of the machine, which may be busy, than of the code.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One real Redis for the whole session; nothing of it is kept."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The URL of the session's Redis, which is empty now."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url
