"""A raw connection to the gateway: sends any bytes, reads answers one by one, hides nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.gateway import GatewayUnderTest

CHAT = "/v1/chat/completions"
WAIT_S = 20.0
"""How long an answer may take before the test fails; nothing waits that long when all is well."""


@dataclass(frozen=True)
class Answer:
    """One answer; header names in lower case, in order."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, which must have OpenAI's four keys and the request id."""
        assert self.header("content-type") == "application/json"
        error = orjson.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code", "request_id"}
        assert isinstance(error["message"], str)
        assert error["request_id"] == self.header("x-request-id")
        return dict(error)


class RawClient:
    """One connection, closed by `connected`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, sent: bytes) -> None:
        self._writer.write(sent)

    async def flushed(self) -> None:
        """Wait until nearly all that was sent has left."""
        async with asyncio.timeout(WAIT_S):
            await self._writer.drain()

    async def ask(self, sent: bytes) -> Answer:
        """Send *sent* and read one answer."""
        self.send(sent)
        return await self.answer()

    async def answer(self) -> Answer:
        """The next answer, an interim one (100) too."""
        async with asyncio.timeout(WAIT_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            pairs = [line.partition(":")[::2] for line in lines]
            headers = tuple((name.lower(), value.strip()) for name, value in pairs)
            answer = Answer(int(first.split(" ")[1]), headers, b"")
            return Answer(answer.status, headers, await self._body(answer))

    async def _body(self, answer: Answer) -> bytes:
        if answer.header("transfer-encoding") is None:
            return await self._reader.readexactly(int(answer.header("content-length") or 0))
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body

    async def until(self, part: bytes) -> bytes:
        """All that comes up to and with *part*."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.readuntil(part)

    async def rest(self) -> bytes:
        """All that still comes until the gateway closes the connection, however it does."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def connected(gateway: GatewayUnderTest) -> AsyncIterator[RawClient]:
    """A connection to *gateway*, closed at the end whatever came of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


def a_chat(**fields: Any) -> bytes:
    """The body of a chat request, with *fields* in place of its own."""
    chat = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}
    return orjson.dumps({**chat, **fields})


def head_of(
    gateway: GatewayUnderTest, method: str = "POST", target: str = CHAT, *lines: str
) -> bytes:
    """A request's head with a good key and these header *lines* more."""
    all_lines = [
        f"{method} {target} HTTP/1.1",
        "Host: gateway",
        f"Authorization: Bearer {gateway.token}",
        *lines,
    ]
    return "\r\n".join([*all_lines, "", ""]).encode("latin-1")


def a_post(
    gateway: GatewayUnderTest, body: bytes | None = None, *lines: str, path: str = CHAT
) -> bytes:
    """A whole POST of JSON with a good key, and these header *lines* more."""
    body = a_chat() if body is None else body
    typed = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    return head_of(gateway, "POST", path, *typed, *lines) + body


def a_get(gateway: GatewayUnderTest, path: str, *lines: str) -> bytes:
    """A whole GET with a good key."""
    return head_of(gateway, "GET", path, *lines)


def upstream_calls(gateway: GatewayUnderTest) -> int:
    """How many calls all simulated providers have had."""
    return sum(provider.stats.calls for provider in gateway.simulator.providers.values())


async def arrived() -> None:
    """Let what was sent be read by the gateway, apart from what is sent next."""
    for _ in range(10):
        await asyncio.sleep(0)
