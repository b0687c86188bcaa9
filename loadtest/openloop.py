"""Plain calls at a constant rate, sent when they are due and not when the last one is answered.

I/O: sockets on loopback. wrk waits for an answer before it sends again, so a server that stalls
is asked less while it stalls, and the stall shows in one latency instead of in all those that
were due meanwhile. Here every call has its time, and its latency counts from that time, whether
it could be sent then or had to wait for a free connection or for this very client.

The clock is a timerfd: event loops wake to the millisecond, and a millisecond's calls sent at
once would measure the burst.
"""

import asyncio
import ctypes
import os
import time
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Final, cast

from loadtest.answers import chat_body
from loadtest.plain import whole_length
from loadtest.target import Target

CONNECTIONS: Final = 256
_SHORTEST_TICK_NS: Final = 50_000
PATIENCE_S: Final = 1.0
_CLOCK_MONOTONIC: Final = 1


@dataclass(slots=True)
class Offered:
    """What a run came to. Latencies count from when a call was due, in seconds; `late_s` is how
    long after that it was sent; `lost` calls had no answer in the end.
    """

    rate: float
    sent: int = 0
    lost: int = 0
    errors: int = 0
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    late_s: "array[float]" = field(default_factory=lambda: array("d"))

    def within_ms(self, share: float) -> float:
        """The latency that *share* of all calls stayed within; endless where too many are lost."""
        ordered = sorted(self.latencies_s)
        at = int((len(ordered) + self.lost) * share)
        return ordered[at] * 1e3 if at < len(ordered) else float("inf")

    def own_delay_ms(self, share: float) -> float:
        """How late *share* of the calls left at most, where a connection was free: the client's
        own share of the latency.
        """
        ordered = sorted(self.late_s)
        return ordered[int((len(ordered) - 1) * share)] * 1e3 if ordered else 0.0


class _Line(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._received = b""
        self._expected = 0
        self._due_s = 0.0
        self._busy = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost_line(self, busy=self._busy)

    def send(self, request: bytes, due_s: float) -> None:
        assert self._transport is not None
        self._due_s, self._busy = due_s, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._received or not self._expected:
            data = self._received + data
        if not self._expected:
            self._expected = whole_length(data)
        if not self._expected or len(data) < self._expected:
            self._received = data
            return
        self._received, self._expected, self._busy = b"", 0, False
        self._run.answered(self, self._due_s, good=data.startswith(b"HTTP/1.1 200 "))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Run:
    """The calls of one run: which are due, under way, answered."""

    def __init__(self, request: bytes, rate: float, calls: int) -> None:
        self.offered = Offered(rate)
        self.ended = asyncio.get_running_loop().create_future()
        self._request = request
        self._calls = calls
        # In turns: who never says anything on a connection is rightly parted from it.
        self._free: deque[_Line] = deque()
        self._waiting: deque[float] = deque()
        self._under_way = 0
        self._started_s = 0.0
        self._stopped = False

    def add(self, line: _Line) -> None:
        self._free.append(line)

    def start(self) -> None:
        self._started_s = time.perf_counter()

    def send_due(self) -> None:
        offered, now_s = self.offered, time.perf_counter()
        due = min(int((now_s - self._started_s) * offered.rate) + 1, self._calls)
        while offered.sent < due:
            due_s = self._started_s + offered.sent / offered.rate
            offered.sent += 1
            if self._free:
                offered.late_s.append(time.perf_counter() - due_s)
                self._send(self._free.popleft(), due_s)
            else:
                self._waiting.append(due_s)

    def answered(self, line: _Line, due_s: float, *, good: bool) -> None:
        self.offered.latencies_s.append(time.perf_counter() - due_s)
        self.offered.errors += not good
        self._under_way -= 1
        if self._stopped:
            return
        if self._waiting:
            self._send(line, self._waiting.popleft())
        else:
            self._free.append(line)
        if self.offered.sent >= self._calls and not self._under_way and not self.ended.done():
            self.ended.set_result(None)

    def lost_line(self, line: _Line, *, busy: bool) -> None:
        if self._stopped:
            return
        self.offered.errors += 1
        if busy:
            self.offered.lost += 1
            self._under_way -= 1
        if line in self._free:
            self._free.remove(line)

    def stop(self) -> Offered:
        self._stopped = True
        self.offered.lost += self._under_way + len(self._waiting)
        return self.offered

    def _send(self, line: _Line, due_s: float) -> None:
        self._under_way += 1
        line.send(self._request, due_s)


async def offer(
    target: Target,
    *,
    rate: float,
    seconds: float,
    connections: int = CONNECTIONS,
    patience_s: float = PATIENCE_S,
) -> Offered:
    """Send plain calls at *rate* a second for *seconds*, over at most so many *connections*.

    What has no answer *patience_s* after the last was due is dropped, and counted as lost.
    """
    loop = asyncio.get_running_loop()
    run = _Run(target.request(chat_body(target.model)), rate, max(1, int(rate * seconds)))
    lines: list[_Line] = []
    for _ in range(connections):
        _, line = await loop.create_connection(lambda: _Line(run), "127.0.0.1", target.port)
        lines.append(line)
        run.add(line)
    clock = _timer(max(_SHORTEST_TICK_NS, int(1e9 / rate)))

    def tick() -> None:
        os.read(clock, 8)
        run.send_due()

    loop.add_reader(clock, tick)
    run.start()
    try:
        await asyncio.wait([run.ended], timeout=seconds + patience_s)
    finally:
        loop.remove_reader(clock)
        os.close(clock)
        offered = run.stop()
        for line in lines:
            line.close()
    return offered


class _Spec(ctypes.Structure):
    """The kernel's itimerspec: the interval, then the first time."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


def _timer(interval_ns: int) -> int:
    """A file descriptor that can be read every *interval_ns*; Python has it from 3.13 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
    seconds, rest = divmod(interval_ns, 1_000_000_000)
    spec = _Spec(seconds, rest, seconds, rest)
    if fd < 0 or libc.timerfd_settime(fd, 0, ctypes.byref(spec), None) != 0:
        raise OSError(ctypes.get_errno(), "no timerfd")
    return fd
