"""A stream through the whole gateway: the client's bytes are the upstream's bytes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio

from proxy.execution import opening
from proxy.wire.sse import DONE_EVENT
from tests.gateway import GatewayUnderTest, running_gateway
from tests.pure.wire.recorded import DONE, OPENAI, OPENAI_USAGE, STREAMS, Recorded, chunk
from tests.server.downstream import Client, a_chat, connected, post
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

by_name = pytest.mark.parametrize("recorded", STREAMS, ids=lambda recorded: recorded.name)


@dataclass
class Path:
    """A client's connection, the gateway, and an upstream under the test's control."""

    gateway: GatewayUnderTest
    upstream: RawUpstream
    client: Client

    async def stream(self, **fields: Any) -> bytes:
        """The body of a streamed chat, which must be whole."""
        answer = await self.client.ask(post(self.gateway.token, a_chat(stream=True, **fields)))
        assert answer.status == 200
        assert answer.is_whole
        return answer.body


@pytest_asyncio.fixture
async def path(redis_url: str) -> AsyncIterator[Path]:
    """One connection of a client through the gateway to a raw upstream."""
    async with (
        raw_upstream() as upstream,
        running_gateway(redis_url, config_text=config_of(upstream.url), names=()) as gateway,
        connected(gateway.port) as client,
    ):
        yield Path(gateway, upstream, client)


def received(recorded: Recorded) -> bytes:
    """What a client that did not ask for usage gets."""
    return recorded.stripped + (b"" if recorded.done else DONE_EVENT)


@pytest.mark.slow
@by_name
async def test_stream_is_the_upstreams_wherever_it_is_split(path: Path, recorded: Recorded) -> None:
    """A stream that arrives in two parts reaches the client unchanged, wherever the cut fell."""
    for at in range(len(recorded.sent)):
        path.upstream.sends(recorded.sent[:at], recorded.sent[at:])
        assert await path.stream() == received(recorded), at


@by_name
async def test_stream_is_the_upstreams_byte_by_byte(path: Path, recorded: Recorded) -> None:
    """One byte a chunk adds nothing and loses nothing, and each event leaves when it is whole."""
    path.upstream.sends(*(bytes([byte]) for byte in recorded.sent))

    answer = await path.client.ask(post(path.gateway.token, a_chat(stream=True)))

    assert answer.body == received(recorded)
    assert len(answer.chunks) > 1


async def test_framing_of_the_upstream_may_be_split_anywhere(path: Path) -> None:
    """Chunk sizes and their line ends cut in pieces of three bytes change nothing."""
    wire = b"".join(chunked(OPENAI.sent[at : at + 50]) for at in range(0, len(OPENAI.sent), 50))
    whole = EVENT_STREAM + CHUNKED + wire + LAST_CHUNK

    async def script(line: Line) -> None:
        for at in range(0, len(whole), 3):
            await line.send(whole[at : at + 3])

    path.upstream.answers(script)
    assert await path.stream() == OPENAI.stripped


async def test_stream_framed_by_the_end_of_its_connection_is_whole(path: Path) -> None:
    """An upstream that neither chunks nor tells a length ends its stream by closing."""

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + b"connection: close\r\n\r\n" + OPENAI.sent)
        line.cut()

    path.upstream.answers(script)
    assert await path.stream() == OPENAI.stripped


async def test_client_need_not_wait_for_the_upstream_to_close(path: Path) -> None:
    """`[DONE]` ends the client's body, though the upstream's goes on."""
    left = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        await line.pieces([OPENAI.sent])
        await line.until_left()
        left.set()

    path.upstream.answers(script)
    assert await path.stream() == OPENAI.stripped
    async with asyncio.timeout(1):
        await left.wait()


async def test_usage_event_asked_for_by_the_client_stays(path: Path) -> None:
    """A client that asked for usage gets the upstream's event, and its nulls."""
    path.upstream.sends(OPENAI.sent)
    assert await path.stream(stream_options={"include_usage": True}) == OPENAI.sent


@pytest.mark.parametrize("include", [None, False])
async def test_usage_event_not_asked_for_is_taken_out_and_booked(
    path: Path, include: bool | None
) -> None:
    """The gateway asks for usage on its own account; the nulls that came with it stay."""
    path.upstream.sends(OPENAI.sent)
    asked = {} if include is None else {"stream_options": {"include_usage": include}}

    body = await path.stream(**asked)

    assert body == OPENAI.stripped
    assert body.count(b'"usage":null') == 4
    assert orjson.loads(path.upstream.bodies[0])["stream_options"]["include_usage"] is True
    (row,) = await path.gateway.lines.requests(1)
    assert (row["evidence"], row["tokens"]["prompt"], row["tokens"]["completion"]) == (
        "reported",
        20,
        9,
    )


@pytest.mark.parametrize(
    ("usage", "sent_options", "received_body"),
    [
        ("always", {"include_usage": False}, OPENAI.sent),
        ("never", None, OPENAI.sent),
    ],
)
async def test_target_that_is_not_asked_for_usage_keeps_its_events(
    redis_url: str, usage: str, sent_options: dict[str, bool] | None, received_body: bytes
) -> None:
    """`always` and `never` targets are not asked; what they send unasked is theirs and stays."""
    async with (
        raw_upstream() as upstream,
        running_gateway(
            redis_url, config_text=config_of(upstream.url, usage=usage), names=()
        ) as gateway,
        connected(gateway.port) as client,
    ):
        upstream.sends(OPENAI.sent)
        answer = await client.ask(
            post(gateway.token, a_chat(stream=True, stream_options={"include_usage": False}))
        )
        (row,) = await gateway.lines.requests(1)

    assert answer.body == received_body
    assert orjson.loads(upstream.bodies[0]).get("stream_options") == sent_options
    assert row["evidence"] == "reported"


async def test_comments_before_the_first_event_are_held_and_relayed(path: Path) -> None:
    """The head waits for the first event; the comments before it are not lost."""
    comments = b": thinking\n\n" * 3
    early: list[bool] = []

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        await line.pieces([comments])
        early.append(path.client.has_bytes)
        await line.pieces([OPENAI.sent])
        await line.send(LAST_CHUNK)

    path.upstream.answers(script)
    assert await path.stream() == comments + OPENAI.stripped
    assert early == [False]


async def test_comments_alone_begin_the_answer_after_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long thinking shows as life: the head and the comments leave before the first event."""
    monkeypatch.setattr(opening, "COMMENT_HOLD_S", 0.02)
    seen = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        await line.pieces([b": one\n\n"])
        await seen.wait()
        await line.pieces([b": two\n\n", OPENAI.sent])
        await line.send(LAST_CHUNK)

    path.upstream.answers(script)
    path.client.send(post(path.gateway.token, a_chat(stream=True)))
    head = await path.client.head()
    seen.set()
    answer = await path.client.answer_to(head)

    assert answer.chunks[0] == b": one\n\n"
    assert answer.body == b": one\n\n: two\n\n" + OPENAI.stripped


async def test_silence_is_no_sign_of_life(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a comment the answer does not begin, however long the hold is over."""
    monkeypatch.setattr(opening, "COMMENT_HOLD_S", 0.0)
    path.upstream.sends(OPENAI.sent[:30], OPENAI.sent[30:])
    answer = await path.client.ask(post(path.gateway.token, a_chat(stream=True)))
    assert answer.body == OPENAI.stripped
    assert len(answer.chunks[0]) > 30


@pytest.mark.parametrize("first", [b": thinking\n\n", b"id: 7\n\n", OPENAI.sent[:40], b""])
async def test_target_that_fails_before_its_first_event_leaves_no_trace(
    redis_url: str, first: bytes
) -> None:
    """What a failed target sent before the commit point never reaches the client."""
    async with (
        raw_upstream() as failing,
        raw_upstream() as working,
        running_gateway(
            redis_url, config_text=config_of(failing.url, working.url), names=()
        ) as gateway,
        connected(gateway.port) as client,
    ):

        async def script(line: Line) -> None:
            await line.send(EVENT_STREAM + CHUNKED)
            await line.pieces([first])
            line.cut()

        failing.answers(script)
        working.sends(OPENAI.sent)
        answer = await client.ask(post(gateway.token, a_chat(stream=True)))

    assert answer.body == OPENAI.stripped
    assert answer.header("x-pointsman-target") == "up1/m"
    assert answer.header("x-pointsman-attempts") == "2"


async def test_nothing_follows_done(path: Path) -> None:
    """What an upstream sends behind `[DONE]`, another one included, is dropped."""
    path.upstream.sends(OPENAI.sent + chunk('{"content":"late"}') + DONE, DONE, OPENAI_USAGE)
    assert await path.stream() == OPENAI.stripped
