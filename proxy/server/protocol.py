"""aiohttp's server with the deadlines and caps that it lacks. I/O: sockets.

aiohttp waits for a request's head without end, and bounds its lines but not their sum; both are
an attacker's opening. One coarse sweep a second looks after all connections.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from proxy.config.settings import Limits
from proxy.errors import GatewayError

SWEEP_S = 1.0
FLUSH_LOOK_S = 0.05
_HEAD_END = b"\r\n\r\n"

Refuse = Callable[[web.BaseRequest, GatewayError], web.StreamResponse]


class GatewayServer(web.Server):
    """Makes one GatewayProtocol a connection."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Any],
        refuse: Refuse,
        limits: Limits,
        **protocol_options: Any,
    ) -> None:
        super().__init__(handle, handler_cancellation=True)
        self._protocol_options = protocol_options
        self.refuse = refuse
        self.limits = limits
        self._sweep_timer: asyncio.TimerHandle | None = None

    def __call__(self) -> RequestHandler:
        """A protocol for a new connection."""
        return GatewayProtocol(self, loop=self._loop, **self._protocol_options)

    @property
    def is_full(self) -> bool:
        """Whether no further connection is taken."""
        return len(self._connections) > self.limits.max_connections

    def start_sweeping(self) -> None:
        """Begin to look after the connections' deadlines."""
        self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)

    @property
    def _is_behind(self) -> bool:
        return any(each.get_write_buffer_size() for each in self._connections.values())

    async def flush(self, within_s: float) -> None:
        """Wait until clients have taken what was written for them, at most *within_s*."""
        give_up_at = self._loop.time() + within_s
        while self._is_behind and self._loop.time() < give_up_at:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(FLUSH_LOOK_S)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close every connection."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        await super().shutdown(timeout)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection, transport in self._connections.items():
            protocol = cast(GatewayProtocol, connection)
            protocol.check_deadline(now)
            protocol.check_unread(transport, now)
        self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)


class GatewayProtocol(RequestHandler):
    """One connection of a client."""

    __slots__ = (
        "_head_bytes",
        "_head_since",
        "_head_tail",
        "_server",
        "_unread_bytes",
        "_unread_since",
    )

    def __init__(self, server: GatewayServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        # When the head now being received began; None between requests and during one.
        self._head_since: float | None = None
        self._head_bytes = 0
        self._head_tail = b""
        # Since when a finished answer's last bytes wait for the client without any progress.
        self._unread_since: float | None = None
        self._unread_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock: a connection that says nothing is not kept."""
        super().connection_made(transport)
        self._head_since = self._loop.time()
        if self._server.is_full:
            limit = f"{self._server.limits.max_connections} connections"
            self._drop(GatewayError("overloaded", retry_after_s=1, limit=limit))

    def data_received(self, data: bytes) -> None:
        """Parse *data*, counting the bytes of a head that comes in pieces."""
        if self._is_receiving_head:
            cap = self._server.limits.max_header_bytes
            room = max(0, cap - self._head_bytes)
            if len(data) > room and _HEAD_END not in self._head_tail + data[:room]:
                self._drop(GatewayError("headers_too_large", reason=f"over {cap} bytes in all"))
                return
        super().data_received(data)
        if self._is_receiving_head:
            if self._head_since is None:
                self._head_since = self._loop.time()
            self._head_bytes += len(data)
            self._head_tail = (self._head_tail + data[-3:])[-3:]
        else:
            self._head_since = None
            self._head_bytes = 0
            self._head_tail = b""
            self._break_body()

    def _break_body(self) -> None:
        # Where a body's framing breaks off, aiohttp tells whoever reads the next request, not
        # the one who waits for that body: it would wait until its deadline.
        request = self._current_request
        broken = bool(self._messages) and isinstance(self._messages[-1][0], _ErrInfo)
        if broken and request is not None and not request.content.is_eof():
            request.content.set_exception(RequestPayloadError())
            self._messages.clear()
            self._close = True
            self._lingering_time = 0.0  # there is no rest of it to wait for

    @property
    def _is_receiving_head(self) -> bool:
        # No parsed request waits, and the reader of requests waits for one (or, on a new
        # connection, has not got that far).
        if self._messages:
            return False
        waiter = self._waiter
        return self._request_count == 0 if waiter is None else not waiter.done()

    def check_deadline(self, now: float) -> None:
        """Drop the connection if its head is overdue at *now* (loop time)."""
        limit = self._server.limits.header_timeout_s
        if (
            self._head_since is not None
            and now - self._head_since > limit
            and self._is_receiving_head
        ):
            self._drop(GatewayError("request_timeout", limit=limit))

    def check_unread(self, transport: asyncio.Transport, now: float) -> None:
        """Drop the connection if the rest of an answer is not read; while one is being made its
        sink looks after that. A connection that is closing would else wait for ever.
        """
        unread_bytes = 0 if self._request_in_progress else transport.get_write_buffer_size()
        if not unread_bytes:
            self._unread_since = None
        elif self._unread_since is None or unread_bytes < self._unread_bytes:
            self._unread_since = now
        elif now - self._unread_since > self._server.limits.client_stall_s:
            transport.abort()
        self._unread_bytes = unread_bytes

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse, in our shape; its text may quote the client."""
        if isinstance(exc, GatewayError):
            error = exc
        elif isinstance(exc, LineTooLong):
            error = GatewayError("headers_too_large", reason="a line is too long")
        elif isinstance(exc, BadHttpMessage) and exc.message.startswith("Too many headers"):
            error = GatewayError("headers_too_large", reason=f"over {self.max_headers} of them")
        elif status >= 500:
            error = GatewayError("internal_error")
        else:
            error = GatewayError("malformed_request")
        return self._server.refuse(request, error)

    def _drop(self, error: GatewayError) -> None:
        """Refuse whatever comes on this connection, and close it."""
        self._head_since = None
        if self._close or self._force_close:
            return
        self._close = True  # nothing more is read
        self._messages.append((_ErrInfo(error.status, error, ""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
