"""Both sides of the gateway in memory, for measuring what lies between them. I/O: none.

They have what the path of a plain call asks of them, and no more.
"""

import time
from dataclasses import dataclass

from proxy.ports import Call, Head
from proxy.wire.splice import rewrite


class Reply:
    """The upstream's side: one plain answer, from memory."""

    status = 200
    content_type = "application/json"
    limits_left = None

    def __init__(self, body: bytes) -> None:
        self.content_length = len(body)
        self.headers: dict[str, str] = {}
        self._left = [b"", body]

    async def read(self) -> bytes:
        """The body, then its end."""
        return self._left.pop()

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that answers from memory, its request rewritten as for any other."""

    answer: bytes

    async def open(self, call: Call) -> Reply:
        """The reply to *call*."""
        _ = rewrite(call.request, call.target)
        return Reply(self.answer)


class Client:
    """A client's request and its answer, in memory: Exchange and Sink of `ports` in one."""

    request_id = "req_0123456789abcdef0123456789"
    method = "POST"
    path = "/v1/chat/completions"
    trace_id = None
    drained = False
    broken_by = None
    closed = False
    paused = False

    def __init__(self, authorization: str, body: bytes) -> None:
        self.authorization = authorization
        self.forwarded: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.sink = self
        self.status: int | None = None
        self.started_at: float | None = None
        self.sent_bytes = 0
        self.body_bytes = len(body)
        self._body = body

    async def body(self) -> bytes:
        """All of it."""
        return self._body

    def start(self, head: Head) -> None:
        """Note when."""
        self.status, self.started_at = head.status, time.monotonic()

    def write(self, data: bytes) -> None:
        """Count *data*."""
        self.sent_bytes += len(data)

    def end(self) -> None:
        """Nothing is left."""
