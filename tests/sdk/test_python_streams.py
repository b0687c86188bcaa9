"""Streams that end badly raise in the Python SDK, always; streams that are left are cancelled."""

import asyncio
import json
from typing import Any

import openai
import pytest

from tests.gateway import GatewayUnderTest, running_gateway
from tests.sdk.broken import BROKEN, UNREADABLE
from tests.sdk.clients import Sdk, Streamed, a_chat
from tests.sdk.routes import ROUTES

CANCELLED_WITHIN_S = 1.0


async def _chat_stream(sdk: Sdk, **fields: Any) -> Streamed:
    return await sdk.streamed(
        lambda client: client.chat.completions.create(**a_chat(stream=True, **fields))
    )


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_broken_stream_raises_with_its_code(
    gateway: GatewayUnderTest, sdk: Sdk, script: dict[str, Any], connection: str
) -> None:
    """Whatever breaks a stream that began, the application gets what came, then an exception.

    Nothing is retried, neither by the gateway nor by the SDK.
    """
    gateway.script(**script)

    streamed = await _chat_stream(sdk, model="hasty", extra_headers={"Connection": connection})

    assert streamed.chunks
    assert streamed.finish_reason is None
    assert type(streamed.error) is openai.APIError
    assert streamed.error.code == "provider_interrupted"
    assert gateway.calls("first") == 1
    (row,) = await gateway.lines.requests(1)
    assert row["ending"].startswith("upstream_")


@pytest.mark.parametrize("script", UNREADABLE.values(), ids=UNREADABLE)
async def test_event_that_is_not_json_raises(
    gateway: GatewayUnderTest, sdk: Sdk, script: dict[str, Any]
) -> None:
    """An event that went through unread and is not JSON raises in the SDK as such."""
    gateway.script(**script)

    streamed = await _chat_stream(sdk)

    assert streamed.chunks
    assert isinstance(streamed.error, json.JSONDecodeError | openai.APIError)


async def test_broken_completion_stream_raises(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """The older endpoint's streams break as loudly."""
    gateway.script(cut_at_event=4)

    streamed = await sdk.streamed(
        lambda client: client.completions.create(model="auto", prompt="Go on", stream=True)
    )

    assert len(streamed.chunks) == 4
    assert type(streamed.error) is openai.APIError
    assert streamed.error.code == "provider_interrupted"


async def test_stream_helper_raises_when_the_stream_breaks(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """The SDK's accumulator never takes a part of an answer for the whole."""
    gateway.script(cut_at_event=4)

    with pytest.raises(openai.APIError) as raised:
        await sdk.final(lambda client: client.chat.completions.stream(**a_chat()))

    assert raised.value.code == "provider_interrupted"


async def test_stream_that_the_drain_breaks_off_raises(
    gateway: GatewayUnderTest, sdk: Sdk, redis_url: str
) -> None:
    """A gateway that stops tells the streams that outlast its grace."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with running_gateway(redis_url, config_text=ROUTES, drain_grace_s=0.0) as stopping:
        stopping.script(stall_at_event=4)
        there = sdk.with_options(base_url=f"{stopping.url}/v1", api_key=stopping.token)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(
                there.streamed(
                    lambda client: client.chat.completions.create(**a_chat(stream=True)),
                    on_chunk=lambda: loop.call_soon_threadsafe(begun.set),
                )
            )
            await begun.wait()
            await stopping.runner.cleanup()

    streamed = reading.result()
    assert streamed.chunks
    assert type(streamed.error) is openai.APIError
    assert streamed.error.code == "draining"


LEFT = {
    "between slow tokens": {"tokens": 10_000, "tokens_per_second": 50},
    "in silence": {"stall_at_event": 3},
    "in full flow": {"tokens": 200_000},
}


@pytest.mark.parametrize("script", LEFT.values(), ids=LEFT)
async def test_left_stream_is_cancelled_upstream(
    gateway: GatewayUnderTest, sdk: Sdk, script: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An application that closes a stream early stops the provider's work within a second.

    The record blames nobody, and nothing is logged as an error: leaving is no failure.
    """
    gateway.script(**script)
    provider = gateway.simulator.providers["first"]

    await sdk.leave_after(
        lambda client: client.chat.completions.create(**a_chat(stream=True)), chunks=3
    )
    async with asyncio.timeout(CANCELLED_WITHIN_S):
        await gateway.simulator.until(lambda: provider.stats.cancelled == 1)

    (row,) = await gateway.lines.requests(1)
    assert row["ending"] == "client_gone"
    assert row["evidence"] == "estimated"
    assert caplog.records == []


@pytest.mark.parametrize("stream", [False, True])
async def test_impatient_client_is_cancelled_upstream(
    gateway: GatewayUnderTest, sdk: Sdk, stream: bool
) -> None:
    """A client whose own timeout strikes before the answer stops the provider's work too."""
    gateway.script(hang="head")
    provider = gateway.simulator.providers["first"]
    impatient = sdk.with_options(timeout=0.1, max_retries=0)

    with pytest.raises(openai.APITimeoutError):
        await impatient.call(lambda client: client.chat.completions.create(**a_chat(stream=stream)))
    async with asyncio.timeout(CANCELLED_WITHIN_S):
        await gateway.simulator.until(lambda: provider.stats.cancelled == 1)

    assert gateway.calls("second") == 0


async def test_streams_leave_the_connections_usable(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """Streams that were read to their end cost no further connection to the provider."""
    for _ in range(3):
        assert (await _chat_stream(sdk)).error is None

    assert gateway.simulator.providers["first"].stats.connections_accepted == 1
