"""One connection to an upstream: what comes in on it is parsed, and handed on. I/O: one socket.

Nothing here waits: bytes go from `data_received` through the reply to the client's sink, without
a task in between.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from proxy.domain.outcome import FailureKind
from proxy.providers.http1 import BadResponse, ResponseParser
from proxy.providers.reply import Http1Reply
from proxy.units import LoopSeconds

TURN_BYTES: Final = 16 * 1024
"""How much of what was read is handed on in one turn of the loop. A loop reads up to 256 KiB at
once, 32 times in a turn: as events of three bytes that would keep all others waiting for seconds.
"""

CLOSE_FIRST_S: Final = 1.0
"""How long before the server, where it says when it will, an idle connection is given up."""

JOINED_BYTES: Final = 64 * 1024
"""A shorter body is copied behind its head: a second buffer costs more than that."""

REST_S: Final = 0.1
"""How long a connection may take to deliver the end of a body whose content is complete."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time, the next one only after a whole reply. *on_idle* is told
    when it may be used again, within *idle_s*, and *on_lost*, once, when it is gone.
    """

    __slots__ = (
        "_idle_s",
        "_on_idle",
        "_on_lost",
        "_parser",
        "_paused",
        "_peer_ended",
        "_reply",
        "_rest",
        "_transport",
        "_used",
        "idle_until",
        "loop",
    )

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
        self._rest = b""  # read, but its turn is still to come; no more is read meanwhile
        self._paused = False
        self._used = False
        self._peer_ended = False
        self.idle_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can carry an exchange."""
        return self._transport is not None and not self._transport.is_closing()

    def send(
        self, head: bytes, body: bytes, between_chunks_s: float, deadline: LoopSeconds
    ) -> Http1Reply:
        """Send a whole request; await the reply's `head` next."""
        assert self._transport is not None
        self._parser.begin()
        self._reply = Http1Reply(self, self._parser, between_chunks_s, deadline)
        if len(body) < JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return self._reply

    def release(self) -> None:
        """The exchange is over: keep the connection if it may be used again, else drop it."""
        self._reply = None
        self._used = True
        transport = self._transport
        if transport is None:
            return
        clean = transport.get_write_buffer_size() == 0 and not self._rest
        if clean and self._parser.may_reuse and not transport.is_closing():
            self.resume()
            self.idle_until = self.loop.time() + self._may_rest_s()
            self._on_idle(self)
        else:
            self.drop()

    def release_after_rest(self, reply: Http1Reply) -> None:
        """The same once the body's end has come, which is waited for only briefly."""
        self.resume()
        self.loop.call_later(REST_S, self._give_up, reply)

    def drop(self) -> None:
        """Close at once, which cancels what the upstream may be doing; the reply was left."""
        self._reply = None
        self._rest = b""
        self.sever()

    def sever(self) -> None:
        """Close at once; a reply that is under way is told that it broke."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading; harmless to repeat."""
        if not self._paused:
            self._paused = True
            if self._transport is not None:
                self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; harmless to repeat."""
        if self._paused:
            self._paused = False
            if self._rest:
                self.loop.call_soon(self._next_turn)
            elif self._transport is not None:
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
        if len(data) > TURN_BYTES:
            data = self._leave_rest(data)
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
        """The connection is gone, though a part of what it brought may wait for its turn."""
        self._transport = None
        if not self._rest:
            self._end_reply()
        self._on_lost(self)

    def _end_reply(self) -> None:
        """All that came is handed on: where the peer ended it, a body without framing is whole."""
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if self._peer_ended and self._parser.ends_with_connection:
            self._parser.complete = True
            reply.advance(b"")
        elif self._used and not reply.began:
            # This says nothing of the server's health: it may just have closed idle ones.
            reply.broken(FailureKind.STALE_CONNECTION)
        else:
            reply.broken(FailureKind.DISCONNECTED)

    def _leave_rest(self, data: bytes) -> bytes:
        if self._transport is not None:
            self._transport.pause_reading()
        self._rest = data[TURN_BYTES:]
        self.loop.call_soon(self._next_turn)
        return data[:TURN_BYTES]

    def _next_turn(self) -> None:
        if self._paused or not self._rest:
            return
        rest, self._rest = self._rest, b""
        self.data_received(rest)
        if self._rest:
            return
        if self._transport is None:
            self._end_reply()
        elif not self._paused:
            self._transport.resume_reading()

    def _give_up(self, reply: Http1Reply) -> None:
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
