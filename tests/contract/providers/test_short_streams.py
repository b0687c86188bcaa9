"""Servers that announce keep-alive and close right after each stream, as llama.cpp does."""

import asyncio

import aiohttp
import pytest

from tests.gateway import running_gateway
from tests.server.upstream import (
    CHUNKED,
    EVENT_STREAM,
    LAST_CHUNK,
    Line,
    RawUpstream,
    chunked,
    config_of,
)

STREAMS = 4000
AT_ONCE = 40
BODY = b'{"model":"auto","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
ANSWER = EVENT + b"data: [DONE]\n\n"


@pytest.mark.slow
async def test_no_stream_fails_where_the_server_closes_after_each(
    redis_url: str, upstream: RawUpstream
) -> None:
    """Whether the close is seen in time or strikes the next request: each client has its answer."""

    async def script(line: Line) -> None:
        await line.flood(EVENT_STREAM + CHUNKED + chunked(EVENT))
        await line.flood(chunked(b"data: [DONE]\n\n") + LAST_CHUNK)
        line.cut()

    upstream.answers(script)
    config = config_of(upstream.url)
    async with (
        running_gateway(redis_url, config_text=config) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):

        async def call(count: int) -> None:
            for _ in range(count):
                url = f"{gateway.url}/v1/chat/completions"
                async with session.post(url, data=BODY) as response:
                    assert response.status == 200
                    assert await response.read() == ANSWER

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(call(STREAMS // AT_ONCE))
        rows = await gateway.lines.requests(STREAMS)

    assert {row["ending"] for row in rows} == {"complete"}
