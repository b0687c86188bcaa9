"""What of a client's headers goes upstream, what comes back, and what is logged of a trace."""

import hashlib
from base64 import b64decode
from typing import Any

import orjson
import pytest

from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.raw import Answer, a_chat, a_post, connected

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"

OURS = {
    "host",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "user-agent",
    "authorization",
}
"""What every call upstream bears, whatever the client sent."""


async def echoed(gateway: GatewayUnderTest, *lines: str) -> dict[str, list[str]]:
    """The headers that the provider gets of a request with these *lines*; by lower-case name."""
    gateway.script("first", echo=True)
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, None, *lines))
    return headers_in(answer)


def headers_in(answer: Answer) -> dict[str, list[str]]:
    """The headers that the provider received, by lower-case name."""
    found: dict[str, list[str]] = {}
    for name, value in echo_in(answer)["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def echo_in(answer: Answer) -> Any:
    """What the provider received, as it tells in its answer."""
    assert answer.status == 200
    return orjson.loads(orjson.loads(answer.body)["choices"][0]["message"]["content"])


DROPPED = [
    "Cookie: session=1",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Host: other",
    "X_Forwarded_For: 1.2.3.4",
    "Forwarded: for=1.2.3.4",
    "X-Real-IP: 1.2.3.4",
    "Via: 1.1 proxy",
    "X-Stainless-Lang: python",
    "X-Stainless-Retry-Count: 1",
    "X-Pointsman-Workload: chat",
    "X-Pointsman-Sensitivity: public",
    "OpenAI-Organization: org-1",
    "OpenAI-Project: proj-1",
    "X-Api-Key: k",
    "Api-Key: k",
    "Proxy-Authorization: Basic eDp5",
    "Accept-Language: de",
    "Origin: https://example.com",
    "Referer: https://example.com",
    "TE: trailers",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "X-Sim-Script: {}",
    "X-Request-Id: mine",
    "Cache-Control: no-store",
    "If-None-Match: x",
    "Range: bytes=0-1",
]


async def test_only_listed_headers_go_upstream(gateway: GatewayUnderTest) -> None:
    """Upstream sees our own headers and the listed ones of the client, each once."""
    listed = [
        "Idempotency-Key: key-1",
        "OpenAI-Beta: assistants=v2",
        "X-Client-Request-Id: 77",
        f"Traceparent: {TRACEPARENT}",
        "Tracestate: vendor=1",
    ]
    sent = await echoed(gateway, *DROPPED, *listed, "Accept-Encoding: gzip", "User-Agent: evil/1")

    assert set(sent) == OURS | {line.partition(":")[0].lower() for line in listed}
    assert all(len(values) == 1 for values in sent.values())
    assert sent["traceparent"] == [TRACEPARENT]
    assert sent["tracestate"] == ["vendor=1"]
    assert sent["idempotency-key"] == ["key-1"]
    assert sent["accept-encoding"] == ["identity"]
    assert sent["user-agent"][0].startswith("pointsman/")
    assert sent["content-type"] == ["application/json"]


async def test_credential_upstream_is_the_providers(gateway: GatewayUnderTest) -> None:
    """The caller's key stops here; the provider gets its own credential."""
    sent = await echoed(gateway)
    own = hashlib.sha256(gateway.token.encode()).hexdigest()

    (authorization,) = sent["authorization"]
    assert authorization.startswith("Bearer sha256:")
    assert own not in authorization


@pytest.mark.parametrize(
    "line",
    [
        "Connection: authorization",
        "Connection: close, authorization, content-length, content-type, host",
        "Connection: keep-alive, idempotency-key",
    ],
)
async def test_connection_header_takes_nothing_out(gateway: GatewayUnderTest, line: str) -> None:
    """A client cannot have our own headers dropped by naming them hop-by-hop."""
    sent = await echoed(gateway, line)

    assert set(sent) == OURS


@pytest.mark.parametrize("value", ["caf\xe9", "\xff\xfe", "\xf0\x9f"])
async def test_value_beyond_ascii_does_not_go_upstream(
    gateway: GatewayUnderTest, value: str
) -> None:
    """Bytes that servers read in different ways are dropped with their header."""
    sent = await echoed(gateway, f"Idempotency-Key: {value}", "OpenAI-Beta: x")

    assert set(sent) == OURS | {"openai-beta"}


async def test_repeated_header_goes_upstream_once(gateway: GatewayUnderTest) -> None:
    """Of a listed header that came twice the first counts."""
    sent = await echoed(gateway, "Idempotency-Key: one", "Idempotency-Key: two")

    assert sent["idempotency-key"] == ["one"]


async def test_providers_extra_headers_and_query_are_sent(redis_url: str) -> None:
    """What the config says of a provider goes with every call, and wins over the client's own."""
    config = """
        providers:
          first:
            dialect: openai
            base_url: "{first}/gateway/v1"
            allow_private: true
            headers: {{OpenAI-Beta: config, X-Team: "blue"}}
            query: {{api-version: "2026-01-01", "a b": "c&d"}}
        targets:
          first/m: {{provider: first, model: sim-medium}}
        routes:
          auto: {{targets: [first/m]}}
        tenants:
          acme: {{tier: pro, routes: [auto]}}
    """
    async with (
        running_gateway(redis_url, config_text=config) as gateway,
        connected(gateway) as it,
    ):
        gateway.script("first", echo=True)
        answer = await it.ask(a_post(gateway, None, "OpenAI-Beta: client", "X-Team: red"))

    assert headers_in(answer)["openai-beta"] == ["config"]
    assert headers_in(answer)["x-team"] == ["blue"]
    target = echo_in(answer)["target"]
    path, _, query = target.partition("?")
    assert path == "/gateway/v1/chat/completions"
    assert sorted(query.split("&")) == ["a%20b=c%26d", "api-version=2026-01-01"] or sorted(
        query.split("&")
    ) == ["a+b=c%26d", "api-version=2026-01-01"]


async def test_body_upstream_differs_in_the_model_only(gateway: GatewayUnderTest) -> None:
    """The bytes that the provider gets are the client's but for the route's name."""
    gateway.script("first", echo=True)
    body = a_chat(routing={"feature": "x"}, temperature=0.5)
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, body))

    sent = b64decode(echo_in(answer)["body_base64"])
    assert orjson.loads(sent) == {
        **{name: value for name, value in orjson.loads(body).items() if name != "routing"},
        "model": "sim-medium",
    }


@pytest.mark.parametrize(
    "traceparent",
    [TRACEPARENT, TRACEPARENT[:-2] + "00", f"01{TRACEPARENT[2:]}", f"cc{TRACEPARENT[2:]}-more-x"],
)
async def test_valid_trace_goes_on_and_is_logged(
    gateway: GatewayUnderTest, traceparent: str
) -> None:
    """A W3C traceparent passes as it is; its trace id stands in the log line."""
    sent = await echoed(gateway, f"traceparent: {traceparent}", "tracestate: a=b")
    (row,) = await gateway.lines.requests(1)

    assert (sent["traceparent"], sent["tracestate"]) == ([traceparent], ["a=b"])
    assert row["trace_id"] == TRACE_ID


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "garbage",
        TRACEPARENT.upper(),
        TRACEPARENT[:-1],
        f"{TRACEPARENT}-more",
        f"{TRACEPARENT}-",
        f"ff{TRACEPARENT[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"01{TRACEPARENT[2:]}-\tx",
        f"01{TRACEPARENT[2:]} x",
        "00-" + "x" * 5000,
    ],
)
async def test_invalid_trace_is_dropped_with_its_state(
    gateway: GatewayUnderTest, traceparent: str | None
) -> None:
    """What is no traceparent reaches neither the provider nor the log, nor does its tracestate."""
    lines = [] if traceparent is None else [f"traceparent: {traceparent}"]
    sent = await echoed(gateway, *lines, "tracestate: a=b")
    (row,) = await gateway.lines.requests(1)

    assert set(sent) == OURS
    assert row["trace_id"] is None


async def test_answer_tells_how_it_was_routed(gateway: GatewayUnderTest) -> None:
    """Our headers name route, target, attempts and config; none of the provider's come back."""
    gateway.script("first", error={"status": 500})
    gateway.script("second", headers={"X-Secret": "1", "Set-Cookie": "a=b", "Server": "sim"})
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, None, "X-Request-Id: mine"))
    (row,) = await gateway.lines.requests(1)

    told = dict(answer.headers)
    assert told["x-pointsman-route"] == "auto"
    assert told["x-pointsman-target"] == "second/sim-medium"
    assert told["x-pointsman-attempts"] == "2"
    assert told["x-pointsman-config"] == gateway.config.snapshot.version
    assert told["x-request-id"] == row["request_id"] != "mine"
    assert set(told) == {
        "content-type", "content-length", "date", "x-request-id", "x-pointsman-route",
        "x-pointsman-target", "x-pointsman-attempts", "x-pointsman-config",
        "x-pointsman-decision",
    }  # fmt: skip


async def test_request_ids_are_unique(gateway: GatewayUnderTest) -> None:
    """Each request gets an id of its own, refused ones too."""
    async with connected(gateway) as it:
        ids = [(await it.ask(a_post(gateway, b"{}"))).header("x-request-id") for _ in range(30)]

    assert len(set(ids)) == 30
    assert all(id_ is not None and id_.startswith("req_") for id_ in ids)
