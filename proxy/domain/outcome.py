"""How an attempt ended: classified once here; retry, metrics and record read that. Pure.

The table of statuses follows what providers really send (docs/request-path.md, step 6).
"""

from dataclasses import dataclass, field
from enum import StrEnum

from proxy.values import value


class FailureKind(StrEnum):
    """Why an attempt did not answer."""

    CONNECT = "connect"
    TLS = "tls"
    FORBIDDEN_PEER = "forbidden_peer"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    STALE_CONNECTION = "stale_connection"
    DISCONNECTED = "disconnected"
    BAD_REPLY = "bad_reply"
    EMPTY_REPLY = "empty_reply"
    ERROR_EVENT = "error_event"
    RATE_LIMITED = "rate_limited"
    OUT_OF_CREDIT = "out_of_credit"
    UNAUTHORIZED = "unauthorized"
    MISCONFIGURED = "misconfigured"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CLIENT_MISTAKE = "client_mistake"


TIMEOUTS = frozenset({FailureKind.CONNECT_TIMEOUT, FailureKind.FIRST_BYTE_TIMEOUT})

_MAYBE_BILLED = frozenset(
    {
        FailureKind.FIRST_BYTE_TIMEOUT,
        FailureKind.STALE_CONNECTION,
        FailureKind.DISCONNECTED,
        FailureKind.BAD_REPLY,
        FailureKind.EMPTY_REPLY,
        FailureKind.ERROR_EVENT,
    }
)


@dataclass(frozen=True, slots=True)
class UpstreamComplaint:
    """A provider's explanation of the client's own mistake, as far as it may be passed on: to the
    client, so its text does not show when it is printed.
    """

    status: int
    message: str | None = field(repr=False)
    code: str | None = field(repr=False)
    param: str | None = field(repr=False)


@value
class Failure:
    """An attempt that did not answer.

    `status` is the upstream's, where there was one; `retry_after_s` what it asked for, already
    bounded. `complaint` is set for the client's own mistakes only: for these no other target
    is tried.
    """

    target_id: str
    kind: FailureKind
    status: int | None = None
    retry_after_s: int | None = None
    complaint: UpstreamComplaint | None = None

    @property
    def may_try_another(self) -> bool:
        """Whether another target could answer where this one did not."""
        return self.kind is not FailureKind.CLIENT_MISTAKE

    @property
    def maybe_billed(self) -> bool:
        """Whether the provider may have done, and charged for, the work."""
        return self.kind in _MAYBE_BILLED


def kind_of_status(status: int) -> FailureKind | None:
    """What an upstream's *status* means; None for a success (2xx)."""
    if 200 <= status < 300:
        return None
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return FailureKind.SERVER_ERROR
    if 400 <= status < 500:
        return FailureKind.CLIENT_MISTAKE
    return FailureKind.BAD_REPLY


_BY_STATUS = {
    401: FailureKind.UNAUTHORIZED,
    402: FailureKind.OUT_OF_CREDIT,
    403: FailureKind.UNAUTHORIZED,
    404: FailureKind.MISCONFIGURED,  # the target's model or base URL, not the client's route
    405: FailureKind.MISCONFIGURED,
    407: FailureKind.UNAUTHORIZED,
    408: FailureKind.FIRST_BYTE_TIMEOUT,
    409: FailureKind.SERVER_ERROR,
    410: FailureKind.MISCONFIGURED,  # a model that was retired
    411: FailureKind.MISCONFIGURED,  # this and 415: about the bytes that we wrote, not the client
    415: FailureKind.MISCONFIGURED,
    421: FailureKind.MISCONFIGURED,
    425: FailureKind.OVERLOADED,
    426: FailureKind.MISCONFIGURED,
    429: FailureKind.RATE_LIMITED,
    498: FailureKind.RATE_LIMITED,  # Groq: no flex capacity
    503: FailureKind.OVERLOADED,
    529: FailureKind.OVERLOADED,  # Anthropic: overloaded
}


class Ending(StrEnum):
    """How a reply that began came to its end."""

    COMPLETE = "complete"
    UPSTREAM_CUT = "upstream_cut"
    UPSTREAM_STALLED = "upstream_stalled"
    UPSTREAM_ERROR = "upstream_error"
    DEADLINE = "deadline"
    CLIENT_GONE = "client_gone"
    CLIENT_STALLED = "client_stalled"
    DRAINED = "drained"
    REFUSED = "refused"
    FAILED = "failed"
