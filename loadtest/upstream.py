"""The scripted upstream: a bare asyncio Protocol on uvloop that writes bytes made before.

I/O: listens on the port of 127.0.0.1 that is its only argument. It has to cost far less than
what is measured, so it knows one request at a time per connection, looks for three markers in
the body instead of decoding it, and drives all open streams from one timer.
"""

import asyncio
import socket
import sys
from typing import Final, cast

import uvloop

from loadtest.answers import (
    CHAT_REPLY,
    CHUNK_GAP_MS,
    HELD_CHUNKS,
    HOLD_FLAG,
    MODELS_REPLY,
    STREAM_FLAGS,
    STREAM_WRITES,
)

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Wheel:
    """Drives the open streams: as many slots as milliseconds between two chunks of a stream.

    A stream writes whenever its slot comes round, so chunks of different streams spread over
    the gap instead of leaving in one burst. The timer stands still while no stream is open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[dict[Upstream, None]] = [{} for _ in range(CHUNK_GAP_MS)]
        self._open = 0
        self._ticking = False
        self._now = 0
        self._due_ms = 0

    def add(self, stream: "Upstream") -> int:
        """Let *stream* write from the next tick on; returns its slot."""
        if not self._ticking:
            self._ticking = True
            self._due_ms = self._now_ms() + 1
            self._loop.call_later(0.001, self._tick)
        self._open += 1
        slot = (self._now + 1) % CHUNK_GAP_MS
        self._slots[slot][stream] = None
        return slot

    def remove(self, stream: "Upstream", slot: int) -> None:
        """Forget *stream*; harmless to repeat."""
        if stream in self._slots[slot]:
            del self._slots[slot][stream]
            self._open -= 1

    def _tick(self) -> None:
        # A late timer walks every slot that it missed: the pace holds, only the evenness goes.
        now_ms = self._now_ms()
        while self._due_ms <= now_ms:
            self._now = (self._now + 1) % CHUNK_GAP_MS
            for stream in tuple(self._slots[self._now]):
                stream.write_next()
            self._due_ms += 1
        self._ticking = self._open > 0
        if self._ticking:
            self._loop.call_later((self._due_ms - now_ms) / 1e3, self._tick)

    def _now_ms(self) -> int:
        # uvloop's clock has whole milliseconds, and it spins on a timer due within half of one.
        return round(self._loop.time() * 1e3)


class Upstream(asyncio.Protocol):
    """One connection. Hashed by identity, as a member of the wheel's slots."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._sent = 0
        self._last = 0
        self._slot = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._leave()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0 or not _is_whole(received, head_end):
            self._received = received
            return
        self._received = b""
        self._answer(received)

    def write_next(self) -> None:
        """Write the stream's next chunk; the last one carries the rest of the answer."""
        if self._transport is None:
            return
        self._transport.write(STREAM_WRITES[self._sent])
        self._sent += 1
        if self._sent == self._last:
            self._leave()

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        if request.startswith(b"GET "):
            self._transport.write(MODELS_REPLY)
        elif not request.startswith(b"POST "):
            self._transport.write(_BAD_REQUEST)
            self._transport.close()
        elif any(flag in request for flag in STREAM_FLAGS):
            self._sent = 0
            self._last = HELD_CHUNKS if HOLD_FLAG in request else len(STREAM_WRITES)
            self._slot = self._wheel.add(self)
        else:
            self._transport.write(CHAT_REPLY)

    def _leave(self) -> None:
        if self._slot >= 0:
            self._wheel.remove(self, self._slot)
            self._slot = -1


def _is_whole(received: bytes, head_end: int) -> bool:
    head = received[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = head[at + 17 :].split(b"\r\n", 1)[0]
        return len(received) - head_end - 4 >= int(length)
    if b"\r\ntransfer-encoding: chunked" in head:
        return received.endswith(b"0\r\n\r\n")
    return True


async def serve(port: int) -> None:
    """Listen on *port* until the task ends."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    server = await loop.create_server(
        lambda: Upstream(wheel), "127.0.0.1", port, family=socket.AF_INET, backlog=4096
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
