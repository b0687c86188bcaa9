"""Streamed calls, many at once: read raw, timed, and checked byte by byte.

I/O: sockets on loopback. A chunk costs this client one append; the answer is put together and
judged after its end, since client and upstream share the core beside the measured one.
"""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast

from loadtest.answers import HELD_CHUNKS, HOLD_FLAG, MARKER, SHORT, Script, chat_body
from loadtest.target import Target

_END: Final = b"0\r\n\r\n"
_PAUSE_AFTER_ERROR_S: Final = 0.1


@dataclass(slots=True)
class Tally:
    """What a run of streams came to, filled while it runs. Times in seconds."""

    streams: int = 0
    chunks: int = 0
    errors: int = 0
    reads: int = 0
    first_token_s: "array[float]" = field(default_factory=lambda: array("d"))
    gaps_s: "array[float]" = field(default_factory=lambda: array("d"))


class StreamError(Exception):
    """A stream that ended early, late or otherwise than it was sent."""


class _Reader(asyncio.Protocol):
    """One connection that carries one stream after the other."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._parts: list[bytes] = []
        self._seen_token = False
        self._started = 0.0
        self._last = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._done: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._done is not None and not self._done.done():
            self._done.set_exception(StreamError("the connection closed"))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._parts.append(data)
        if self._seen_token:
            self._tally.gaps_s.append(now - self._last)
        elif MARKER in data:
            self._seen_token = True
            self._tally.first_token_s.append(now - self._started)
        self._last = now
        if self._done is not None and not self._done.done() and self._is_over(data):
            self._done.set_result(b"".join(self._parts))

    async def ask(self, request: bytes) -> bytes:
        """Send *request* and wait for the end of its answer; returns all bytes, head included.

        Raises:
            StreamError: the connection closed first.
        """
        if self._transport is None:
            raise StreamError("the connection closed between two streams")
        self.begin(request)
        assert self._done is not None
        answer = await self._done
        self._tally.reads += len(self._parts)
        return answer

    def begin(self, request: bytes) -> None:
        """Send *request* without waiting."""
        assert self._transport is not None
        self._parts, self._seen_token = [], False
        self._done = asyncio.get_running_loop().create_future()
        self._started = time.perf_counter()
        self._transport.write(request)

    def markers(self) -> int:
        """Data events received so far of the stream under way."""
        return b"".join(self._parts).count(MARKER)

    def close(self) -> None:
        """Drop the connection, whatever is under way on it."""
        if self._transport is not None:
            self._transport.abort()
        if self._done is not None:
            self._done.cancel()

    def _is_over(self, data: bytes) -> bool:
        # A refusal has a length instead of a last chunk; its first bytes say enough.
        return data.endswith(_END) or not self._parts[0].startswith(b"HTTP/1.1 200 ")


async def run_streams(
    target: Target, *, at_once: int, seconds: float, patience_s: float, script: Script = SHORT
) -> Tally:
    """Keep *at_once* streams open for *seconds*, then let those under way finish.

    The openings are spread evenly over the length of one stream. What has not ended
    *patience_s* after that is dropped and counted as an error.
    """
    tally = Tally()
    ramp_s = script.length_s
    slots = _Slots(target, tally, script, time.perf_counter() + ramp_s + seconds)
    with suppress(TimeoutError):
        async with asyncio.timeout(ramp_s + seconds + patience_s), asyncio.TaskGroup() as group:
            for index in range(at_once):
                group.create_task(slots.keep_one(ramp_s * index / at_once))
    return tally


@dataclass(frozen=True, slots=True)
class _Slots:
    """Streams to *target* one after the other, counted in *tally*, until *stop_at*."""

    target: Target
    tally: Tally
    script: Script
    stop_at: float

    async def keep_one(self, delay_s: float) -> None:
        """Keep one stream open, from *delay_s* on."""
        target, tally = self.target, self.tally
        request = target.request(chat_body(target.model, stream=True, ask=self.script.ask))
        reader: _Reader | None = None
        await asyncio.sleep(delay_s)
        try:
            while time.perf_counter() < self.stop_at:
                try:
                    reader = reader or await _connect(target, tally)
                    self._judge(await reader.ask(request))
                except (OSError, StreamError):
                    tally.errors += 1
                    reader = None
                    await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
        except asyncio.CancelledError:
            tally.errors += 1
            raise
        finally:
            if reader is not None:
                reader.close()

    def _judge(self, answer: bytes) -> None:
        body, script, tally = body_of(answer), self.script, self.tally
        if self.target.exact:
            whole = body == script.body
        else:
            whole = body.count(MARKER) == script.chunks and body.rstrip().endswith(b"data: [DONE]")
        tally.streams += whole
        tally.chunks += script.chunks if whole else body.count(MARKER)
        if not whole:
            raise StreamError("the answer is not what the upstream sent")


async def _connect(target: Target, tally: Tally) -> _Reader:
    _, reader = await asyncio.get_running_loop().create_connection(
        lambda: _Reader(tally),
        "127.0.0.1",
        target.port,
        ssl=target.tls,
        server_hostname=target.server_name,
    )
    return reader


def body_of(answer: bytes) -> bytes:
    """The body of a chunked *answer* (head included), its framing taken off.

    Empty when the answer is no success, or its framing is broken.
    """
    head, _, framed = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return b""
    parts, at = [], 0
    try:
        while size := int(framed[at : (line_end := framed.index(b"\r\n", at))], 16):
            parts.append(framed[line_end + 2 : line_end + 2 + size])
            at = line_end + 2 + size + 2
    except ValueError:
        return b""
    return b"".join(parts)


@asynccontextmanager
async def held_streams(target: Target, count: int, *, patience_s: float) -> AsyncIterator[Tally]:
    """Hold *count* streams open, each after its first events, while the block runs.

    Those that did not get that far within *patience_s* are counted as errors.
    """
    tally = Tally()
    request = target.request(chat_body(target.model, stream=True, ask=HOLD_FLAG.decode()))
    readers: list[_Reader] = []
    try:
        for _ in range(count):
            reader = await _connect(target, tally)
            readers.append(reader)
            reader.begin(request)
            await asyncio.sleep(0.001)  # a thousand at the same instant measure the backlog
        waiting = set(readers)
        give_up_at = time.perf_counter() + patience_s
        while waiting and time.perf_counter() < give_up_at:
            waiting = {reader for reader in waiting if reader.markers() < HELD_CHUNKS}
            await asyncio.sleep(0.1)
        tally.errors, tally.streams = len(waiting), count - len(waiting)
        yield tally
    finally:
        for reader in readers:
            reader.close()
