"""Every request leaves one line, however it ended, and its money is the provider's own bill."""

from typing import Any

import aiohttp
import orjson
import pytest

from proxy.domain.price import Price, cost_of
from proxy.domain.usage import Usage
from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.raw import CHAT, a_chat, a_get, a_post, connected

PRICE = Price(input_nanousd=500_000_000, output_nanousd=1_500_000_000)
"""Of `sim-medium`, in the test's config as in the simulator's own list."""

LINE_FIELDS = {
    "ts", "level", "event", "request_id", "trace_id", "tenant", "key_id", "method", "path", "route",
    "target", "attempts", "status", "ending", "error_code", "stream", "tokens", "evidence",
    "cost_nanousd", "priced", "finish_reason", "config", "body_bytes", "sent_bytes",
    "first_byte_ms", "total_ms",
}  # fmt: skip


async def row_of(gateway: GatewayUnderTest, body: bytes, path: str = CHAT) -> dict[str, Any]:
    """The line that one request with *body* leaves, once it was answered."""
    async with connected(gateway) as it:
        it.send(a_post(gateway, body, "Connection: close", path=path))
        await it.rest()
    (row,) = await gateway.lines.requests(1)
    return row


def billed(gateway: GatewayUnderTest) -> Any:
    """The only entry of the bill."""
    (entry,) = gateway.simulator.bill.entries
    return entry


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("usage", ["auto", "always", "null_until_end"])
async def test_reported_usage_is_the_bill(
    gateway: GatewayUnderTest, stream: bool, usage: str
) -> None:
    """Tokens and cost of an answer that ended well equal the provider's bill to the unit."""
    gateway.script("first", usage=usage, tokens=77, cached_tokens=3, reasoning_tokens=5)
    body = a_chat(stream=stream, messages=[{"role": "user", "content": "Tell me a long story"}])

    row = await row_of(gateway, body)

    entry = billed(gateway)
    assert set(row) >= LINE_FIELDS
    assert (row["status"], row["ending"], row["error_code"]) == (200, "complete", None)
    assert row["tokens"] == {
        "prompt": entry.prompt_tokens,
        "cached": entry.cached_tokens,
        "cache_write": 0,
        "completion": entry.completion_tokens,
        "reasoning": 5,
    }
    assert row["evidence"] == "reported"
    assert row["cost_nanousd"] == entry.cost_nanousd > 0
    assert (row["tenant"], row["route"], row["target"]) == ("acme", "auto", "first/sim-medium")
    assert row["key_id"] == gateway.token.split("_")[1]
    assert (row["stream"], row["finish_reason"]) == (stream, "stop")
    assert row["config"] == gateway.config.snapshot.version
    assert row["body_bytes"] == len(body)
    assert row["sent_bytes"] > 0
    assert 0 <= row["first_byte_ms"] <= row["total_ms"]
    (attempt,) = row["attempts"]
    assert (attempt["target"], attempt["failure"]) == ("first/sim-medium", None)
    assert (attempt["maybe_billed"], attempt["maybe_nanousd"]) == (False, None)


async def test_reported_zero_is_a_figure(gateway: GatewayUnderTest) -> None:
    """A provider that says zero is believed, and told from one that says nothing."""
    gateway.script("first", usage="zero")

    row = await row_of(gateway, a_chat())

    assert (row["evidence"], row["cost_nanousd"]) == ("reported_zero", 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_usage_is_estimated_and_marked(
    gateway: GatewayUnderTest, stream: bool
) -> None:
    """Four bytes of prompt to a token, and an event to a token of the answer."""
    gateway.script("first", usage="never", tokens=40)
    text = "x" * 401

    row = await row_of(gateway, a_chat(stream=stream, messages=[{"role": "user", "content": text}]))

    tokens = row["tokens"]
    assert (row["evidence"], tokens["prompt"]) == ("estimated", 101)
    assert tokens["completion"] >= 40
    assert not stream or tokens["completion"] <= 43  # with the first, the last and the end
    spent = Usage(prompt_tokens=101, completion_tokens=tokens["completion"])
    assert row["cost_nanousd"] == cost_of(spent, PRICE)


async def test_embeddings_are_charged_for_their_input_only(gateway: GatewayUnderTest) -> None:
    """An embedding writes no tokens, whether or not its usage is reported."""
    body = orjson.dumps({"model": "embeddings", "input": ["one", "two", "three four"]})

    row = await row_of(gateway, body, "/v1/embeddings")

    entry = billed(gateway)
    assert row["tokens"]["prompt"] == entry.prompt_tokens
    assert row["tokens"]["completion"] == 0
    assert row["cost_nanousd"] == entry.cost_nanousd > 0
    assert row["path"] == "/v1/embeddings"


async def test_embeddings_without_usage_are_estimated_by_their_input(
    gateway: GatewayUnderTest,
) -> None:
    """The size of the vectors is no measure of anything."""
    answer = {"object": "list", "data": [{"embedding": [0.5] * 500}], "model": "m"}
    gateway.script("first", raw=orjson.dumps(answer).decode())
    body = orjson.dumps({"model": "embeddings", "input": "x" * 40})

    row = await row_of(gateway, body, "/v1/embeddings")

    assert row["evidence"] == "estimated"
    assert (row["tokens"]["prompt"], row["tokens"]["completion"]) == (10, 0)


async def test_target_without_a_price_has_no_cost(redis_url: str) -> None:
    """What has no price is not free: its cost is unknown, its tokens are kept."""
    config = """
        providers:
          first: {{dialect: openai, base_url: "{first}", allow_private: true}}
        targets:
          first/m: {{provider: first, model: sim-medium}}
        routes:
          auto: {{targets: [first/m]}}
        tenants:
          acme: {{tier: pro, routes: [auto]}}
    """
    async with running_gateway(redis_url, config_text=config) as gateway:
        row = await row_of(gateway, a_chat())

    assert row["cost_nanousd"] is None
    assert row["tokens"]["completion"] == 32


STREAM_ENDINGS = {
    "cut": ({"cut_at_event": 5}, "upstream_cut"),
    "cut within an event": ({"cut_mid_event": 5}, "upstream_cut"),
    "reset": ({"cut_at_event": 5, "cut_with": "reset"}, "upstream_cut"),
    "error event": ({"error_event_at": 5}, "upstream_error"),
    "no [DONE]": ({"no_done": True}, "complete"),
}


@pytest.mark.parametrize("case", STREAM_ENDINGS)
async def test_ending_of_a_stream_is_told(gateway: GatewayUnderTest, case: str) -> None:
    """Status 200 went out with the head; the ending says what became of the rest."""
    script, ending = STREAM_ENDINGS[case]
    gateway.script("first", **script)

    row = await row_of(gateway, a_chat(stream=True))

    assert (row["status"], row["ending"]) == (200, ending)
    assert row["target"] == "first/sim-medium"
    assert row["cost_nanousd"] > 0
    assert row["evidence"] == ("reported" if ending == "complete" else "estimated")


@pytest.mark.slow
async def test_stall_of_a_stream_is_told(redis_url: str) -> None:
    """An upstream that falls silent is cut after its provider's deadline between chunks."""
    config = """
        providers:
          first:
            dialect: openai
            base_url: "{first}"
            allow_private: true
            timeouts: {{between_chunks_s: 0.1}}
        targets:
          first/m: {{provider: first, model: sim-medium}}
        routes:
          auto: {{targets: [first/m]}}
        tenants:
          acme: {{tier: pro, routes: [auto]}}
    """
    async with running_gateway(redis_url, config_text=config) as gateway:
        gateway.script("first", stall_at_event=4)
        row = await row_of(gateway, a_chat(stream=True))

    assert (row["status"], row["ending"]) == (200, "upstream_stalled")


async def test_client_that_leaves_before_its_answer_is_a_499(gateway: GatewayUnderTest) -> None:
    """Nobody is to blame, no other target is tried, and the attempt may have been billed."""
    gateway.script("first", hang="head")
    async with connected(gateway) as it:
        it.send(a_post(gateway))
        await gateway.simulator.until(lambda: gateway.calls("first") == 1)
    (row,) = await gateway.lines.requests(1)

    assert (row["status"], row["ending"], row["error_code"]) == (499, "client_gone", None)
    assert (row["target"], row["first_byte_ms"], row["sent_bytes"]) == (None, None, 0)
    (attempt,) = row["attempts"]
    assert (attempt["failure"], attempt["maybe_billed"]) == (None, True)
    assert (row["cost_nanousd"], attempt["maybe_nanousd"] > 0) == (None, True)
    await gateway.simulator.until(lambda: gateway.simulator.providers["first"].stats.cancelled == 1)
    assert gateway.calls("second") == 0


async def test_client_that_leaves_its_stream_pays_for_what_came(
    gateway: GatewayUnderTest,
) -> None:
    """The tokens that were relayed are booked, as an estimate."""
    gateway.script("first", stall_at_event=6)
    async with connected(gateway) as it:
        it.send(a_post(gateway, a_chat(stream=True)))
        await it.until(b'"content"')
    (row,) = await gateway.lines.requests(1)

    assert (row["status"], row["ending"], row["evidence"]) == (200, "client_gone", "estimated")
    assert row["tokens"]["completion"] >= 1
    assert row["cost_nanousd"] > 0


async def test_failed_request_lists_its_attempts(gateway: GatewayUnderTest) -> None:
    """Each attempt stands with its target, what went wrong, the upstream's status and its time."""
    gateway.script("first", error={"status": 500})
    gateway.script("second", rate_limited={"retry_after": 3})
    gateway.script("third", close_after_request=True)

    row = await row_of(gateway, a_chat())

    assert (row["status"], row["ending"], row["error_code"]) == (502, "failed", "provider_failed")
    assert [
        (attempt["target"], attempt["failure"], attempt["status"], attempt["maybe_billed"])
        for attempt in row["attempts"]
    ] == [
        ("first/sim-medium", "server_error", 500, False),
        ("second/sim-medium", "rate_limited", 429, False),
        ("third/sim-medium", "disconnected", None, True),
    ]
    assert all(attempt["ms"] >= 0 for attempt in row["attempts"])
    assert (row["target"], row["evidence"], row["cost_nanousd"]) == (None, "none", None)


async def test_clients_mistake_is_refused_not_failed(gateway: GatewayUnderTest) -> None:
    """What the provider found wrong with the request has a code of the catalogue in the line."""
    gateway.script("first", error={"status": 422, "code": "odd_value", "message": "No."})

    row = await row_of(gateway, a_chat())

    assert (row["status"], row["ending"]) == (422, "refused")
    assert row["error_code"] == "request_refused_by_provider"
    assert [attempt["failure"] for attempt in row["attempts"]] == ["client_mistake"]


async def test_every_kind_of_request_leaves_one_line(
    gateway: GatewayUnderTest, http: aiohttp.ClientSession
) -> None:
    """Answers, refusals, lists and nonsense: as many lines as requests, with an id each."""
    async with connected(gateway) as it:
        ids = [
            (await it.ask(sent)).header("x-request-id")
            for sent in (
                a_post(gateway),
                a_post(gateway, b"{}"),
                a_get(gateway, "/v1/models"),
                a_get(gateway, "/v1/models/none"),
                a_get(gateway, "/none"),
                a_get(gateway, CHAT),
                b"GARBAGE\r\n\r\n",
            )
        ]
    rows = await gateway.lines.requests(7)

    assert [row["request_id"] for row in rows] == ids
    assert len(await gateway.rows()) == 7
    assert [row["status"] for row in rows] == [200, 400, 200, 404, 404, 405, 400]
    assert {row["ending"] for row in rows} == {"complete", "refused"}


async def test_metrics_count_what_the_lines_tell(gateway: GatewayUnderTest) -> None:
    """Requests by outcome, tokens and money of the metrics are those of the lines."""
    async with connected(gateway) as it:
        for sent in (a_post(gateway), a_post(gateway), a_post(gateway, b"{}")):
            await it.ask(sent)
        metrics = (await it.ask(a_get(gateway, "/metrics"))).body.decode()
    rows = await gateway.lines.requests(3)  # after the scrape, which counts all that was answered

    spent = sum(row["cost_nanousd"] or 0 for row in rows)
    figures = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if not line.startswith("#")
    }
    cost = [value for name, value in figures.items() if "cost" in name and "created" not in name]
    assert spent == gateway.simulator.bill.cost_nanousd
    assert any(round(value * 1e9) == spent or value == spent for value in cost)


async def test_refused_key_is_named(gateway: GatewayUnderTest) -> None:
    """Whoever still uses a revoked key can be found by its id."""
    token, record = await gateway.store.create("acme", "old")
    await gateway.store.revoke(record.id)
    async with connected(gateway) as it:
        request = a_get(gateway, "/v1/models").replace(gateway.token.encode(), token.encode())
        answer = await it.ask(request)
    (row,) = await gateway.lines.requests(1)

    assert (answer.status, row["error_code"]) == (401, "revoked_api_key")
    assert (row["tenant"], row["key_id"]) == ("acme", record.id)


async def test_skipped_target_is_named_with_its_reason(redis_url: str) -> None:
    """The line says why the cheaper target was passed over, and an error names the route."""
    config = """
        providers:
          first: {{dialect: openai, base_url: "{first}", allow_private: true}}
          second: {{dialect: openai, base_url: "{second}", allow_private: true}}
        targets:
          first/m: {{provider: first, model: sim-medium, capabilities: []}}
          second/m: {{provider: second, model: sim-medium}}
        routes:
          auto: {{targets: [first/m, second/m]}}
        tenants:
          acme: {{tier: pro, routes: [auto]}}
    """
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    async with running_gateway(redis_url, config_text=config) as gateway:
        gateway.script("second", error={"status": 500})
        async with connected(gateway) as it:
            answer = await it.ask(a_post(gateway, a_chat(tools=[tool])))
        (row,) = await gateway.lines.requests(1)

    skipped = {"target": "first/m", "reason": "missing_capability", "detail": "tools", "rule": None}
    assert row["skipped"] == [skipped]
    assert (answer.status, answer.header("x-pointsman-route")) == (502, "auto")
    assert answer.header("x-pointsman-attempts") == "1"


async def test_route_is_named_once_it_is_granted(gateway: GatewayUnderTest) -> None:
    """A request that is refused in step 3 counts for its route; a name that is no route of its
    tenant's, which a client chose freely, stands nowhere.
    """
    async with connected(gateway) as it:
        refused = await it.ask(a_post(gateway, None, "x-pointsman-risk: enormous"))
        unknown = await it.ask(a_post(gateway, a_chat(model="small-secret")))
    rows = await gateway.lines.requests(2)

    assert (refused.status, unknown.status) == (400, 404)
    assert [(row["error_code"], row["route"]) for row in rows] == [
        ("invalid_field", "auto"),
        ("model_not_found", None),
    ]
