"""A client's connection to the gateway, that hides nothing: bytes out, bytes and framing back."""

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

WAIT_S = 20.0
"""How long a test waits for anything that must come."""

CHAT = "/v1/chat/completions"


def a_chat(**fields: Any) -> dict[str, Any]:
    """A chat request; `model` is the route."""
    return {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], **fields}


def post(
    token: str, fields: object, *, path: str = CHAT, version: str = "1.1", **headers: str
) -> bytes:
    """The bytes of a POST of *fields* as JSON; *headers* with `_` for `-`."""
    body = fields if isinstance(fields, bytes) else orjson.dumps(fields)
    lines = [
        f"POST {path} HTTP/{version}",
        "host: gateway",
        f"authorization: Bearer {token}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET without a key."""
    return f"GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n".encode()


@dataclass(frozen=True)
class Answer:
    """One answer as it came. `is_whole`: its framing says that nothing is missing."""

    head: bytes
    chunks: tuple[bytes, ...]
    is_whole: bool

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def events(self) -> list[bytes]:
        """The data of the stream's events, in order; what is no whole event is left out."""
        whole = self.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")[:-1]
        return [block.partition(b"data: ")[2] for block in whole if b"data: " in block]

    def header(self, name: str) -> str | None:
        """The value of the header *name* (in lower case)."""
        return header_of(self.head, name)


def header_of(head: bytes, name: str) -> str | None:
    """The value of the header *name* (in lower case) in *head*."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.decode("latin-1").partition(": ")
        if key.lower() == name:
            return value
    return None


class Client:
    """One connection. `answer` reads one answer; several may follow one another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def has_bytes(self) -> bool:
        """Whether bytes of an answer wait in the socket."""
        sock = self.writer.get_extra_info("socket")
        return bool(select.select([sock.fileno()], [], [], 0)[0])

    def send(self, sent: bytes) -> None:
        """Send *sent*, whatever it is."""
        self.writer.write(sent)

    async def ask(self, request: bytes) -> Answer:
        """Send *request* and read its answer."""
        self.send(request)
        return await self.answer()

    async def answer(self) -> Answer:
        """The next answer: to the end of its framing, or of the connection."""
        return await self.answer_to(await self.head())

    async def head(self) -> bytes:
        """The next answer's head, alone."""
        async with asyncio.timeout(WAIT_S):
            return (await self.reader.readuntil(b"\r\n\r\n"))[:-4]

    async def answer_to(self, head: bytes) -> Answer:
        """The answer whose *head* was read."""
        chunks: list[bytes] = []
        whole = True
        try:
            async with asyncio.timeout(WAIT_S):
                if header_of(head, "transfer-encoding") == "chunked":
                    await self._read_chunks(chunks)
                elif (length := header_of(head, "content-length")) is not None:
                    chunks.append(await self.reader.readexactly(int(length)))
                else:
                    chunks.append(await self.reader.read())
        except asyncio.IncompleteReadError as cut:
            chunks.append(cut.partial)
            whole = False
        except ConnectionResetError:
            whole = False
        return Answer(head, tuple(chunks), whole)

    async def _read_chunks(self, chunks: list[bytes]) -> None:
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            chunks.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"

    async def rest(self) -> bytes:
        """What still comes until the gateway closes the connection, however it does."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def connected(
    port: int,
    *,
    receive_buffer_bytes: int | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Client]:
    """A connection to 127.0.0.1:*port*, dropped at the end whatever came of it."""
    sock = socket.socket()
    if receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=tls, server_hostname=None if tls is None else "localhost", limit=16 * 1024
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
