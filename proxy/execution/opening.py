"""Step 6, up to the commit point: wait for the first bytes worth sending. I/O: one reply, by port.

A stream begins with its first complete data event that is not an error; comments before it are
held, for at most COMMENT_HOLD_S and COMMENT_HOLD_BYTES. A plain answer is buffered whole, up to
PLAIN_BUFFER_BYTES. Until then the attempt may still fail over to another target.
"""

from dataclasses import dataclass, field
from typing import Protocol

from proxy.deadlines import Watch
from proxy.domain.catalog import Capability
from proxy.domain.outcome import Failure, FailureKind
from proxy.domain.usage import Usage
from proxy.ports import Call, Reply
from proxy.wire.plain import NOT_READ, PlainReading, read_plain, usage_in_tail
from proxy.wire.splice import asks_usage
from proxy.wire.sse import StreamTap
from proxy.wire.tool_calls import calls_in

COMMENT_HOLD_S = 10.0
COMMENT_HOLD_BYTES = 64 * 1024
PLAIN_BUFFER_BYTES = 256 * 1024
_TAIL_BYTES = 4 * 1024


class Tap(Protocol):
    """Reads along as an answer's bytes pass; never holds more than a bounded few of them."""

    usage: Usage | None
    finish_reason: str | None
    done: bool
    failed: bool
    calls: list[str]
    """The ids of the tool calls that the answer makes."""

    def feed(self, data: bytes) -> bytes:
        """What may go to the client now that *data* has come."""

    def finish(self) -> bytes:
        """What is left to send at the upstream's clean end."""

    @property
    def complete(self) -> bool:
        """Whether the answer came to its own end."""

    @property
    def completion_tokens_seen(self) -> int:
        """An estimate, for when the provider reports no usage."""


@dataclass(slots=True)
class Opening:
    """A reply that began. `prefix` goes to the client first; `whole` says there is no more."""

    call: Call
    reply: Reply
    tap: Tap
    prefix: bytes = field(repr=False)
    whole: bool
    stream: bool

    @property
    def status(self) -> int:
        """The upstream's status."""
        return self.reply.status

    @property
    def content_length(self) -> int | None:
        """The body's length in bytes, None where it is not known."""
        if self.whole:
            return len(self.prefix)
        return None if self.stream else self.reply.content_length


class PlainTap:
    """Follows a plain answer: keeps its last bytes, where a large body's usage stands."""

    def __init__(self, reading: PlainReading = NOT_READ, seen_bytes: int = 0) -> None:
        """*reading*: what was read of the body's first *seen_bytes*."""
        self.usage = reading.usage
        self.finish_reason = reading.finish_reason
        self.done = False
        self.failed = False
        self.calls: list[str] = []
        self._tail = b""
        self._seen_bytes = seen_bytes

    def feed(self, data: bytes) -> bytes:
        """Pass *data* on, all of it."""
        self._seen_bytes += len(data)
        self._tail = (self._tail + data[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return data

    def finish(self) -> bytes:
        """Nothing is ever held back."""
        if self.usage is None:
            self.usage = usage_in_tail(self._tail)
        return b""

    @property
    def complete(self) -> bool:
        """A plain body's framing says whether it is whole, so its clean end is its own end."""
        return True

    @property
    def completion_tokens_seen(self) -> int:
        """Four bytes to a token."""
        return self._seen_bytes // 4


async def open_answer(reply: Reply, call: Call, watch: Watch) -> Opening | Failure:
    """Read *reply* up to the commit point. It is closed unless an Opening is returned.

    *watch* keeps the first byte's deadline; what a plain answer brings after it moves it on.
    """
    try:
        if call.request.stream:
            result = await _open_stream(reply, call, watch)
        else:
            result = await _open_plain(reply, call, watch)
    except BaseException:
        reply.close()
        raise
    if isinstance(result, FailureKind):
        reply.close()
        return Failure(call.target.id, result, status=reply.status)
    return result


async def _open_stream(reply: Reply, call: Call, watch: Watch) -> Opening | FailureKind:
    if reply.content_type != "text/event-stream":
        return FailureKind.BAD_REPLY
    request = call.request
    tap = StreamTap(
        strip_usage=asks_usage(request, call.target), follow_calls=Capability.TOOLS in request.needs
    )
    held = bytearray()
    try:
        with watch.within(COMMENT_HOLD_S):
            failure = await _read_first_event(reply, tap, held)
    except TimeoutError:
        failure = await _read_anything(reply, tap, held)
    if failure is not None:
        return failure
    return Opening(call, reply, tap, bytes(held), whole=False, stream=True)


async def _read_first_event(reply: Reply, tap: StreamTap, held: bytearray) -> FailureKind | None:
    while not tap.events and len(held) < COMMENT_HOLD_BYTES:
        failure = await _feed_next(reply, tap, held)
        if failure is not None:
            return failure
    return None


async def _read_anything(reply: Reply, tap: StreamTap, held: bytearray) -> FailureKind | None:
    # Long thinking: a comment is now enough to begin with, so that the client sees life.
    while not held:
        failure = await _feed_next(reply, tap, held)
        if failure is not None:
            return failure
    return None


async def _feed_next(reply: Reply, tap: StreamTap, held: bytearray) -> FailureKind | None:
    data = await reply.read()
    if isinstance(data, FailureKind):
        return data
    if not data:
        held += tap.finish()
        return None if tap.events and tap.complete else FailureKind.EMPTY_REPLY
    held += tap.feed(data)
    if tap.failed and not tap.events:
        return FailureKind.ERROR_EVENT
    if tap.done and not tap.events:
        return FailureKind.EMPTY_REPLY
    return None


async def _open_plain(reply: Reply, call: Call, watch: Watch) -> Opening | FailureKind:
    if reply.content_type != "application/json":
        return FailureKind.BAD_REPLY
    body = b""
    while len(body) <= PLAIN_BUFFER_BYTES:
        data = await reply.read()
        if isinstance(data, FailureKind):
            return data
        if not data:
            return _whole(reply, call, body)
        body = body + data if body else data
        if len(body) == reply.content_length:  # as most come: in one piece, with their length
            return _whole(reply, call, body)
        watch.move(call.target.provider.timeouts.between_chunks_s, call.deadline)
    tap = PlainTap()
    return Opening(call, reply, tap, tap.feed(body), whole=False, stream=False)


def _whole(reply: Reply, call: Call, body: bytes) -> Opening | FailureKind:
    reading = read_plain(body)
    if reading.is_error:
        return FailureKind.ERROR_EVENT
    if not reading.valid:
        return FailureKind.BAD_REPLY if body.strip() else FailureKind.EMPTY_REPLY
    tap = PlainTap(reading, len(body))
    tap.calls = calls_in(body)
    return Opening(call, reply, tap, body, whole=True, stream=False)
