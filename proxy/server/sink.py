"""The client's side of one answer, written by hand onto aiohttp's transport. I/O: one socket.

aiohttp parses requests and owns connections; the answer's bytes are framed here, because a
stream's chunks must be written without a task switch each, and because a broken answer must be
seen to be broken (docs/request-path.md, step 7).
"""

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion11, web

from proxy.errors import GatewayError
from proxy.ports import Clock, Head
from proxy.units import LoopSeconds
from proxy.wire.errors import error_body, error_event, error_headers

FLUSH_S = 5.0
"""How long a connection that is being closed may take to flush its last bytes."""


class Written(web.StreamResponse):
    """What aiohttp is handed in place of a response: it already went out. All that is left to
    tell is whether the connection stays, so two of them serve every exchange.
    """

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class ClientSink:
    """Writes one answer (implements `ports.Sink`)."""

    # A chunk of each of many streams comes between two of one: what is read anew for it counts.
    __slots__ = (
        "_chunked", "_clock", "_ended", "_http11", "_keep_alive", "_protocol", "_request",
        "_request_id", "_stall_s", "_stream", "_unsent_head", "broken_by", "sent_bytes",
        "started_at", "status",
    )  # fmt: skip

    def __init__(
        self, request: web.BaseRequest, request_id: str, clock: Clock, stall_s: float
    ) -> None:
        self._request = request
        self._protocol = request.protocol
        self._request_id = request_id
        self._clock = clock
        self._stall_s = stall_s
        self._http11 = request.version >= HttpVersion11
        self._keep_alive = request.keep_alive
        self._unsent_head = b""
        self._chunked = False
        self._stream = False
        self._ended = False
        self.status: int | None = None
        self.broken_by: GatewayError | None = None
        self.started_at: LoopSeconds | None = None
        self.sent_bytes = 0

    @property
    def closed(self) -> bool:
        """Whether the answer is at its end, or the client is gone."""
        return self._ended or self._transport is None

    @property
    def paused(self) -> bool:
        """Whether the client is behind."""
        return self._protocol.writing_paused

    @property
    def keeps_connection(self) -> bool:
        """Whether the connection may carry another request, the exchange being over."""
        return self._keep_alive and self._ended

    @property
    def _transport(self) -> asyncio.Transport | None:
        transport = self._protocol.transport
        return None if transport is None or transport.is_closing() else transport

    def close_after(self) -> None:
        """Let the connection end with this answer."""
        self._keep_alive = False

    def start(self, head: Head) -> None:
        """Send *head*; it leaves together with the first bytes of the body."""
        self.status = head.status
        self.started_at = self._clock.now()
        self._stream = head.stream
        self._chunked = head.content_length is None and self._http11
        if head.content_length is None and not self._http11:
            self._keep_alive = False
        self._unsent_head = self._head_bytes(head)

    def write(self, data: bytes) -> bool:
        """Take *data*; dropped where the client is gone."""
        protocol = self._protocol
        transport = protocol.transport
        if transport is None or self._ended or transport.is_closing():
            return False
        size = len(data)
        self.sent_bytes += size
        if self._chunked:
            head = _CHUNK_HEADS[size] if size < len(_CHUNK_HEADS) else b"%x\r\n" % size
            data = head + data + b"\r\n"
        if self._unsent_head:
            data = self._unsent_head + data
            self._unsent_head = b""
        transport.write(data)
        return not protocol.writing_paused

    def end(self) -> None:
        """Complete the body."""
        transport = self._transport
        if transport is None or self._ended:
            return
        self._ended = True
        last = self._unsent_head + (b"0\r\n\r\n" if self._chunked else b"")
        self._unsent_head = b""
        if last:
            transport.write(last)

    def break_off(self, error: GatewayError) -> None:
        """Tell the client of *error* and stop."""
        transport = self._transport
        if transport is None or self._ended:
            return
        self.broken_by = error
        if self.status is None:
            self._answer(error)
            return
        if self._stream:
            # The blank line ends an event that was left unfinished; else it means nothing.
            self.write(b"\n\n" + error_event(error, self._request_id))
        self._keep_alive = False
        if self.paused:
            transport.abort()  # it reads nothing: nothing can be flushed
            return
        transport.close()
        asyncio.get_running_loop().call_later(FLUSH_S, transport.abort)

    async def writable(self) -> bool:
        """Wait until the client has caught up; False when it read nothing for `stall_s`."""
        while self.paused:
            transport = self._transport
            if transport is None:
                return True
            behind_bytes = transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._stall_s):
                    await self._protocol._drain_helper()
            except TimeoutError:
                self._protocol._drain_waiter = None  # cancelled with the wait, yet kept by aiohttp
                if transport.get_write_buffer_size() >= behind_bytes:
                    return False
        return True

    async def taken(self) -> None:
        """Wait until the client has read most of an answer that ended, else drop the client: what
        it asked for meanwhile would pile up behind.
        """
        transport = self._transport
        if self.paused and transport is not None and not await self.writable():
            transport.abort()

    def _answer(self, error: GatewayError) -> None:
        if not self._request.content.is_eof():
            # A client that asked first (Expect) may leave the body out, and its next request
            # would be taken for it.
            self._keep_alive = False
        body = error_body(error, self._request_id)
        headers = (*error.headers, *error_headers(error).items())
        self.start(Head(error.status, "application/json", len(body), stream=False, headers=headers))
        if self._request.method == "HEAD":
            self.end()
            return
        self.write(body)
        self.end()

    def _head_bytes(self, head: Head) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in head.headers])
        if head.content_length is not None:
            lines += f"content-length: {head.content_length}\r\n"
        elif self._chunked:
            lines += "transfer-encoding: chunked\r\n"
        if head.stream:
            # `connection: close` is never said on a stream: with it, one SDK takes a cut body
            # for a whole one. The connection closes all the same.
            lines += "cache-control: no-cache\r\nx-accel-buffering: no\r\n"
        elif not self._keep_alive:
            lines += "connection: close\r\n"
        if self._keep_alive and not self._http11:
            lines += "connection: keep-alive\r\n"
        return (
            f"HTTP/1.1 {head.status} {_REASONS.get(head.status, 'Unknown')}\r\n"
            f"content-type: {head.content_type}\r\ndate: {_date(int(time.time()))}\r\n"
            f"x-request-id: {self._request_id}\r\n{lines}\r\n"
        ).encode("latin-1", "replace")


_CHUNK_HEADS = tuple(b"%x\r\n" % size for size in range(4096))
"""Looked up, since to format one costs as much as all else that is done to a short chunk."""


@lru_cache(maxsize=1)
def _date(unix_s: int) -> str:
    return formatdate(unix_s, usegmt=True)


_REASONS = {status.value: status.phrase for status in HTTPStatus}
