"""The row that every request leaves behind, however it ended. Pure values, free of payload."""

from dataclasses import dataclass

from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.usage import Evidence, Usage
from proxy.units import NanoUsd, UnixMs


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one target. `failure` None: it answered. `status` is the upstream's."""

    target_id: str
    failure: FailureKind | None
    status: int | None
    elapsed_ms: float
    fresh_connection: bool = False
    maybe_billed: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What one request did, cost and took. Times in milliseconds from its first byte.

    `status` is what the client got (499: it left before an answer began). `cost_nanousd` None:
    nothing to charge, or the target has no price (then `usage` tells).
    """

    request_id: str
    started_at_ms: UnixMs
    method: str
    path: str
    status: int
    ending: Ending
    error_code: str | None
    tenant_id: str | None
    key_id: str | None
    route_id: str | None
    target_id: str | None
    attempts: tuple[Attempt, ...]
    stream: bool
    usage: Usage
    evidence: Evidence
    cost_nanousd: NanoUsd | None
    finish_reason: str | None
    config_version: str | None
    trace_id: str | None
    body_bytes: int
    sent_bytes: int
    first_byte_ms: float | None
    total_ms: float
