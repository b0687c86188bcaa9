"""Step 7: looks into an upstream's event stream while its bytes pass through untouched. Pure.

Rules:

1. What the client gets is what the upstream sent, in whole events. An unfinished event is held up
   to 16 KiB; a longer one flows, unread but for its last 4 KiB.
2. An event is parsed only where a search finds a marker in it; the first event always is, since
   the commit point hangs on it. Not even searched is one that differs from its neighbours, which
   were, in nothing but a text.
3. Taken out are the usage event that the gateway asked for, and an error with all after it.
"""

from typing import Final

import orjson

from proxy.domain.usage import Usage
from proxy.wire import events as sse
from proxy.wire.answer import AnswerError, error_of, finish_reason_of, usage_of
from proxy.wire.plain import TAIL_BYTES, usage_in_tail
from proxy.wire.tool_calls import calls_in

MAX_HELD_BYTES: Final = 16 * 1024
TOKEN_BYTES: Final = 16
"""How much longer than the shortest an event with one token may be."""

LESSONS: Final = 8
"""How often in a stream it is tried to learn what its events have in common, at some 5 us each.
An answer's events change their shape now and then: thoughts, text, calls of tools.
"""

DONE_EVENT: Final = b"data: [DONE]\n\n"
MALFORMED: Final = "malformed_event"
"""The `error_code` of an event that had to be read and is not JSON."""

_ENDS: Final = (b"\n\n", b"\r\n\r\n")


class StreamTap:
    """One stream's state. Feed it bytes as they come; pass on what it returns.

    `events`: data events passed on (from the second on, comments may count too); an event that
    flows counts when it starts to. `usage`, `finish_reason`: the last that were reported.
    `done`: [DONE] was passed on, what follows is dropped. `failed`: an error event came; it and
    what follows are dropped; `error_code` (a short word) and `error_status` tell more if it did.
    `calls`: the ids of the tool calls made, where `follow_calls` was asked for.
    `mended`: `finish` completed the last event. `incomplete`: `finish` dropped a part of one.
    """

    __slots__ = (
        "_clear",
        "_dropping",
        "_flowing",
        "_follow_calls",
        "_held",
        "_last",
        "_lessons",
        "_plain_bytes",
        "_plain_events",
        "_shape",
        "_shortest_bytes",
        "_strip_usage",
        "_tail",
        "calls",
        "done",
        "error_code",
        "error_status",
        "events",
        "failed",
        "finish_reason",
        "incomplete",
        "mended",
        "usage",
    )

    def __init__(self, strip_usage: bool, *, follow_calls: bool = False) -> None:
        self.calls: list[str] = []
        self._follow_calls = follow_calls
        self.events = 0
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.done = False
        self.failed = False
        self.error_code: str | None = None
        self.error_status: int | None = None
        self.mended = False
        self.incomplete = False
        self._plain_events = 0
        self._plain_bytes = 0
        self._shortest_bytes = MAX_HELD_BYTES
        self._shape: sse.Shape | None = None
        self._last = b""
        self._lessons = LESSONS
        self._strip_usage = strip_usage
        self._held = b""
        self._tail = b""
        self._flowing = False
        self._dropping = False  # line ends that trail the last event share its fate
        self._clear = False  # at a boundary and past the first event

    @property
    def complete(self) -> bool:
        """Whether the answer came to its end, so that a clean end of the body is one."""
        return not self.failed and (self.done or self.finish_reason is not None)

    @property
    def completion_tokens_seen(self) -> int:
        """An estimate, for when no usage is reported. Most providers send a token an event; what
        an event has beyond the shortest one seen, and TOKEN_BYTES, counts as more of them.
        """
        usual = self._plain_events * (self._shortest_bytes + TOKEN_BYTES)
        return self.events + max(0, self._plain_bytes - usual) // 4

    def feed(self, data: bytes) -> bytes:
        """What of *data*, and of what was held, may go to the client now; may be empty."""
        if self._clear:
            shape = self._shape
            if shape is not None and shape.fits(data):
                self._count(1, len(data))
                return data
            if data.endswith(_ENDS) and not sse.may_matter(data):
                count = data.count(b"\n\n") or data.count(b"\r\n\r\n")
                self._count(count, len(data))
                if self._follow_calls:
                    self.calls += calls_in(data)
                if count == 1 and self._lessons:
                    self._learn(data)
                return data
        return self._feed_with_care(data)

    def _count(self, events: int, size: int) -> None:
        self.events += events
        self._plain_events += events
        self._plain_bytes += size
        if size < self._shortest_bytes * events:
            self._shortest_bytes = size // events

    def _learn(self, event: bytes) -> None:
        self._lessons -= 1
        self._shape = sse.shape_of(event, self._last) or self._shape
        self._last = event

    def finish(self) -> bytes:
        """What still goes to the client at the clean end of the upstream's body; may be empty.

        A last event without its blank line is completed if its data is whole ([DONE] or JSON),
        else dropped and reported as `incomplete`.
        """
        held, self._held = self._held, b""
        if self._is_over():
            return b""
        if self._flowing:
            return self._finish_flow()
        if not held or sse.is_only_comments(held):
            return b""
        event = sse.read_event(held)
        if event is None or not _is_whole(event[1]):
            self.incomplete = True
            return b""
        self.mended = True
        return self._take(held + sse.closing_of(held))

    def _is_over(self) -> bool:
        return self.done or self.failed

    def _feed_with_care(self, data: bytes) -> bytes:
        if self._is_over():
            return b""
        out: list[bytes] = []
        if self._flowing:
            data = self._flow_on(data, out)
        elif not self._held:
            data = self._pass_line_ends(data, out)
        buffer = self._held + data
        start, search_from = 0, max(0, len(self._held) - 3)
        has_cr = b"\r" in buffer
        while (end := sse.event_end(buffer, search_from, has_cr=has_cr)) >= 0:
            kept = self._take(buffer[start:end])
            self._dropping = not kept
            out.append(kept)
            start = search_from = end
            if self._is_over():
                break
        self._hold(b"" if self._is_over() else buffer[start:], out)
        self._clear = self.events > 0 and not (
            self._held or self._flowing or self._dropping or self._is_over()
        )
        return b"".join(out)

    def _pass_line_ends(self, data: bytes, out: list[bytes]) -> bytes:
        rest = data.lstrip(b"\r\n")
        if len(rest) < len(data) and not self._dropping:
            out.append(data[: len(data) - len(rest)])
        return rest

    def _hold(self, rest: bytes, out: list[bytes]) -> None:
        self._held = rest
        if len(rest) <= MAX_HELD_BYTES:
            return
        self._held = b""
        if sse.starts_as_error(rest):
            self._fail(AnswerError(None, None))
            return
        self.events += sse.has_data(rest)
        self._flowing, self._dropping = True, False
        self._tail = rest[-TAIL_BYTES:]
        out.append(rest)

    def _flow_on(self, data: bytes, out: list[bytes]) -> bytes:
        """Pass *data* on up to the flowing event's end; what follows it is returned."""
        buffer = self._tail + data
        end = sse.event_end(buffer, max(0, len(self._tail) - 3), has_cr=b"\r" in buffer)
        if end < 0:
            out.append(data)
            self._tail = buffer[-TAIL_BYTES:]
            return b""
        taken = end - len(self._tail)
        out.append(data[:taken])
        self._flowing = False
        self._read_tail(buffer[:end])
        return data[taken:]

    def _finish_flow(self) -> bytes:
        self._flowing = False
        if not self._tail.endswith((b"\n", b"\r")):
            self.incomplete = True
            return b""
        self.mended = True
        self._read_tail(self._tail)
        return sse.closing_of(self._tail)

    def _read_tail(self, tail: bytes) -> None:
        self._tail = b""
        self.usage = usage_in_tail(tail) or self.usage
        self.finish_reason = sse.finish_reason_in(tail[-TAIL_BYTES:]) or self.finish_reason

    def _take(self, event: bytes) -> bytes:
        """Note what a whole *event* says; what of it goes to the client."""
        if self._follow_calls:
            self.calls += calls_in(event)
        if self.events and not sse.is_notable(event):
            self.events += sse.has_data(event)
            return event
        parts = sse.read_event(event)
        if parts is None:
            return event
        name, data = parts
        if data.lstrip().startswith(sse.DONE):
            self.done = True
            # The body ends here, so the LF of a CRLF that was split is not waited for.
            return event + b"\n" if b"\r\n" in event and event.endswith(b"\r") else event
        return event if self._passes(name, data) else b""

    def _passes(self, name: bytes, data: bytes) -> bool:
        named = name not in (b"", b"message")
        try:
            answer = orjson.loads(data)
        except orjson.JSONDecodeError:
            if name == b"error" or (data and not named):
                self._fail(AnswerError(MALFORMED, None))
            return not self.failed
        error = error_of(answer)
        if error is not None or name == b"error":
            self._fail(error or AnswerError(None, None))
            return False
        if not isinstance(answer, dict):
            self.events += not named
            return True
        self.usage = usage_of(answer) or self.usage
        self.finish_reason = finish_reason_of(answer) or self.finish_reason
        if self._strip_usage and answer.get("choices") == [] and _is_usage(answer):
            return False
        self.events += not named or "choices" in answer
        return True

    def _fail(self, error: AnswerError) -> None:
        self.failed = True
        self.error_code, self.error_status = error.code, error.status


def _is_usage(answer: dict[str, object]) -> bool:
    return isinstance(answer.get("usage"), dict)


def _is_whole(data: bytes) -> bool:
    if data.strip() == sse.DONE:
        return True
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
