"""Step 8: the books. Every exit of every request passes here exactly once. I/O: by port.

An Entry is opened when a request comes in, filled along the path, and becomes the Record that
the request leaves behind, however it ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType

from proxy.domain.catalog import Endpoint
from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind
from proxy.domain.outcome import Ending
from proxy.domain.price import cost_of
from proxy.domain.record import Attempt, Record
from proxy.domain.request import Request
from proxy.domain.tenant import Identity
from proxy.domain.usage import Evidence, Usage, estimated_usage
from proxy.errors import GatewayError, Side
from proxy.execution.opening import Opening
from proxy.ports import Clock, Exchange, Meter, Recorder
from proxy.units import LoopSeconds, NanoUsd, UnixMs

CLIENT_LEFT = 499
"""What the log says of a client that left before its answer began, as nginx does."""


HEAVY_BYTES = 16 * 1024
"""A body from this size on is let go as soon as its answer begins."""

OUR_PARAMS = frozenset({"missing_field", "invalid_field"})
"""Codes whose `param` is a field name of ours; any other may be the client's own text."""


@dataclass(slots=True)
class Entry:
    """The open book of one request. `route_id`: the route that was granted to it, so a name of the
    config's and never a client's own.
    """

    exchange: Exchange
    started: LoopSeconds
    started_at_ms: UnixMs
    identity: Identity | None = None
    request: Request | None = None
    route_id: str | None = None
    facts: Facts | None = None
    keep_as: bytes | None = None
    held: tuple[str, ...] = ()
    redacted: tuple[tuple[Kind, int], ...] = ()
    decision: Decision | None = None
    attempts: list[Attempt] = field(default_factory=list)
    opening: Opening | None = None
    ending: Ending | None = None
    error: GatewayError | None = None

    @property
    def key_tags(self) -> frozenset[str]:
        """The tags of the key that was shown."""
        return self.identity.tags if self.identity is not None else frozenset()

    def let_go_of_body(self) -> None:
        """Past the commit point nothing is sent again; a long prompt's bytes are of no more use."""
        if self.request is None or self.opening is None or len(self.request.body) < HEAVY_BYTES:
            return
        self.request = replace(self.request, body=b"", decoded={})
        self.opening.call = replace(self.opening.call, request=self.request)


Later = Callable[[Callable[[], None]], object]
"""Calls what it is given, in a moment."""


def _at_once(call: Callable[[], None]) -> None:
    call()


class Books:
    """Opens entries, and closes each exactly once.

    Counting and logging a request wait for a moment (*later*), and are done for many at once: the
    same few functions again and again cost half of what they cost between all others.
    """

    def __init__(
        self,
        recorder: Recorder,
        meter: Meter,
        clock: Clock,
        learn: Callable[["Entry", Record], None] = lambda entry, record: None,
        on_failure: Callable[[str, BaseException], None] = lambda name, error: None,
        later: Later = _at_once,
    ) -> None:
        """*learn* takes what a request teaches (`execution/lessons`); *on_failure* is told where
        one of the books could not be kept.
        """
        self._later = later
        self._kept: list[Record] = []
        self._due = False
        self._on_failure = on_failure
        self._recorder = recorder
        self._meter = meter
        self._learn = learn
        self._clock = clock

    def entry(self, exchange: Exchange) -> "OpenEntry":
        """The entry of *exchange*, settled when the `with` block is left, however it is left."""
        return OpenEntry(self, Entry(exchange, self._clock.now(), self._clock.unix_ms()))

    def open(self) -> None:
        """A request came in."""
        self._meter.request_started()

    def settle(self, entry: Entry) -> None:
        """Close *entry*; called once for each."""
        if entry.opening is not None:
            entry.opening.reply.close()
        record = record_of(entry, self._clock.now())
        self._safely(self._learn, entry, record)  # now: the next request may build on it
        self._kept.append(record)
        if not self._due:
            self._safely(self._wait)  # where that fails, the next request tries again

    def _wait(self) -> None:
        self._due = True
        try:
            self._later(self.flush)
        except BaseException:
            self._due = False
            raise

    def flush(self) -> None:
        """Count and log what waits for that."""
        kept, self._kept, self._due = self._kept, [], False
        # Each by itself: what one of them cannot do costs neither the answer nor the others.
        for record in kept:
            self._safely(self._meter.request_ended, record)
        for record in kept:
            self._safely(self._recorder.record, record)

    def _safely(self, step: Callable[..., None], *args: object) -> None:
        try:
            step(*args)
        except Exception as error:
            self._on_failure("books", error)


class OpenEntry:
    """The `with` block of an entry. A class, since a generator would cost every request more."""

    __slots__ = ("_books", "_entry")

    def __init__(self, books: Books, entry: Entry) -> None:
        self._books = books
        self._entry = entry

    def __enter__(self) -> Entry:
        self._books.open()
        return self._entry

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            _note(error, self._entry)
        self._books.settle(self._entry)


def _note(error: BaseException, entry: Entry) -> None:
    if isinstance(error, GatewayError):
        entry.error = error
        entry.ending = Ending.FAILED if error.kind.side is Side.PROVIDER else Ending.REFUSED
    elif isinstance(error, asyncio.CancelledError):
        entry.ending = Ending.CLIENT_GONE
    else:
        entry.error = GatewayError("internal_error")
        entry.ending = Ending.FAILED


def record_of(entry: Entry, now: LoopSeconds) -> Record:
    """What *entry* leaves behind when its request ends at *now*."""
    exchange, decision, opening = entry.exchange, entry.decision, entry.opening
    usage, evidence = usage_of(entry)
    error = entry.error or exchange.sink.broken_by
    ending = Ending.DRAINED if exchange.drained else entry.ending or Ending.COMPLETE
    return Record(
        request_id=exchange.request_id,
        started_at_ms=entry.started_at_ms,
        method=exchange.method,
        path=exchange.path,
        status=_status_of(entry),
        ending=ending,
        error_code=error.code if error else None,
        error_param=error.param if error and error.code in OUR_PARAMS else None,
        tenant_id=entry.identity.tenant_id if entry.identity else None,
        key_id=entry.identity.key_id if entry.identity else None,
        route_id=entry.route_id,
        target_id=opening.call.target.id if opening else None,
        attempts=tuple(entry.attempts),
        skipped=decision.rejected if decision else (),
        redacted=entry.redacted,
        stream=entry.request.stream if entry.request else False,
        usage=usage,
        evidence=evidence,
        cost_nanousd=_cost_of(opening, usage),
        finish_reason=opening.tap.finish_reason if opening else None,
        config_version=decision.config_version if decision else None,
        facts=entry.facts,
        decision=decision,
        trace_id=exchange.trace_id,
        body_bytes=exchange.body_bytes,
        sent_bytes=exchange.sink.sent_bytes,
        first_byte_ms=_ms(exchange.sink.started_at, entry.started),
        total_ms=(now - entry.started) * 1000,
    )


def usage_of(entry: Entry) -> tuple[Usage, Evidence]:
    """What the attempt that answered used, and how we know."""
    if entry.opening is None or entry.request is None:
        return Usage(), Evidence.NONE
    tap = entry.opening.tap
    if tap.usage is not None:
        return tap.usage, Evidence.REPORTED_ZERO if tap.usage.is_zero else Evidence.REPORTED
    writes = entry.request.endpoint is not Endpoint.EMBEDDINGS
    seen = tap.completion_tokens_seen if writes else 0
    return estimated_usage(entry.request.prompt_bytes, seen), Evidence.ESTIMATED


def _cost_of(opening: Opening | None, usage: Usage) -> NanoUsd | None:
    if opening is None or opening.call.target.price is None:
        return None
    return cost_of(usage, opening.call.target.price)


def _status_of(entry: Entry) -> int:
    if entry.exchange.sink.status is not None:
        return entry.exchange.sink.status
    if entry.error is not None:
        return entry.error.status
    return CLIENT_LEFT


def _ms(at: LoopSeconds | None, started: LoopSeconds) -> float | None:
    return None if at is None else (at - started) * 1000
