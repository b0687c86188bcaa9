"""One connection of the hot path to Redis: calls in, one write a tick, replies out in order.

I/O: a socket (by an asyncio transport) and timers.

Rules of this file:

1. Redis answers in the order of asking. Every call has a place in line from `send` until its
   reply came, whatever became of its caller: the reply of a call that was cancelled or given up
   is thrown away when it comes. So no reply can reach another caller.
2. The calls of one tick leave as one write, a batch. A batch has one deadline, counted from its
   write, and one timer serves all of them.
3. Redis is not blamed for a stall of our own loop. A deadline counts from the write. A batch
   found overdue is given up at the next look only, LOOK_AGAIN_S later: between two timers an
   event loop polls its sockets, so whatever Redis had sent by then was taken.
4. Whatever makes the order doubtful (broken protocol, a reply that nobody asked for) and an open
   breaker end the connection, and with it all calls on their way, at once. A link that has ended
   never comes back; `hot` makes a new one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, NamedTuple, cast

import hiredis

from proxy.state.breaker import Breaker, refusal
from proxy.state.connection import CommandRefusedError, StateUnavailableError

MAX_OUTSTANDING: Final = 10_000
"""Calls in line, those given up included; a call beyond is refused."""

LOOK_AGAIN_S: Final = 0.002

Argument = str | bytes | int
Command = tuple[Argument, ...]
Answer = asyncio.Future[Any]

_NOT_YET: Final = object()
_SHORTEST_TIMER_S: Final = 0.001  # uvloop takes less for "at once" and does not poll before it
_pack: Final = cast("Callable[[Command], bytes]", hiredis.pack_command)  # stubbed as a 1-tuple


class _Batch(NamedTuple):
    """Calls that left together: due at `due_s`; `end` is how many were sent by then, in all."""

    due_s: float
    end: int


class Link(asyncio.Protocol):
    """A connection, once a transport is connected to it. Made on the loop that runs it.

    `trouble` says why it ended, None while it can be used; `lost` is done once it is closed.
    """

    def __init__(self, deadline_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline_s = deadline_s
        self._breaker = Breaker(span_s=deadline_s)
        self._reader = hiredis.Reader(replyError=refusal, notEnoughData=_NOT_YET)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._waiting: deque[Answer] = deque()
        self._batches: deque[_Batch] = deque()
        self._sent = 0
        self._answered = 0
        self._is_unable = False
        self._looked_s = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self.trouble: str | None = None
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def send(self, command: Command) -> Answer:
        """Put *command* (never empty) in line; the future of its reply, which may be cancelled.

        Raises:
            StateUnavailableError: the link has ended, or too many calls wait already.
            TypeError: an argument is neither text, bytes nor a whole number.
        """
        if self.trouble is not None:
            raise StateUnavailableError(self.trouble)
        if len(self._waiting) >= MAX_OUTSTANDING:
            raise StateUnavailableError(f"{MAX_OUTSTANDING} calls wait for Redis already")
        packed = _pack(command)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)
        answer: Answer = self._loop.create_future()
        self._waiting.append(answer)
        return answer

    def drop(self, why: str) -> None:
        """End the link: all calls on their way fail with *why*. Harmless to repeat."""
        if self.trouble is not None:
            return
        self.trouble = why
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._unsent.clear()
        self._batches.clear()
        self._fail(len(self._waiting), why)
        self._waiting.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take *transport* into use."""
        # Named, not checked: uvloop's transports are no subclasses of asyncio's on every kind.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whichever side."""
        self.drop("Redis closed the connection" + (f": {exc}" if exc else ""))
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that *data* completes."""
        if self._answered == self._sent:
            self.drop("Redis sent what nobody had asked for")
            return
        gets = self._reader.gets
        try:
            self._reader.feed(data)
            while self.trouble is None and (reply := gets()) is not _NOT_YET:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self.drop(f"Redis broke the protocol: {error}")
        if self._answered == self._sent and self._reader.has_data():
            self.drop("Redis sent what nobody had asked for")

    def _flush(self) -> None:
        if not self._unsent or self._transport is None:
            return
        self._transport.write(b"".join(self._unsent))
        self._sent += len(self._unsent)
        self._unsent.clear()
        self._batches.append(_Batch(time.monotonic() + self._deadline_s, self._sent))
        if self._timer is None:
            self._timer = self._loop.call_later(self._deadline_s, self._look)

    def _take(self, reply: Any) -> None:
        if self._answered == self._sent or isinstance(reply, hiredis.PushNotification):
            self.drop("Redis sent what nobody had asked for")
            return
        answer = self._waiting.popleft()
        self._answered += 1
        if isinstance(reply, StateUnavailableError):
            self._is_unable |= not isinstance(reply, CommandRefusedError)
            if not answer.done():
                answer.set_exception(reply)
        elif not answer.done():
            answer.set_result(reply)
        if self._batches and self._batches[0].end == self._answered:
            self._complete_batch()

    def _complete_batch(self) -> None:
        self._batches.popleft()
        if not self._is_unable:
            self._breaker.good()
            return
        self._is_unable = False
        if self._breaker.bad(time.monotonic()):
            self.drop("Redis is unable to serve")

    def _look(self) -> None:
        self._timer = None
        now_s = time.monotonic()
        while self._batches and self._batches[0].due_s <= self._looked_s:
            self._give_up(now_s)
        if not self._batches:
            return  # the next batch sets the timer again
        wait_s = self._batches[0].due_s - now_s
        if wait_s <= 0:
            self._looked_s = now_s
            wait_s = LOOK_AGAIN_S
        self._timer = self._loop.call_later(max(wait_s, _SHORTEST_TIMER_S), self._look)

    def _give_up(self, now_s: float) -> None:
        overdue = self._batches.popleft()
        why = f"Redis did not answer in {self._deadline_s:g} s"
        self._fail(overdue.end - self._answered, why)
        if self._breaker.bad(now_s):
            self.drop(why)

    def _fail(self, count: int, why: str) -> None:
        for answer in islice(self._waiting, count):
            if not answer.done():
                answer.set_exception(StateUnavailableError(why))  # each its own: it is raised
