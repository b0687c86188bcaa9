"""What of a call goes upstream, and what of an answer's head comes back, by the Python SDK."""

from typing import Any

import orjson
import pytest

from tests.gateway import GatewayUnderTest
from tests.sdk.clients import Sdk, a_chat

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PASSED = {
    "OpenAI-Beta": "assistants=v2",
    "Idempotency-Key": "again-1",
    "X-Client-Request-Id": "mine-1",
    "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
}
KEPT_BACK = {
    "OpenAI-Organization": "org-of-the-client",
    "OpenAI-Project": "proj-of-the-client",
    "Cookie": "session=1",
    "X-Forwarded-For": "192.0.2.1",
    "Forwarded": "for=192.0.2.1",
    "X-Pointsman-Feature": "search",
    "X-Anything": "else",
    "Api-Key": "of-the-client",
}


async def _echoed(gateway: GatewayUnderTest, sdk: Sdk, **fields: Any) -> dict[str, str]:
    """The headers that the provider got, names in lower case, as it tells them itself."""
    gateway.script(echo=True)
    completion = await sdk.call(lambda client: client.chat.completions.create(**a_chat(**fields)))
    told = orjson.loads(completion.choices[0].message.content)
    return {name.lower(): value for name, value in told["headers"]}


async def test_only_allowed_headers_go_upstream(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """Headers on the allow-list pass as they are; all others, the SDK's own too, stay here."""
    sent = await _echoed(gateway, sdk, extra_headers={**PASSED, **KEPT_BACK})

    assert {name: sent.get(name.lower()) for name in PASSED} == PASSED
    assert sent.keys().isdisjoint(name.lower() for name in KEPT_BACK)
    assert not [name for name in sent if name.startswith("x-stainless")]
    assert not sent["user-agent"].startswith("OpenAI")
    (row,) = await gateway.lines.requests(1)
    assert row["trace_id"] == TRACE


async def test_key_of_the_client_stays_here(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """The provider gets the gateway's credential; the client's key stands nowhere in the call."""
    await _echoed(gateway, sdk)

    (received,) = gateway.simulator.providers["first"].received
    assert (received.header("authorization") or "").startswith("Bearer sk-")
    assert gateway.token not in str(received.headers)
    assert gateway.token.encode() not in received.body


@pytest.mark.parametrize("stream", [False, True])
async def test_unknown_fields_go_upstream_untouched(
    gateway: GatewayUnderTest, sdk: Sdk, stream: bool
) -> None:
    """The SDK's extra_body reaches the provider; `model` is the target's, `routing` stays here."""
    extra = {"top_k": 40, "chat_template_kwargs": {"enable_thinking": False, "x": [1.5, None]}}

    await sdk.call(
        lambda client: client.chat.completions.with_raw_response.create(
            **a_chat(stream=stream, extra_body={**extra, "routing": {"feature": "search"}})
        )
    )

    (received,) = gateway.simulator.providers["first"].received
    body = orjson.loads(received.body)
    assert {name: body[name] for name in extra} == extra
    assert body["model"] == "sim-medium"
    assert "routing" not in body


async def test_extra_query_stays_here(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A query of the client's is not copied onto the provider's URL."""
    await _echoed(gateway, sdk, extra_query={"api-version": "1"})

    (received,) = gateway.simulator.providers["first"].received
    assert received.target == "/v1/chat/completions"


@pytest.mark.parametrize("stream", [False, True])
async def test_answer_tells_how_it_was_routed(
    gateway: GatewayUnderTest, sdk: Sdk, stream: bool
) -> None:
    """The raw response bears route, target, attempts, config version and request id."""
    gateway.script("first", error={"status": 500})

    raw = await sdk.call(
        lambda client: client.chat.completions.with_raw_response.create(**a_chat(stream=stream))
    )

    assert raw.headers["x-pointsman-route"] == "auto"
    assert raw.headers["x-pointsman-target"] == "second/sim-medium"
    assert raw.headers["x-pointsman-attempts"] == "2"
    assert raw.headers["x-pointsman-config"] == gateway.config.snapshot.version
    assert raw.headers["x-request-id"] == raw.request_id
    assert raw.headers.get("connection") != "close"


async def test_nothing_of_the_providers_head_comes_back(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """A provider's own headers, cookies above all, are not the client's."""
    gateway.script(headers={"set-cookie": "a=1", "server": "secret", "openai-organization": "ours"})

    raw = await sdk.call(
        lambda client: client.chat.completions.with_raw_response.create(**a_chat())
    )

    assert not {"set-cookie", "openai-organization", "x-sim-seed"} & set(raw.headers)
    assert raw.headers.get("server") != "secret"
