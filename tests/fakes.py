"""Stand-ins for what lies behind the ports: small, scripted, and honest about their contracts."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from proxy.domain.outcome import Ending, Failure, FailureKind
from proxy.domain.record import Record
from proxy.errors import GatewayError
from proxy.ports import Answered, Call, Head, Push, Reply
from proxy.units import LoopSeconds, UnixMs

Piece = bytes | FailureKind | Callable[[], None]
"""What a reply brings next: bytes, the failure it breaks with, or silence once this was called."""


def silence() -> None:
    """Nothing comes any more."""


class FakeClock:
    """Time that stands still until it is moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.at = now

    def now(self) -> LoopSeconds:
        return LoopSeconds(self.at)

    def unix_ms(self) -> UnixMs:
        return UnixMs(1_700_000_000_000)


class LoopTime:
    """The running loop's own clock, which `skip` moves on, so that its timers fire at once."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead_s = 0.0
        loop.time = self.now  # type: ignore[method-assign]  # the loop asks itself

    def now(self) -> float:
        return self._real() + self._ahead_s

    def skip(self, seconds: float) -> None:
        self._ahead_s += seconds


class FakeReply:
    """A reply that brings *pieces*, then its clean end, or *ending* where it is relayed."""

    def __init__(
        self,
        *pieces: Piece,
        content_type: str = "text/event-stream",
        content_length: int | None = None,
        ending: Ending = Ending.COMPLETE,
    ) -> None:
        self._pieces = list(pieces)
        self._ending = ending
        self._brought = asyncio.Event()
        self.silences = 0
        self.content_type = content_type
        self.content_length = content_length
        self.status = 200
        self.limits_left: float | None = None
        self.closed_times = 0

    async def read(self) -> bytes | FailureKind:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if not callable(piece):
            return piece
        piece()
        if not self._pieces:
            self._pieces = [silence]
        self.silences += 1
        await self._brought.wait()
        return await self.read()

    def bring(self, piece: Piece) -> None:
        """Let *piece* come in place of the silence."""
        self._pieces = [piece]
        self._brought.set()

    async def relay_to(self, push: Push) -> Ending:
        while self._pieces and not push.closed:
            piece = self._pieces.pop(0)
            assert isinstance(piece, bytes)
            push.write(piece)
            if push.paused and not await push.writable():
                return Ending.CLIENT_STALLED
        return Ending.COMPLETE if push.closed else self._ending

    def close(self) -> None:
        self.closed_times += 1

    @property
    def pieces_left(self) -> int:
        return len(self._pieces)


class FakeHealth:
    """Remembers what it is told of targets (implements `ports.HealthBoard`)."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, FailureKind | None, float | None]] = []
        self.answers: list[Answered] = []
        self.limits: dict[str, float] = {}

    def attempt_ended(
        self, target_id: str, kind: FailureKind | None, first_token_ms: float | None
    ) -> None:
        self.attempts.append((target_id, kind, first_token_ms))

    def answered(self, answer: Answered) -> None:
        self.answers.append(answer)

    def limits_left(self, target_id: str, share: float) -> None:
        self.limits[target_id] = share


class FakeSink:
    """Keeps what a client would get."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.written = b""
        self.is_ended = False
        self.broken_by: GatewayError | None = None
        self.paused = False
        self.reads_on = True
        self.leaves_after_writes: int | None = None
        self._writes = 0

    @property
    def status(self) -> int | None:
        return None if self.head is None else self.head.status

    @property
    def started_at(self) -> LoopSeconds | None:
        return None if self.head is None else LoopSeconds(1001.0)

    @property
    def sent_bytes(self) -> int:
        return len(self.written)

    @property
    def closed(self) -> bool:
        gone = self.leaves_after_writes is not None and self._writes >= self.leaves_after_writes
        return self.is_ended or gone

    def start(self, head: Head) -> None:
        assert self.head is None, "a head goes out once"
        self.head = head

    def write(self, data: bytes) -> bool:
        assert data, "nothing is never written"
        self._writes += 1
        if not self.closed:
            self.written += data
        return not (self.closed or self.paused)

    async def writable(self) -> bool:
        self.paused = False
        return self.reads_on

    def end(self) -> None:
        self.is_ended = True

    def break_off(self, error: GatewayError) -> None:
        if not self.is_ended:
            self.broken_by = error


@dataclass
class FakeExchange:
    """A request of a client, before it is understood."""

    sink: FakeSink = field(default_factory=FakeSink)
    request_id: str = "req_1"
    method: str = "POST"
    path: str = "/v1/chat/completions"
    authorization: str | None = None
    forwarded: Mapping[str, str] = field(default_factory=dict)
    trace_id: str | None = None
    drained: bool = False
    body_bytes: int = 0

    async def body(self) -> bytes:
        return b""


class FakeProvider:
    """Answers each call with the next of *results*: a reply, a failure, an error, or never."""

    def __init__(self, results: Iterable[Reply | Failure | Callable[[], None]]) -> None:
        self._results = list(results)
        self.calls: list[Call] = []

    async def open(self, call: Call) -> Reply | Failure:
        self.calls.append(call)
        result = self._results.pop(0)
        if callable(result):
            result()
            await asyncio.Event().wait()
            raise AssertionError("never set")
        return result


class KeptRecords:
    """Keeps records (as Recorder), and counts requests (as Meter)."""

    def __init__(self) -> None:
        self.kept: list[Record] = []
        self.started = 0
        self.ended: list[Record] = []

    def record(self, record: Record) -> None:
        self.kept.append(record)

    def request_started(self) -> None:
        self.started += 1

    def request_ended(self, record: Record) -> None:
        self.ended.append(record)
