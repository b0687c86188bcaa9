"""The floor: an aiohttp server that passes a body on over a lean upstream connection, no more.

I/O: listens on the first port of 127.0.0.1; the upstream is at the second, and with 0 there the
answer comes from memory. No key, no look at the body, no deadline, no log, no pool to speak of:
what is above it in the table is what a gateway does, what is below it is out of reach for one
that is served by aiohttp.

    python -m loadtest.floor PORT UPSTREAM_PORT
"""

import asyncio
import gc
import sys
from typing import Final, cast

import httptools
import uvloop
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from loadtest.answers import CHAT_REPLY

_GC_THRESHOLDS: Final = (50_000, 20, 50)
"""The gateway's own: what is compared is the work, not the collector."""

_READY: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class _Upstream(asyncio.Protocol):
    """One upstream connection, one call at a time; the answer is read until its end."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._whole: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(ConnectionError("the upstream left"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._whole is not None:
            self._whole.set_result(b"".join(self._pieces))
        self._pieces = []
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send *request*; the body of its answer."""
        assert self._transport is not None
        self._whole = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._whole


class _Floor:
    def __init__(self, upstream_port: int) -> None:
        self._port = upstream_port
        self._idle: list[_Upstream] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer by the transport itself; aiohttp is told that nothing is left to write."""
        body = await request.read()
        transport = request.transport
        assert transport is not None
        if request.method == "GET":
            transport.write(_READY)
        elif not self._port:
            transport.write(CHAT_REPLY)
        else:
            transport.write(_answer(await self._asked(body)))
        return _Written()

    async def _asked(self, body: bytes) -> bytes:
        if self._idle:
            upstream = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, upstream = await loop.create_connection(_Upstream, "127.0.0.1", self._port)
        answer = await upstream.ask(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self._idle.append(upstream)
        return answer


class _Written(web.StreamResponse):
    """An answer that has left already, on a connection that stays."""

    def __init__(self) -> None:
        super().__init__()
        self._keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


async def serve(port: int, upstream_port: int) -> None:
    """Listen on *port* until the task ends."""
    gc.set_threshold(*_GC_THRESHOLDS)
    server = web.Server(_Floor(upstream_port).handle, handler_cancellation=True)
    loop = asyncio.get_running_loop()

    def connection() -> RequestHandler:
        return server()

    listening = await loop.create_server(connection, "127.0.0.1", port, backlog=4096)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
