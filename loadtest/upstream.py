"""The scripted upstream: a bare asyncio Protocol on uvloop that writes bytes made before.

I/O: listens on a port of 127.0.0.1. It has to cost far less than what is measured, so it knows
one request at a time per connection, looks for a few markers in the body instead of decoding it,
and drives all open streams from one timer.

    python -m loadtest.upstream PORT [--gap-ms 10] [--tls CHAIN KEY]
"""

import argparse
import asyncio
import socket
import ssl
from typing import Final, cast

import uvloop

from loadtest.answers import (
    CHAT_REPLY,
    CHUNK_GAP_MS,
    HELD_CHUNKS,
    HOLD_FLAG,
    MODELS_REPLY,
    PACED_FLAG,
    PACED_WRITES,
    STREAM_FLAGS,
    STREAM_WRITES,
)

_MARKERS_WITHIN: Final = 8192
"""A marker stands so near to one end of a request: a large body is not searched as a whole."""

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Wheel:
    """Drives the open streams: as many slots as milliseconds between two chunks of a stream.

    A stream writes whenever its slot comes round, so chunks of different streams spread over
    the gap instead of leaving in one burst. The timer stands still while no stream is open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, gap_ms: int = CHUNK_GAP_MS) -> None:
        self._loop = loop
        self._slots: list[dict[Upstream, None]] = [{} for _ in range(gap_ms)]
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
        slot = (self._now + 1) % len(self._slots)
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
            self._now = (self._now + 1) % len(self._slots)
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
        self._received = bytearray()
        self._expected = 0
        self._writes = STREAM_WRITES
        self._sent = 0
        self._last = 0
        self._slot = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._leave()

    def data_received(self, data: bytes) -> None:
        if self._received:
            self._received += data
            if len(self._received) < self._expected:
                return
            data = bytes(self._received)
        self._expected = _whole_length(data)
        if not self._expected or len(data) < self._expected:
            if not self._received:
                self._received += data
            return
        self._received.clear()
        self._answer(data)

    def write_next(self) -> None:
        """Write the stream's next chunk; the last one carries the rest of the answer."""
        if self._transport is None:
            return
        self._transport.write(self._writes[self._sent])
        self._sent += 1
        if self._sent == self._last:
            self._leave()

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        if request.startswith(b"GET "):
            self._transport.write(MODELS_REPLY)
            return
        if not request.startswith(b"POST "):
            self._transport.write(_BAD_REQUEST)
            self._transport.close()
            return
        if len(request) > 2 * _MARKERS_WITHIN:
            request = request[:_MARKERS_WITHIN] + request[-_MARKERS_WITHIN:]
        if any(flag in request for flag in STREAM_FLAGS):
            self._sent = 0
            self._writes = PACED_WRITES if PACED_FLAG in request else STREAM_WRITES
            self._last = HELD_CHUNKS if HOLD_FLAG in request else len(self._writes)
            self._slot = self._wheel.add(self)
        else:
            self._transport.write(CHAT_REPLY)

    def _leave(self) -> None:
        if self._slot >= 0:
            self._wheel.remove(self, self._slot)
            self._slot = -1


def _whole_length(received: bytes) -> int:
    """Bytes of the whole request, head included; 0 while that cannot be told."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return 0
    head = received[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        return head_end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])
    if b"\r\ntransfer-encoding: chunked" in head:
        return len(received) if received.endswith(b"0\r\n\r\n") else 0
    return len(received)


async def serve(port: int, *, gap_ms: int, tls: ssl.SSLContext | None) -> None:
    """Listen on *port* until the task ends."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop, gap_ms)
    server = await loop.create_server(
        lambda: Upstream(wheel), "127.0.0.1", port, family=socket.AF_INET, backlog=4096, ssl=tls
    )
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="loadtest.upstream")
    parser.add_argument("port", type=int)
    parser.add_argument("--gap-ms", type=int, default=CHUNK_GAP_MS)
    parser.add_argument("--tls", nargs=2, metavar=("CHAIN", "KEY"))
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*options.tls)
    uvloop.run(serve(options.port, gap_ms=options.gap_ms, tls=tls))


if __name__ == "__main__":
    main()
