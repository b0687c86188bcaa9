"""Plain calls at a fixed concurrency: by wrk, or where it is missing by a client of our own.

I/O: sockets on loopback, and wrk as a child. Both send the same bytes and report one shape.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import uvloop

from loadtest.answers import chat_body
from loadtest.target import Target

_SCRIPT: Final = Path(__file__).with_name("wrk.lua")
_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Load:
    """What a plain run came to. `p50_ms` and `p99_ms` are latencies of single calls."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


class LoadError(Exception):
    """The load generator itself broke; says how."""


def has_wrk() -> bool:
    """Whether the better load generator is installed."""
    return shutil.which("wrk") is not None


def run_plain(target: Target, *, connections: int, seconds: int) -> Load:
    """Send plain chat calls over *connections* kept open, each waiting for its answer.

    Raises:
        LoadError: wrk ended without figures.
    """
    if has_wrk():
        return _by_wrk(target, connections, seconds)
    return uvloop.run(load_by_hand(target, connections=connections, seconds=seconds))


def _by_wrk(target: Target, connections: int, seconds: int) -> Load:
    url = f"{target.scheme}://127.0.0.1:{target.port}/v1/chat/completions"
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT_S}s"]
    done = subprocess.run(
        ["wrk", *options, "-s", str(_SCRIPT), url],
        env={
            "PATH": os.environ["PATH"],
            "BENCH_BODY": chat_body(target.model).decode(),
            "BENCH_TOKEN": target.token,
        },
        capture_output=True,
        text=True,
        timeout=seconds + 3 * _TIMEOUT_S,
        check=False,
    )
    line = done.stdout.rstrip().rpartition("\n")[2]
    if done.returncode != 0 or not line.startswith("{"):
        raise LoadError(f"wrk ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    figures = json.loads(line)
    return Load(
        requests=figures["requests"],
        seconds=figures["us"] / 1e6,
        p50_ms=figures["p50_us"] / 1e3,
        p99_ms=figures["p99_us"] / 1e3,
        errors=figures["errors"],
    )


class _Caller(asyncio.Protocol):
    """One connection that sends the request anew whenever its answer is whole."""

    def __init__(self, request: bytes, latencies_s: list[float]) -> None:
        self._request = request
        self._latencies_s = latencies_s
        self._received = b""
        self._expected = 0
        self._started = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.errors = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        # A server that closes on us; our own stop clears the transport first.
        self.errors += self._transport is not None

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            self._expected = whole_length(self._received)
        if self._expected and len(self._received) >= self._expected:
            self._latencies_s.append(time.perf_counter() - self._started)
            self.errors += not self._received.startswith(b"HTTP/1.1 200 ")
            self._send()

    def stop(self) -> None:
        """Close the connection; the call under way is not counted."""
        if (transport := self._transport) is not None:
            self._transport = None
            transport.abort()

    def _send(self) -> None:
        if self._transport is not None:
            self._received, self._expected = b"", 0
            self._started = time.perf_counter()
            self._transport.write(self._request)


def whole_length(received: bytes) -> int:
    """Bytes of the whole answer, head included; 0 while its head is not complete.

    A chunked answer has no length in its head: it is whole when its last chunk is here.
    """
    head, separator, _ = received.partition(b"\r\n\r\n")
    if not separator:
        return 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(head) + 4 + int(line.partition(b":")[2])
    return len(received) if received.endswith(b"\r\n0\r\n\r\n") else 0


async def load_by_hand(
    target: Target, *, connections: int, seconds: float, body: bytes | None = None
) -> Load:
    """The same as wrk does, by a client of our own that costs some three times as much."""
    loop = asyncio.get_running_loop()
    latencies_s: list[float] = []
    request = target.request(body or chat_body(target.model))
    callers: list[_Caller] = []
    started = time.perf_counter()
    for _ in range(connections):
        _, caller = await loop.create_connection(
            lambda: _Caller(request, latencies_s),
            "127.0.0.1",
            target.port,
            ssl=target.tls,
            server_hostname=target.server_name,
        )
        callers.append(caller)
    await asyncio.sleep(seconds)
    elapsed_s = time.perf_counter() - started
    for caller in callers:
        caller.stop()
    ordered = sorted(latencies_s) or [0.0]
    return Load(
        requests=len(latencies_s),
        seconds=elapsed_s,
        p50_ms=ordered[len(ordered) // 2] * 1e3,
        p99_ms=ordered[int(len(ordered) * 0.99)] * 1e3,
        errors=sum(caller.errors for caller in callers) + (not latencies_s),
    )
