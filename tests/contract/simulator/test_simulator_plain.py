"""What a script does to plain answers, errors and connections, seen on a raw connection."""

import asyncio
import base64
import hashlib
from typing import Any

import orjson
import pytest

from proxy.simulator.bill import BillEnding
from proxy.simulator.config import DEFAULT_MODELS, SimulatedProvider, SimulatorConfig
from proxy.simulator.limits import Limits
from proxy.simulator.server import Simulator, running_simulator
from tests.contract.simulator.rawhttp import Exchange, chat, connected, exchange_with, request_bytes


async def test_plain_answer_is_what_the_stream_says(ask: Exchange) -> None:
    """The same prompt is answered alike, plain and streamed, with the same usage."""
    plain = orjson.loads((await ask()).body)
    fields = chat(stream=True, stream_options={"include_usage": True})
    events = (await ask(fields=fields)).events[:-1]

    streamed = "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-1])
    assert plain["choices"][0]["message"]["content"] == streamed
    assert plain["usage"] == events[-1]["usage"]


async def test_max_tokens_clips_the_answer(ask: Exchange) -> None:
    """No answer is longer than the caller allows, and its finish reason says so."""
    plain = orjson.loads((await ask({"tokens": 50}, chat(max_tokens=3))).body)

    assert plain["usage"]["completion_tokens"] == 3
    assert plain["choices"][0]["finish_reason"] == "length"


async def test_directive_in_the_last_user_message_scripts_the_call(ask: Exchange) -> None:
    """What a gateway forwards can carry a script: the user's own text."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": '[[sim: {"content": "hi"}]]'}]},
        {"role": "tool", "content": "later", "tool_call_id": "1"},
    ]
    plain = orjson.loads((await ask(fields=chat(messages=messages))).body)

    assert plain["choices"][0]["message"]["content"] == "hi"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("{", "not JSON"),
        ("[]", "object"),
        ('{"cut_at": 1}', "cut_at"),
        ('{"tokens": -1}', "tokens"),
    ],
)
async def test_script_that_is_wrong_is_refused_with_the_reason(
    ask: Exchange, script: str, says: str
) -> None:
    """A slip of the pen in a script fails loudly."""
    wire = await ask(**{"x-sim-script": script})

    assert wire.status == 400
    assert says in orjson.loads(wire.body)["error"]["message"]


@pytest.mark.parametrize(
    ("body", "content_type", "begins"),
    [
        ("openai", "application/json", b'{"error":{"message":'),
        ("plain", "text/plain; charset=utf-8", b"The simulated"),
        ("html", "text/html", b"<html>"),
        ("empty", "text/plain", b""),
    ],
)
async def test_error_has_the_scripted_status_and_body(
    sim: Simulator, ask: Exchange, body: str, content_type: str, begins: bytes
) -> None:
    """Upstreams err in many shapes; none of them is billed."""
    wire = await ask({"error": {"status": 529, "body": body, "code": 7}})

    assert wire.status == 529
    assert wire.header("content-type") == content_type
    assert wire.body.startswith(begins)
    assert bool(wire.body) is (body != "empty")
    assert [(each.ending, each.cost_nanousd) for each in sim.bill.entries] == [("error", 0)]


async def test_error_rate_is_kept_and_repeats_with_the_seed(sim: Simulator, ask: Exchange) -> None:
    """Chance comes from the seed and the call's number, so a run can be repeated."""
    sim.set_script({"error": {"status": 503, "rate": 0.3}})
    first = [(await ask()).status for _ in range(40)]
    sim.providers["sim"].reset()
    sim.set_script({"error": {"status": 503, "rate": 0.3}})
    second = [(await ask()).status for _ in range(40)]

    assert first == second
    assert 4 <= first.count(503) <= 20


@pytest.mark.parametrize("wait", [7, "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", None])
async def test_rate_limited_sends_retry_after_as_written(
    sim: Simulator, ask: Exchange, wait: object
) -> None:
    """However odd, a Retry-After goes out as the script has it."""
    wire = await ask({"rate_limited": {"retry_after": wait}})

    assert wire.status == 429
    assert wire.header("retry-after") == (None if wait is None else str(wait))
    assert sim.bill.entries[0].ending is BillEnding.RATE_LIMITED


async def test_redirect_names_its_location(ask: Exchange) -> None:
    """A 302 that a gateway must not follow."""
    wire = await ask({"redirect": "http://127.0.0.1:1/"})

    assert (wire.status, wire.header("location")) == (302, "http://127.0.0.1:1/")


async def test_limits_refuse_and_say_when_to_come_back() -> None:
    """A provider's own rates answer 429 with OpenAI's headers, and bill nothing."""
    provider = SimulatedProvider(DEFAULT_MODELS, limits=Limits(rpm=2, tpm=1000))
    async with running_simulator(SimulatorConfig({"slow": provider})) as sim:
        ask = exchange_with(sim.url)
        wires = [await ask({"content": "hi"}) for _ in range(3)]

    assert [wire.status for wire in wires] == [200, 200, 429]
    assert wires[0].header("x-ratelimit-limit-requests") == "2"
    assert wires[1].header("x-ratelimit-remaining-requests") == "0"
    assert int(wires[2].header("retry-after") or 0) in range(25, 31)
    assert sim.bill.entries[2].cost_nanousd == 0


async def test_concurrency_is_limited_to_what_runs_now() -> None:
    """A slot is free again when its call ended, however it ended."""
    provider = SimulatedProvider(DEFAULT_MODELS, limits=Limits(max_concurrency=1))
    async with running_simulator(SimulatorConfig({"small": provider})) as sim:
        ask = exchange_with(sim.url)
        sim.queue_scripts([{"hang": "head"}])
        async with connected(sim.url) as (_, writer):
            writer.write(request_bytes("/v1/chat/completions", chat(), {}))
            await sim.until(lambda: sim.providers["small"].stats.open_calls == 1)
            assert (await ask()).status == 429
        await sim.until(lambda: sim.providers["small"].stats.open_calls == 0)
        assert (await ask()).status == 200


async def test_close_after_request_sends_no_byte(sim: Simulator, ask: Exchange) -> None:
    """The request was read, so its prompt is billed; the client sees nothing."""
    wire = await ask({"close_after_request": True})

    assert (wire.head, wire.body) == (b"", b"")
    assert sim.bill.entries[0].ending is BillEnding.CUT
    assert sim.bill.entries[0].cost_nanousd > 0


async def test_close_reused_kills_only_the_second_call_of_a_connection(sim: Simulator) -> None:
    """A connection gone stale while it idled costs nothing; a fresh one serves."""
    sim.set_script({"close_reused": True})
    async with connected(sim.url) as (reader, writer):
        request = request_bytes("/v1/chat/completions", chat(), {})
        writer.write(request)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}}")
        writer.write(request)
        assert await reader.read() == b""

    assert [each.ending for each in sim.bill.entries] == ["complete", "cut"]
    assert sim.bill.entries[1].cost_nanousd == 0


@pytest.mark.parametrize("is_stream", [False, True])
async def test_close_idle_announces_keep_alive_and_closes(sim: Simulator, is_stream: bool) -> None:
    """llama.cpp's habit: a whole answer, no word of closing, and the connection is gone."""
    sim.set_script({"close_idle": True, "content": "hi"})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", chat(stream=is_stream), {}))
        whole = await reader.read()

    assert b"connection: close" not in whole
    assert whole.endswith(b"0\r\n\r\n" if is_stream else b"}}")


async def test_connection_is_kept_for_the_next_call(sim: Simulator) -> None:
    """Plain and streamed answers leave the connection usable."""
    sim.set_script({"content": "hi"})
    async with connected(sim.url) as (reader, writer):
        for _ in range(3):
            writer.write(request_bytes("/v1/chat/completions", chat(stream=True), {}))
            await reader.readuntil(b"0\r\n\r\n")

    assert sim.providers["sim"].stats.connections_accepted == 1
    assert len(sim.bill.entries) == 3


@pytest.mark.parametrize("where", ["head", "body"])
async def test_hang_is_silent_until_the_client_leaves(sim: Simulator, where: str) -> None:
    """Before the head or halfway through the body, nothing more comes."""
    sim.set_script({"hang": where, "content": "hi"})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", chat(), {}))
        await sim.until(lambda: sim.providers["sim"].stats.open_calls == 1)
        if where == "body":
            await reader.readuntil(b'{"id":')
        assert sim.bill.entries == ()

    await asyncio.wait_for(sim.until(lambda: len(sim.bill.entries) == 1), 1)
    assert sim.bill.entries[0].ending is BillEnding.CANCELLED


async def test_truncated_body_is_shorter_than_announced(ask: Exchange) -> None:
    """The content-length promises more than comes."""
    wire = await ask({"truncate_bytes": 10})

    assert int(wire.header("content-length") or 0) == len(wire.body) + 10


async def test_plain_body_can_be_chunked_padded_and_begun_with_newlines(ask: Exchange) -> None:
    """Odd but valid bodies."""
    script = {"framing": "chunked", "huge_body_bytes": 100_000, "leading_newlines": 3, "split": 999}
    wire = await ask({**script, "extra_fields": True, "headers": {"X-Odd": "yes"}})

    assert wire.text.startswith(b"\n\n\n{")
    assert len(wire.text) > 100_000
    assert wire.header("x-odd") == "yes"
    assert "timings" in orjson.loads(wire.text)
    assert wire.is_complete


async def test_slow_headers_arrive_in_two_halves(sim: Simulator) -> None:
    """A head may trickle; its first half is on the way before the second."""
    sim.set_script({"slow_headers_ms": 20})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", chat(), {}))
        first = await reader.read(65536)
        rest = await reader.readuntil(b"\r\n\r\n")

    assert b"\r\n\r\n" not in first
    assert (first + rest).startswith(b"HTTP/1.1 200 OK")


async def test_latency_holds_the_answer_back(sim: Simulator, ask: Exchange) -> None:
    """Latency, first token and pace add up for a plain answer."""
    began_s = asyncio.get_running_loop().time()
    await ask({"latency_ms": 20, "first_token_ms": 20, "tokens": 2, "tokens_per_second": 100})

    assert asyncio.get_running_loop().time() - began_s >= 0.055


async def test_echo_tells_what_arrived_but_no_secret(ask: Exchange) -> None:
    """The answer's content is the request as received; a credential stands as its hash."""
    fields = chat(messages=[{"role": "user", "content": '[[sim: {"echo": true}]] é'}], max_tokens=1)
    body = orjson.dumps(fields)
    wire = await ask(fields=body, path="/v1/chat/completions?a=b", Authorization="Bearer s3cret")
    told = orjson.loads(orjson.loads(wire.body)["choices"][0]["message"]["content"])

    digest = hashlib.sha256(b"s3cret").hexdigest()
    assert ["Authorization", f"Bearer sha256:{digest}"] in told["headers"]
    assert "s3cret" not in wire.body.decode()
    assert base64.b64decode(told["body_base64"]) == body
    assert (told["method"], told["target"]) == ("POST", "/v1/chat/completions?a=b")


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        ({"messages": []}, 400, "model"),
        ({"model": "sim-small"}, 400, "messages"),
        ({"model": "sim-small", "messages": [{}]}, 400, "messages[0].role"),
        (chat(max_tokens=0), 400, "max_tokens"),
        (chat(n="2"), 400, "n"),
        (chat(stream="yes"), 400, "stream"),
        (chat(stream_options={"include_usage": True}), 400, "stream_options"),
        (chat(tools=[{}], tool_choice="required"), 400, "tools[0].function.name"),
        ({**chat(), "model": "gpt"}, 404, "model"),
        ({**chat(), "model": "sim-embed"}, 400, "model"),
    ],
)
async def test_bad_requests_are_refused_as_by_openai(
    sim: Simulator, ask: Exchange, fields: object, status: int, param: str | None
) -> None:
    """A refusal names the field, and costs nothing."""
    wire = await ask(fields=fields)

    assert wire.status == status
    assert orjson.loads(wire.body)["error"]["param"] == param
    assert (sim.bill.entries[0].ending, sim.bill.entries[0].cost_nanousd) == ("refused", 0)


async def test_key_is_asked_for_where_the_config_has_one() -> None:
    """A provider with a key answers others with OpenAI's 401, models included."""
    config = SimulatorConfig({"shut": SimulatedProvider(DEFAULT_MODELS, api_key="right")})
    async with running_simulator(config) as sim:
        ask = exchange_with(sim.url)
        wrong = await ask(authorization="Bearer wrong")
        right = await ask(authorization="Bearer right")
        async with connected(sim.url) as (reader, writer):
            writer.write(b"GET /v1/models HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n")
            models = await reader.read()

    assert orjson.loads(wrong.body)["error"]["code"] == "invalid_api_key"
    assert (wrong.status, right.status) == (401, 200)
    assert models.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/nothing", 404),
        ("/chat/completions", 200),
        ("/x/v1/embeddings", 400),
        ("/v1/models", 405),
    ],
)
async def test_paths_are_found_below_any_prefix(ask: Exchange, path: str, status: int) -> None:
    """Base URLs come with and without /v1 and with other prefixes; methods are minded."""
    assert (await ask(path=path)).status == status


async def test_chance_of_a_call_is_told(sim: Simulator, ask: Exchange) -> None:
    """Every answer names the seed that replays its call, as the bill does."""
    wires: list[Any] = [await ask(), await ask({"error": {}})]

    assert [wire.header("x-sim-seed") for wire in wires] == ["0:1", "0:2"]
    assert [entry.seed for entry in sim.bill.entries] == ["0:1", "0:2"]
