"""A raw connection to a simulator, that hides nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Wire:
    """All bytes of one answer, up to the end of its connection."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def header(self, name: str) -> str | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b": ")
            if key.decode().lower() == name:
                return value.decode()
        return None

    @property
    def chunks(self) -> list[bytes]:
        """The chunks of the body; the last is empty only where the body was completed."""
        rest, found = self.body, []
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            found.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        return found

    @property
    def text(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def events(self) -> list[Any]:
        """The data of each whole event, decoded where it is JSON."""
        plain = self.text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        blocks = plain.split(b"\n\n")[:-1]
        return [_decoded(block[6:]) for block in blocks if block.startswith(b"data: ")]

    @property
    def is_complete(self) -> bool:
        return self.body.endswith(b"0\r\n\r\n")


def _decoded(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload


def chat(**fields: Any) -> dict[str, Any]:
    """A chat request that says hello."""
    return {"model": "sim-small", "messages": [{"role": "user", "content": "hello"}], **fields}


def request_bytes(path: str, fields: object, headers: dict[str, str]) -> bytes:
    """A POST of *fields* as JSON, or of bytes as they are."""
    body = fields if isinstance(fields, bytes) else orjson.dumps(fields)
    lines = [f"POST {path} HTTP/1.1", "host: sim", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to *url*, closed at the end whatever came of it."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        yield reader, writer
    finally:
        writer.close()


Exchange = Callable[..., Awaitable[Wire]]
"""(script, fields, path, **headers) -> the whole answer."""


def exchange_with(url: str) -> Exchange:
    """Sends one request to *url* on a connection of its own and reads until that ends."""

    async def exchange(
        script: dict[str, Any] | None = None,
        fields: object | None = None,
        path: str = "/v1/chat/completions",
        **headers: str,
    ) -> Wire:
        sent = {"connection": "close", **headers}
        if script is not None:
            sent["x-sim-script"] = orjson.dumps(script).decode()
        async with connected(url) as (reader, writer):
            writer.write(request_bytes(path, chat() if fields is None else fields, sent))
            whole = await reader.read()
        head, _, body = whole.partition(b"\r\n\r\n")
        return Wire(head, body)

    return exchange
