"""One connection to an upstream, and the reply that it carries. I/O: one socket.

A reply's bytes come in by `data_received` and go out to the client's sink from there, without a
task in between: tasks only wait for a head, for the first bytes, and for the end.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Final, cast

from proxy.domain.outcome import Ending, FailureKind
from proxy.ports import Push
from proxy.providers.http1 import BadResponse, ResponseParser
from proxy.providers.upstream import writable_by
from proxy.units import LoopSeconds

HIGH_WATER_BYTES: Final = 256 * 1024
"""What is buffered of a body that nobody reads yet, before the upstream is paused."""

CLOSE_FIRST_S: Final = 1.0
"""How long before the server, where it says when it will, an idle connection is given up."""

REST_S: Final = 0.1
"""How long a connection may take to deliver the end of a body whose content is complete."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time, the next one only after a whole reply. *on_idle* is told
    when it may be used again, within *idle_s*, and *on_lost*, once, when it is gone.
    """

    def __init__(
        self,
        on_idle: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
        idle_s: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._idle_s = idle_s
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._reply: Http1Reply | None = None
        self._paused = False
        self._used = False
        self._peer_ended = False
        self.idle_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can carry an exchange."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, between_chunks_s: float, deadline: LoopSeconds) -> "Http1Reply":
        """Send a whole *request*; await the reply's `head` next."""
        assert self._transport is not None
        self._parser.begin()
        self._reply = Http1Reply(self, self._parser, between_chunks_s, deadline)
        self._transport.write(request)
        return self._reply

    def release(self) -> None:
        """The exchange is over: keep the connection if it may be used again, else drop it."""
        self._reply = None
        self._used = True
        transport = self._transport
        if transport is None:
            return
        written = transport.get_write_buffer_size() == 0
        if written and self._parser.may_reuse and not transport.is_closing():
            self.resume()
            self.idle_until = self.loop.time() + self._may_rest_s()
            self._on_idle(self)
        else:
            self.drop()

    def release_after_rest(self, reply: "Http1Reply") -> None:
        """The same once the body's end has come, which is waited for only briefly."""
        self.resume()
        self.loop.call_later(REST_S, self._give_up, reply)

    def drop(self) -> None:
        """Close at once, which cancels what the upstream may be doing; the reply was left."""
        self._reply = None
        self.sever()

    def sever(self) -> None:
        """Close at once; a reply that is under way is told that it broke."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading; harmless to repeat."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; harmless to repeat."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse *data* and hand on what it brings."""
        reply = self._reply
        if reply is None:
            self.drop()  # nobody asked: what came is not the answer to the next request
            return
        reply.began = True
        try:
            body = self._parser.feed(data)
        except BadResponse:
            self.drop()
            reply.broken(FailureKind.BAD_REPLY)
        else:
            reply.advance(body)

    def eof_received(self) -> None:
        """The peer ended its side."""
        self._peer_ended = self._transport is not None and _is_true_end(self._transport)
        # Not left to the loop, whose close waits until a peer that may be gone takes our bytes.
        self.sever()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; where the peer ended it, a body without framing is whole."""
        self._transport = None
        reply, self._reply = self._reply, None
        if reply is not None:
            if self._peer_ended and self._parser.ends_with_connection:
                self._parser.complete = True
                reply.advance(b"")
            elif self._used and not reply.began:
                # This says nothing of the server's health: it may just have closed idle ones.
                reply.broken(FailureKind.STALE_CONNECTION)
            else:
                reply.broken(FailureKind.DISCONNECTED)
        self._on_lost(self)

    def _give_up(self, reply: "Http1Reply") -> None:
        if self._reply is reply:
            self.drop()

    def _may_rest_s(self) -> float:
        stated = self._parser.keep_alive_s
        return self._idle_s if stated is None else min(self._idle_s, stated - CLOSE_FIRST_S)


def _is_true_end(transport: asyncio.Transport) -> bool:
    """Whether what ended is what the peer sent: over TLS its close_notify says so. A FIN below it
    can be anybody's, yet asyncio (not uvloop) reports that as an end, too.
    """
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


class Http1Reply:
    """A response on its way (implements `upstream.UpstreamReply` once its head is there)."""

    def __init__(
        self,
        connection: Connection,
        parser: ResponseParser,
        between_chunks_s: float,
        deadline: LoopSeconds,
    ) -> None:
        self._loop = connection.loop
        self._now = connection.loop.time
        self._connection = connection
        self._parser = parser
        self._between_chunks_s = between_chunks_s
        self._deadline = deadline
        self._buffer = bytearray()
        self._push: Push | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._failure: FailureKind | None = None
        self._expired: Ending | None = None
        self._complete = False
        self._satisfied = False
        self._closed = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.began = False
        self.status = 0
        self.headers: Mapping[str, str] = {}

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The body's length in bytes, None if the upstream did not say."""
        length = self.headers.get("content-length")
        return None if length is None else int(length)

    async def head(self) -> FailureKind | None:
        """Wait until `status` and `headers` are there; why not, if they will not come."""
        try:
            while self.status == 0:
                if self._failure is not None:
                    return self._failure
                await self._wait()
        except BaseException:
            self.close()
            raise
        return None

    async def read(self) -> bytes | FailureKind:
        """The next bytes of the body, empty at its clean end."""
        while not self._buffer:
            if self._complete:
                return b""
            if self._failure is not None:
                return self._failure
            await self._wait()
        body = bytes(self._buffer)
        self._buffer.clear()
        self._connection.resume()
        return body

    async def read_capped(self, limit_bytes: int) -> bytes:
        """At most *limit_bytes* of the body; what could not be read counts as its end."""
        parts = bytearray()
        while len(parts) < limit_bytes:
            data = await self.read()
            if isinstance(data, FailureKind) or not data:
                break
            parts += data
        return bytes(parts[:limit_bytes])

    async def relay_to(self, push: Push) -> Ending:
        """Push the rest of the body into *push* as it arrives."""
        if self._buffer and not push.closed:
            push.write(bytes(self._buffer))
        self._buffer.clear()
        self._push = None if push.closed else push
        self._moved()
        self._timer = self._loop.call_at(min(self._due, self._deadline), self._look)
        try:
            while (ending := self._ending(push)) is None:
                if push.paused:
                    self._connection.pause()
                    self._due = float("inf")  # what passes now is no fault of the upstream
                    stopped = await writable_by(push, self._deadline)
                    if stopped is not None:
                        return stopped
                    self._moved()
                else:
                    self._connection.resume()
                    await self._wait()
        finally:
            self._push = None
            self._timer.cancel()
        self._satisfied = ending is Ending.COMPLETE
        return ending

    def close(self) -> None:
        """Give the connection back if the body is at its end or about to be, else drop it."""
        if self._closed:
            return
        self._closed = True
        if self._complete:
            self._connection.release()
        elif self._satisfied:
            self._connection.release_after_rest(self)
        else:
            self._connection.drop()

    # What the connection calls.

    def advance(self, body: bytes) -> None:
        """Take over what the parser has, with *body*, which may be empty: no task runs for it
        unless one waits for just this.
        """
        push = self._push
        if push is None:
            self._keep(body)
            return
        if body:
            self._due = self._now() + self._between_chunks_s
            if push.write(body) and not self._parser.complete:
                return
        self._complete = self._parser.complete
        if push.closed:
            self._push = None  # what else comes in this turn is not wanted
            self._wake()
        elif push.paused:
            self._connection.pause()  # now: the loop may have more to hand over in this turn
            self._wake()
        elif self._complete:
            self._wake()

    def _keep(self, body: bytes) -> None:
        parser = self._parser
        self._complete = parser.complete
        if self._closed:
            if self._complete:
                self._connection.release()
            return
        if self.status == 0 and parser.status is not None:
            self.status, self.headers = parser.status, parser.headers
        self._buffer += body
        if len(self._buffer) > HIGH_WATER_BYTES:
            self._connection.pause()
        self._wake()

    def broken(self, kind: FailureKind) -> None:
        """No more will come; *kind* says why."""
        self._failure = kind
        self._wake()

    def _ending(self, push: Push) -> Ending | None:
        if self._complete or push.closed:
            return Ending.COMPLETE
        if self._failure is not None:
            return Ending.UPSTREAM_CUT
        return self._expired

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _moved(self) -> None:
        self._due = self._now() + self._between_chunks_s

    def _look(self) -> None:
        # Left alone while chunks come: a timer moved for every chunk costs more than the chunk.
        now = self._now()
        if now >= self._deadline:
            self._expired = Ending.DEADLINE
        elif now >= self._due:
            self._expired = Ending.UPSTREAM_STALLED
        else:
            wait_s = min(self._due - now, self._between_chunks_s, self._deadline - now)
            self._timer = self._loop.call_later(wait_s, self._look)
            return
        self._wake()
