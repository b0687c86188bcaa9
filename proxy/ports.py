"""What the inside needs from the outside. Protocols and the values they pass; no code.

The implementations: Provider and Reply in `providers/`, Exchange and Sink in `server/`, Recorder
and Meter in `telemetry/`, Clock in `assembly`, the others in `state/`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proxy.domain.catalog import Endpoint, Target
from proxy.domain.labels import Workload
from proxy.domain.outcome import Ending, Failure, FailureKind
from proxy.domain.record import Record
from proxy.domain.request import Headers, Request
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import KeyStanding
from proxy.errors import GatewayError
from proxy.units import LoopSeconds, UnixMs
from proxy.values import value


@value
class Call:
    """One attempt: *request* for *target*, to be answered by *deadline* (loop time).

    `headers` are the client's that may go upstream, names in lower case. `fresh_connection`
    asks for a connection that no other call has used.
    """

    request: Request
    target: Target
    headers: Mapping[str, str] = field(repr=False)
    deadline: LoopSeconds
    fresh_connection: bool = False


@value
class Head:
    """The head of the answer to the client. `content_length` None: not known, so chunked."""

    status: int
    content_type: str
    content_length: int | None
    stream: bool
    headers: tuple[tuple[str, str], ...] = ()


class Push(Protocol):
    """Where a reply's bytes go, pushed as they arrive."""

    @property
    def closed(self) -> bool:
        """Whether no more bytes are wanted; the pusher stops at once."""

    @property
    def paused(self) -> bool:
        """Whether the reader is behind; the pusher then awaits `writable` before the next write."""

    def write(self, data: bytes) -> bool:
        """Take *data* (never empty); whether more may follow at once. If not, `closed` or
        `paused` says why. Never blocks; memory is bounded by honouring that.
        """

    async def writable(self) -> bool:
        """Wait until the reader has caught up; False when it made no progress for too long."""


class Sink(Push, Protocol):
    """The client's side of one answer: started once, written, then ended or broken off."""

    @property
    def status(self) -> int | None:
        """The status that went out with the head; None before it: the commit point, after which
        nothing is retried.
        """

    @property
    def started_at(self) -> LoopSeconds | None:
        """When the head went out."""

    @property
    def broken_by(self) -> GatewayError | None:
        """What the client was told by `break_off`."""

    @property
    def sent_bytes(self) -> int:
        """How many bytes of body were written."""

    def start(self, head: Head) -> None:
        """Send *head*; it may leave together with the first bytes of the body."""

    def end(self) -> None:
        """Complete the body; the connection stays usable. No more bytes are wanted."""

    def break_off(self, error: GatewayError) -> None:
        """Tell the client of *error* and stop. Before the head: as the answer itself. After it:
        as an event of the stream, then the connection closes without completing the body, so
        that clients see a broken answer and never a short one. Harmless once ended.
        """


class Exchange(Protocol):
    """One request of a client, before it is understood."""

    @property
    def request_id(self) -> str:
        """Ours, unique; the client gets it as `x-request-id`."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def path(self) -> str:
        """The path's pattern, from a closed set; `other` for what we do not serve."""

    @property
    def authorization(self) -> str | None:
        """The Authorization header as sent."""

    @property
    def headers(self) -> Headers:
        """All of the client's headers."""

    @property
    def forwarded(self) -> Mapping[str, str]:
        """The client's headers that may go upstream, names in lower case."""

    @property
    def trace_id(self) -> str | None:
        """The trace id of a valid `traceparent`, 32 hex digits."""

    @property
    def sink(self) -> Sink:
        """Where the answer goes."""

    @property
    def body_bytes(self) -> int:
        """How many bytes of body were read."""

    @property
    def drained(self) -> bool:
        """Whether the gateway broke this exchange off because it is shutting down."""

    async def body(self) -> bytes:
        """Read the body under its caps and deadline.

        Raises:
            GatewayError: too large, too slow, incomplete, or of an unsupported type or encoding.
        """


class Reply(Protocol):
    """An upstream answer that began with a success status. The opener closes it."""

    @property
    def status(self) -> int:
        """The upstream's status, 2xx."""

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""

    @property
    def content_length(self) -> int | None:
        """The body's length in bytes, None if the upstream did not say."""

    @property
    def limits_left(self) -> float | None:
        """The share, in [0, 1], that is left of the provider's limits; None: it says nothing."""

    async def read(self) -> bytes | FailureKind:
        """The next bytes of the body, empty at its clean end; for use before `relay_to`.

        Cancellation and the caller's timeout may interrupt it; no bytes are lost.
        """

    async def relay_to(self, push: Push) -> Ending:
        """Push the rest of the body into *push* as it arrives, without a task switch a chunk
        where the transport can.

        COMPLETE at the body's clean end or when *push* closed; UPSTREAM_CUT, UPSTREAM_STALLED
        (nothing came for between_chunks_s), DEADLINE, or CLIENT_STALLED otherwise. Time spent
        waiting for *push* does not count against the upstream.
        """

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else drop it, which cancels
        the work upstream. Harmless to repeat; never blocks.
        """


class Provider(Protocol):
    """One dialect to one provider's account."""

    async def open(self, call: Call) -> Reply | Failure:
        """Send the call's request, rewritten for its target, and wait for the head.

        Anything but a success status is a Failure, its body read under a cap and dropped but
        for the explanation of a client's own mistake. The caller bounds the wait.
        """


@dataclass(slots=True)
class Answered:
    """How an answer that began came to its end. Do not change one.

    `broke`: by the upstream's fault; nothing else is then looked at. `writing_ms` is the time
    from the first token to the last, or the whole attempt's where the answer was plain; 0: not
    known. Token figures are what the provider reported, 0 where it did not. `prompt_bytes` is 0
    where bytes tell nothing of tokens (images). `parts`: how many answers the completion tokens are
    of (`n`, and a list's prompts). `bad`: what was checked of the answer was bad
    (cut short, refused, not the JSON that was asked for); None: nothing was checked.
    """

    target_id: str
    route_id: str
    workload: Workload
    attempts: int
    broke: bool
    prompt_bytes: int
    prompt_tokens: int
    completion_tokens: int
    parts: int
    writing_ms: float
    called_tools: bool
    bad: bool | None


class HealthBoard(Protocol):
    """What is seen of targets, for the decisions to come. None of it blocks or raises."""

    def attempt_ended(
        self, target_id: str, kind: FailureKind | None, first_token_ms: float | None
    ) -> None:
        """An attempt failed, or began to answer (*kind* None) after *first_token_ms*, which is
        None for a plain answer: that comes whole.
        """

    def answered(self, answer: Answered) -> None:
        """An answer that began is over."""

    def limits_left(self, target_id: str, share: float) -> None:
        """The provider says that *share*, in [0, 1], of the target's limits is left."""


class CallCaps(Protocol):
    """How many calls capped scopes have made. None of it blocks."""

    def allows(self, key: str, limit: int) -> bool:
        """Whether one more call of *key* stays within *limit*."""

    def hold(self, keys: Iterable[str]) -> None:
        """Count one call for each of *keys*, before it is made."""

    def release(self, keys: Iterable[str]) -> None:
        """Take that back: none was made, nor billed."""


class ToolCalls(Protocol):
    """Which provider issued which tool calls, by the ids that it gave them."""

    def issued(self, tenant_id: str, call_ids: Iterable[str], provider_id: str) -> None:
        """*provider_id* answered *tenant_id* with these calls."""

    def origin_of(self, tenant_id: str, call_ids: Iterable[str]) -> str | None:
        """The provider that issued the newest of these that is known, None where none is."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole plain answer that a target once gave."""

    target_id: str
    body: bytes = field(repr=False)


class AnswerCache(Protocol):
    """Whole plain answers, kept where a rule allows it. None of it blocks."""

    def key_of(self, tenant_id: str, endpoint: Endpoint, body: bytes) -> bytes:
        """What the very same *body* of the same tenant is known by: a keyed hash."""

    def find(self, key: bytes) -> KeptAnswer | None:
        """What was answered to that, if it is still kept."""

    def keep(self, key: bytes, answer: KeptAnswer) -> None:
        """Keep *answer* for a while; a large one is not."""


class KeyRing(Protocol):
    """API keys."""

    async def identify(self, token: str) -> KeyStanding:
        """Who bears *token*, and whether it still holds. A local lookup for keys seen before,
        else one Redis trip.

        Raises:
            GatewayError: invalid_api_key; state_unavailable when Redis is gone and the key was
                not seen before (known ones live on).
        """


class Snapshots(Protocol):
    """The routing config in force."""

    @property
    def current(self) -> Snapshot:
        """The newest whole snapshot, from memory."""


class SnapshotSlot(Snapshots, Protocol):
    """Where a new snapshot is put in force."""

    def replace(self, snapshot: Snapshot) -> None:
        """*snapshot* is what decisions see from now on; those under way keep theirs."""


class Recorder(Protocol):
    """Where records go: the log, later also files and collectors."""

    def record(self, record: Record) -> None:
        """Take *record*; never blocks, never raises."""


class Meter(Protocol):
    """Counts things, for metrics."""

    def request_started(self) -> None:
        """A request came in."""

    def request_ended(self, record: Record) -> None:
        """A request left, with all that is known of it."""


class Clock(Protocol):
    """Time, as an argument of the inside."""

    def now(self) -> LoopSeconds:
        """Monotonic seconds of the event loop."""

    def unix_ms(self) -> UnixMs:
        """Wall-clock milliseconds."""
