"""aiohttp's server with the deadlines and caps that it lacks. I/O: sockets.

aiohttp waits for a request's head without end, and bounds its lines but not their sum; both are
an attacker's opening. And where a client sends ahead what nobody takes, it stops reading: then
the client can leave unseen, and what was begun for it upstream runs on. One coarse sweep looks
after all connections.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from proxy.config.settings import Limits
from proxy.errors import GatewayError

SWEEP_S = 0.5
FLUSH_LOOK_S = 0.05

MAX_WAITING = 24
"""How many whole requests of a connection may wait behind the one that runs. At 32 aiohttp would
stop reading.
"""

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
    def is_behind(self) -> bool:
        """Whether something written waits for its reader."""
        return any(each.get_write_buffer_size() for each in self._connections.values())

    async def flush(self, within_s: float) -> None:
        """Wait until clients have taken what was written for them, at most *within_s*."""
        give_up_at = self._loop.time() + within_s
        while self.is_behind and self._loop.time() < give_up_at:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(FLUSH_LOOK_S)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close every connection."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        await super().shutdown(timeout)

    def _sweep(self) -> None:
        self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)  # whatever comes below
        now = self._loop.time()
        for connection, transport in self._connections.items():
            protocol = cast(GatewayProtocol, connection)
            protocol.check_deadline(now)
            protocol.check_sight(transport)
            protocol.check_unread(transport, now)


class GatewayProtocol(RequestHandler):
    """One connection of a client."""

    __slots__ = (
        "_body",
        "_head_bytes",
        "_head_since",
        "_ignored_bytes",
        "_ignores",
        "_server",
        "_unread_bytes",
        "_unread_since",
    )

    def __init__(self, server: GatewayServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        # The body of the newest request: the parser is inside it, or else inside a head.
        self._body: StreamReader = EMPTY_PAYLOAD
        # When the head now being received began; None between requests and inside a body.
        self._head_since: float | None = None
        self._head_bytes = 0
        # Whether the rest of this connection is refused: it is read, for only thus is the
        # client's departure seen, and dropped.
        self._ignores = False
        self._ignored_bytes = 0
        # Since when a finished answer's last bytes wait for the client without any progress.
        self._unread_since: float | None = None
        self._unread_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock: a connection that says nothing is not kept."""
        super().connection_made(transport)
        self._head_since = self._loop.time()
        if self._server.is_full:
            limit = f"{self._server.limits.max_connections} connections"
            self._refuse(GatewayError("overloaded", retry_after_s=1, limit=limit))

    def data_received(self, data: bytes) -> None:
        """Parse *data*, and hold its heads and the number of its requests to their caps.

        A head that is not whole is counted from the first packet that has nothing else in it:
        how much of the packet before belongs to it, the parser does not tell.
        """
        if self._ignores:
            self._ignore(len(data))
            return
        known = self._request_count
        inside_head = self._body.is_eof()
        super().data_received(data)
        if self._request_count != known:
            self._take(self._request_count - known)
        elif self._upgraded:
            self._check_tail()
        elif inside_head and data:
            self._count_head(len(data))

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Resume what was paused; aiohttp parses anew, for each body read, what it has not got."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Look, as above, at what was kept behind a request for an upgrade: it is parsed here."""
        known = self._request_count
        result = await super().finish_response(request, resp, start_time)
        if self._request_count != known:
            self._take(self._request_count - known)
        return result

    def _take(self, count: int) -> None:
        # What now comes last in the queue are *count* new requests.
        self._body = self._messages[-1][1]
        self._head_since = None
        self._head_bytes = 0
        if not self._check_heads(count):
            return
        # Where none runs yet, the first in the queue is the one that the others wait behind.
        most = MAX_WAITING + (self._current_request is None)
        if len(self._messages) > most:
            self._refuse_from(most, _ahead(f"{MAX_WAITING} requests"))

    def _check_heads(self, count: int) -> bool:
        messages, cap = self._messages, self._server.limits.max_header_bytes
        for place in range(len(messages) - count, len(messages)):
            message = messages[place][0]
            if isinstance(message, _ErrInfo):
                self._ignores = True
                self._break_body()
                return False
            if _size_of(message) > cap:
                self._refuse_from(place, _head_over(cap))
                return False
        return True

    def _count_head(self, size_bytes: int) -> None:
        if self._head_since is None:
            self._head_since = self._loop.time()
        self._head_bytes += size_bytes
        if self._head_bytes > (cap := self._server.limits.max_header_bytes):
            self._refuse(_head_over(cap))

    def _check_tail(self) -> None:
        # What comes behind a request for an upgrade is kept until that is answered; over this
        # size aiohttp reads no more.
        if len(self._message_tail) >= self._read_bufsize:
            self._message_tail = b""
            self._refuse_from(len(self._messages), _ahead(f"{self._read_bufsize} bytes"))

    def _ignore(self, size_bytes: int) -> None:
        # No more than one body's worth: reading costs us, too.
        self._ignored_bytes += size_bytes
        if self._ignored_bytes > self._server.limits.max_body_bytes and self.transport is not None:
            self.transport.abort()

    def _break_body(self) -> None:
        # Where a body's framing breaks off, aiohttp tells whoever reads the next request, not
        # the one who waits for that body: it would wait until its deadline.
        request = self._current_request
        if request is not None and not request.content.is_eof():
            request.content.set_exception(RequestPayloadError())
            self._messages.clear()
            self._close = True
            self._lingering_time = 0.0  # there is no rest of it to wait for

    def check_deadline(self, now: float) -> None:
        """Refuse the head now being received if it is overdue at *now* (loop time)."""
        limit = self._server.limits.header_timeout_s
        if self._head_since is not None and now - self._head_since > limit:
            self._refuse(GatewayError("request_timeout", limit=limit))

    def check_sight(self, transport: asyncio.Transport) -> None:
        """Read on where a request runs and the body of another, behind it, filled its buffer:
        that other one is refused.
        """
        running = self._current_request
        if transport.is_reading() or running is None or not running.content.is_eof():
            return
        if self._messages and not self._messages[-1][1].is_eof():
            held = f"{2 * self._read_bufsize} bytes of a body"  # aiohttp pauses at twice its size
            self._refuse_from(len(self._messages) - 1, _ahead(held))

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

    def _refuse_from(self, place: int, error: GatewayError) -> None:
        """Refuse the requests from *place* in the queue on, and whatever comes behind."""
        while len(self._messages) > place:
            self._messages.pop()
        self._refuse(error)
        self._resume_transport_reading()

    def _refuse(self, error: GatewayError) -> None:
        """Refuse whatever comes on this connection; it closes with that answer, which follows
        those of the requests before.
        """
        self._head_since = None
        if self._close or self._force_close or self._ignores:
            return
        self._ignores = True
        self._messages.append((_ErrInfo(error.status, error, ""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _head_over(cap: int) -> GatewayError:
    return GatewayError("headers_too_large", reason=f"over {cap} bytes in all")


def _ahead(what: str) -> GatewayError:
    return GatewayError("overloaded", retry_after_s=1, limit=f"{what} sent ahead on a connection")


def _size_of(message: RawRequestMessage) -> int:
    """The bytes of a request's head: its target, and its lines with their colons and ends."""
    lines = message.raw_headers
    return len(message.path) + sum([len(name) + len(value) + 4 for name, value in lines])
