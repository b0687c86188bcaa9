"""After the commit point trouble is an error event, then a body that is seen to be broken."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from tests.gateway import GatewayUnderTest, running_gateway
from tests.pure.wire.recorded import DONE, ERROR, OPENROUTER_ERROR, chunk
from tests.server.downstream import Answer, a_chat, connected, get, post
from tests.server.upstream import (
    CHUNKED,
    EVENT_STREAM,
    LAST_CHUNK,
    Line,
    RawUpstream,
    chunked,
    config_of,
    raw_upstream,
)

BEGUN = chunk('{"role":"assistant","content":"Hel"}') + chunk('{"content":"lo"}')
FINISHED = chunk("{}", '"stop"')

SHORT = "first_byte_s: 5, between_chunks_s: 0.1, total_s: 0.3"

Fault = Callable[[Line], Awaitable[None]]


async def cut(line: Line) -> None:
    """The connection ends between two events."""
    line.cut()


async def reset(line: Line) -> None:
    """The connection is reset."""
    line.reset()


async def half_an_event(line: Line) -> None:
    """It ends inside an event."""
    await line.pieces([FINISHED[:50]])
    line.cut()


async def half_an_event_and_a_clean_end(line: Line) -> None:
    """The body is whole by its framing, its last event is not."""
    await line.pieces([FINISHED[:50]])
    await line.send(LAST_CHUNK)


async def half_a_long_event(line: Line) -> None:
    """It ends inside an event that was too long to be held."""
    await line.pieces([b'data: {"choices":[{"delta":{"content":"' + b"x" * 40_000])
    line.cut()


async def silence(line: Line) -> None:
    """Nothing comes any more."""
    await line.until_left()


async def drip_without_end(line: Line) -> None:
    """Comments keep the stall away; the deadline comes all the same."""
    for _ in range(1_000_000):
        await line.pieces([b": still thinking\n\n"])
        if line.is_closing:
            break


async def error_event(line: Line) -> None:
    """An error event stands in place of the rest."""
    await line.pieces([ERROR, DONE])
    await line.send(LAST_CHUNK)


async def error_in_a_chunk(line: Line) -> None:
    """A chunk bears an error beside its choices, as OpenRouter's do."""
    await line.pieces([OPENROUTER_ERROR + DONE])
    await line.send(LAST_CHUNK)


async def clean_end_without_a_finish(line: Line) -> None:
    """The body ends cleanly before anything said that the answer did."""
    await line.send(LAST_CHUNK)


async def broken_framing(line: Line) -> None:
    """What comes is no chunk."""
    await line.send(b"zz\r\nsecret prompt text\r\n")
    await line.until_left()


FAULTS: list[tuple[Fault, str]] = [
    (cut, "upstream_cut"),
    (reset, "upstream_cut"),
    (half_an_event, "upstream_cut"),
    (half_an_event_and_a_clean_end, "upstream_cut"),
    (half_a_long_event, "upstream_cut"),
    (silence, "upstream_stalled"),
    (drip_without_end, "deadline"),
    (error_event, "upstream_error"),
    (error_in_a_chunk, "upstream_error"),
    (clean_end_without_a_finish, "upstream_cut"),
    (broken_framing, "upstream_cut"),
]
each_fault = pytest.mark.parametrize(
    ("fault", "ending"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS]
)


def told(answer: Answer) -> dict[str, Any]:
    """The error of the last event, which must be the only error, in OpenAI's shape."""
    *before, last = answer.events
    error = orjson.loads(last)["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert (error["type"], error["request_id"]) == ("provider_error", answer.header("x-request-id"))
    assert not any(b'"error"' in event for event in before)
    return dict(error)


def after_a_start(fault: Fault) -> Fault:
    """Sends two events, then comes to grief."""

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        await line.pieces([BEGUN])
        await fault(line)

    return script


async def broken_stream(
    redis_url: str, fault: Fault, **request: str
) -> tuple[Answer, bytes, dict[str, Any], RawUpstream]:
    """What a client gets of a stream that breaks by *fault*: the answer, what follows, the record
    of it, and the second target, which must not have been asked.
    """
    async with (
        raw_upstream() as upstream,
        raw_upstream() as second,
        running_gateway(
            redis_url, config_text=config_of(upstream.url, second.url, timeouts=SHORT), names=()
        ) as gateway,
        connected(gateway.port) as client,
    ):
        upstream.answers(after_a_start(fault))
        answer = await client.ask(post(gateway.token, a_chat(stream=True), **request))
        rest = await client.rest()
        (row,) = await gateway.lines.requests(1)
    return answer, rest, row, second


@each_fault
async def test_stream_that_breaks_ends_in_an_error_event_and_a_cut(
    redis_url: str, fault: Fault, ending: str
) -> None:
    """The client learns of it twice: an event that SDKs raise on, and a missing last chunk."""
    answer, rest, row, second = await broken_stream(redis_url, fault)

    assert told(answer)["code"] == "provider_interrupted"
    assert answer.body.startswith(BEGUN)
    assert (answer.status, answer.is_whole, rest) == (200, False, b"")
    assert b"[DONE]" not in answer.body
    assert b"secret" not in answer.body
    assert b"Provider disconnected" not in answer.body
    assert answer.header("connection") is None
    assert second.bodies == []
    assert (row["ending"], row["status"], len(row["attempts"])) == (ending, 200, 1)
    assert row["evidence"] == "estimated"
    assert row["cost_nanousd"] > 0


@each_fault
async def test_old_client_is_told_by_the_event_alone(
    redis_url: str, fault: Fault, ending: str
) -> None:
    """HTTP/1.0 has no chunks: its stream ends by closing, so the error event is what tells."""
    answer, rest, row, _ = await broken_stream(redis_url, fault, version="1.0")

    assert told(answer)["code"] == "provider_interrupted"
    assert answer.header("transfer-encoding") is None
    assert rest == b""
    assert row["ending"] == ending


async def test_error_event_is_not_swallowed_by_a_half_event(redis_url: str) -> None:
    """Half of an event too long to hold was sent; the error stands in an event of its own."""
    answer, *_ = await broken_stream(redis_url, half_a_long_event)
    assert answer.events[-1].startswith(b'{"error"')
    assert answer.body.count(b"x" * 40_000) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_client_that_closes_gets_a_whole_answer(
    gateway: GatewayUnderTest, stream: bool, version: str
) -> None:
    """`Connection: close` is obeyed; on a stream it is never said back."""
    async with connected(gateway.port) as client:
        request = post(gateway.token, a_chat(stream=stream), version=version, connection="close")
        answer = await client.ask(request)
        rest = await client.rest()

    assert (answer.status, answer.is_whole, rest) == (200, True, b"")
    assert b'"finish_reason":"stop"' in answer.body
    if stream:
        assert answer.header("connection") is None
        assert answer.body.endswith(DONE)
    else:
        assert answer.header("connection") == "close"
    assert (answer.header("transfer-encoding") == "chunked") == (stream and version == "1.1")


async def test_old_client_may_keep_its_connection_for_plain_answers(
    gateway: GatewayUnderTest,
) -> None:
    """HTTP/1.0 with keep-alive works where the length is known."""
    request = post(gateway.token, a_chat(), version="1.0", connection="keep-alive")
    async with connected(gateway.port) as client:
        answers = [await client.ask(request) for _ in range(3)]

    assert [answer.header("connection") for answer in answers] == ["keep-alive"] * 3
    assert all(b'"finish_reason":"stop"' in answer.body for answer in answers)


def mixed(token: str) -> list[tuple[bytes, int]]:
    """Requests of all kinds, and the status that each should get."""
    return [
        (post(token, a_chat(stream=True)), 200),
        (post(token, a_chat()), 200),
        (post(token, {"model": "auto"}), 400),
        (post(token, a_chat(model="nothing of the kind", stream=True)), 404),
        (get("/v1/nowhere"), 404),
        (post("pm_no_key", a_chat()), 401),
        (get("/readyz"), 200),
        (post(token, a_chat(stream=True)), 200),
        (get("/v1/chat/completions"), 405),
        (post(token, a_chat(model="embeddings", input="x"), path="/v1/embeddings"), 200),
    ]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "pipelined"])
async def test_connection_serves_requests_of_all_kinds(
    gateway: GatewayUnderTest, together: bool
) -> None:
    """Streams, plain answers and refusals leave the connection usable; order is kept."""
    requests = mixed(gateway.token) * 2
    async with connected(gateway.port) as client:
        if together:
            client.send(b"".join(request for request, _ in requests))
            answers = [await client.answer() for _ in requests]
        else:
            answers = [await client.ask(request) for request, _ in requests]

    assert [answer.status for answer in answers] == [status for _, status in requests]
    assert all(answer.is_whole for answer in answers)
    assert len({answer.header("x-request-id") for answer in answers}) == len(requests)


async def test_connection_to_an_upstream_is_used_again_after_a_stream(redis_url: str) -> None:
    """A stream whose last chunk comes late still gives its connection back."""
    async with (
        raw_upstream() as upstream,
        running_gateway(redis_url, config_text=config_of(upstream.url), names=()) as gateway,
        connected(gateway.port) as client,
    ):

        async def script(line: Line) -> None:
            await line.send(EVENT_STREAM + CHUNKED + chunked(BEGUN + FINISHED + DONE))
            await line.send(LAST_CHUNK)

        upstream.answers(script)
        for _ in range(5):
            assert (await client.ask(post(gateway.token, a_chat(stream=True)))).is_whole
            await upstream.until_answered()
    assert upstream.connections == 1
