"""Before the commit point the next target answers; the client never notices."""

from typing import Any

import aiohttp
import pytest

from tests.gateway import GatewayUnderTest, running_gateway


def a_chat(**fields: Any) -> dict[str, Any]:
    """A small chat request on the route `auto`."""
    return {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], **fields}


FAILING = {
    "connection closed after the request": {"close_after_request": True},
    "500": {"error": {"status": 500}},
    "503 in HTML": {"error": {"status": 503, "body": "html"}},
    "429": {"error": {"status": 429}},
    "401, the gateway's own credential": {"error": {"status": 401}},
    "404, the target's own model": {"error": {"status": 404}},
    "redirect": {"redirect": "http://127.0.0.1:9/"},
}
FAILING_STREAM = {
    "error event first": {"error_event_first": True},
    "cut before the first event": {"cut_at_event": 0},
}
FAILING_PLAIN = {
    "a body shorter than announced": {"truncate_bytes": 20},
    "an error with status 200": {"raw": '{"error": {"message": "no"}}'},
    "not JSON": {"raw": "nothing of the kind"},
    "another content type": {"content_type": "text/html"},
}
CASES = [
    *(pytest.param(script, False, id=f"plain: {name}") for name, script in FAILING.items()),
    *(pytest.param(script, False, id=f"plain: {name}") for name, script in FAILING_PLAIN.items()),
    *(pytest.param(script, True, id=f"stream: {name}") for name, script in FAILING.items()),
    *(pytest.param(script, True, id=f"stream: {name}") for name, script in FAILING_STREAM.items()),
]


@pytest.mark.parametrize(("script", "stream"), CASES)
async def test_failed_target_is_followed_by_the_next(
    gateway: GatewayUnderTest, http: aiohttp.ClientSession, script: dict[str, Any], stream: bool
) -> None:
    """Whatever is wrong with the first target, the second answers, and the record says why."""
    gateway.script("first", **script)

    async with http.post(
        f"{gateway.url}/v1/chat/completions", json=a_chat(stream=stream), headers=gateway.headers
    ) as response:
        body = await response.read()

    assert response.status == 200
    assert b'"finish_reason":"stop"' in body
    assert response.headers["x-pointsman-target"] == "second/sim-medium"
    (row,) = await gateway.lines.requests(1)
    assert [attempt["target"] for attempt in row["attempts"]] == [
        "first/sim-medium",
        "second/sim-medium",
    ]
    assert row["attempts"][0]["failure"] is not None


async def test_stale_connection_is_retried_on_a_fresh_one(
    gateway: GatewayUnderTest, http: aiohttp.ClientSession
) -> None:
    """A server that closes a kept connection as the next call comes loses no call to it."""
    url = f"{gateway.url}/v1/chat/completions"
    async with http.post(url, json=a_chat(), headers=gateway.headers) as response:
        await response.read()
    gateway.simulator.queue_scripts([{"close_after_request": True}], provider="first")

    async with http.post(url, json=a_chat(), headers=gateway.headers) as response:
        await response.read()

    assert response.status == 200
    assert response.headers["x-pointsman-target"] == "first/sim-medium"
    first, again = (await gateway.lines.requests(2))[1]["attempts"]
    assert (first["failure"], first["maybe_billed"]) == ("stale_connection", True)
    assert (again["failure"], again["fresh_connection"]) == (None, True)


async def test_clients_own_mistake_is_not_tried_elsewhere(
    gateway: GatewayUnderTest, http: aiohttp.ClientSession
) -> None:
    """A provider's 400 comes back as it is; no other target is bothered with it."""
    gateway.script("first", error={"status": 400, "code": "invalid_value"})

    async with http.post(
        f"{gateway.url}/v1/chat/completions", json=a_chat(), headers=gateway.headers
    ) as response:
        error = (await response.json())["error"]

    assert response.status == 400
    assert error["code"] == "invalid_value"
    assert gateway.calls("second") == 0


async def test_everything_rate_limited_is_a_429_with_the_shortest_wait(
    gateway: GatewayUnderTest, http: aiohttp.ClientSession
) -> None:
    """When all targets say 429, so do we, and name the wait of the one that is back first."""
    for name, wait_s in (("first", 30), ("second", 7), ("third", 20)):
        gateway.script(name, rate_limited={"retry_after": wait_s})

    async with http.post(
        f"{gateway.url}/v1/chat/completions", json=a_chat(), headers=gateway.headers
    ) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (429, "provider_rate_limited")
    assert response.headers["retry-after"] == "7"


async def test_attempts_are_at_most_three(redis_url: str, http: aiohttp.ClientSession) -> None:
    """A fourth target is never tried, and the client is told not to try again."""
    async with running_gateway(redis_url, names=("first", "second", "third", "fourth")) as gateway:
        for name in gateway.simulator.urls:
            gateway.script(name, error={"status": 500})

        async with http.post(
            f"{gateway.url}/v1/chat/completions", json=a_chat(), headers=gateway.headers
        ) as response:
            error = (await response.json())["error"]

    assert (response.status, error["code"]) == (502, "provider_failed")
    assert response.headers["x-should-retry"] == "false"
    assert [gateway.calls(name) for name in gateway.simulator.urls] == [1, 1, 1, 0]


async def test_unreachable_target_is_followed_by_the_next(
    redis_url: str, http: aiohttp.ClientSession
) -> None:
    """A refused connection costs the client nothing."""
    config = """
        providers:
          gone: {{dialect: openai, base_url: "http://127.0.0.1:9", allow_private: true}}
          first: {{dialect: openai, base_url: "{first}", allow_private: true}}
        targets:
          gone/m: {{provider: gone, model: sim-medium}}
          first/m: {{provider: first, model: sim-medium}}
        routes:
          auto: {{targets: [gone/m, first/m]}}
        tenants:
          acme: {{tier: pro, routes: [auto]}}
    """
    async with (
        running_gateway(redis_url, config_text=config) as gateway,
        http.post(
            f"{gateway.url}/v1/chat/completions", json=a_chat(), headers=gateway.headers
        ) as response,
    ):
        assert response.status == 200
        (row,) = await gateway.lines.requests(1)

    assert [attempt["failure"] for attempt in row["attempts"]] == ["connect", None]


async def test_first_byte_deadline_leads_to_the_next_target(
    redis_url: str, http: aiohttp.ClientSession
) -> None:
    """A target that is silent for longer than its provider's first-byte deadline is left."""
    config = """
        providers:
          first:
            dialect: openai
            base_url: "{first}"
            allow_private: true
            timeouts: {{plain_first_byte_s: 0.1}}
          second: {{dialect: openai, base_url: "{second}", allow_private: true}}
        targets:
          first/m: {{provider: first, model: sim-medium}}
          second/m: {{provider: second, model: sim-medium}}
        routes:
          auto: {{targets: [first/m, second/m]}}
        tenants:
          acme: {{tier: pro, routes: [auto]}}
    """
    async with running_gateway(redis_url, config_text=config) as gateway:
        gateway.script("first", hang="head")
        async with http.post(
            f"{gateway.url}/v1/chat/completions", json=a_chat(), headers=gateway.headers
        ) as response:
            assert response.status == 200
        (row,) = await gateway.lines.requests(1)

    assert [attempt["failure"] for attempt in row["attempts"]] == ["first_byte_timeout", None]
