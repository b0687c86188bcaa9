"""The reply that a connection carries: read up to the commit point, then relayed. I/O: by Carrier.

A body's bytes are pushed on in the turn of the loop that brings them: tasks only wait for a head,
for the first bytes, and for the end.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from proxy.domain.outcome import Ending, FailureKind
from proxy.ports import Push
from proxy.providers.http1 import ResponseParser
from proxy.providers.upstream import writable_by
from proxy.units import LoopSeconds
from proxy.wire.ratelimits import share_left

HIGH_WATER_BYTES: Final = 256 * 1024
"""What is buffered of a body that nobody reads yet, before the upstream is paused."""


class Carrier(Protocol):
    """What a reply needs of its connection."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it runs on."""

    def pause(self) -> None:
        """Stop reading; harmless to repeat."""

    def resume(self) -> None:
        """Read on; harmless to repeat."""

    def release(self) -> None:
        """The exchange is over: keep the connection if it may be used again, else drop it."""

    def release_after_rest(self, reply: "Http1Reply") -> None:
        """The same once the body's end has come, which is waited for only briefly."""

    def drop(self) -> None:
        """Close at once, which cancels what the upstream may be doing; the reply was left."""


class Http1Reply:
    """A response on its way (implements `upstream.UpstreamReply` once its head is there)."""

    __slots__ = (
        "_between_chunks_s",
        "_buffer",
        "_closed",
        "_complete",
        "_connection",
        "_deadline",
        "_due",
        "_expired",
        "_failure",
        "_loop",
        "_now",
        "_parser",
        "_push",
        "_satisfied",
        "_timer",
        "_waiter",
        "began",
        "headers",
        "status",
    )

    def __init__(
        self,
        connection: Carrier,
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
    def limits_left(self) -> float | None:
        """The share of its limits that the provider says is left."""
        return share_left(self.headers)

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
