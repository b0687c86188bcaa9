"""The row that every request leaves behind, however it ended. Pure values, free of payload."""

from proxy.domain.decision import Decision, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind
from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.usage import Evidence, Usage
from proxy.units import NanoUsd, UnixMs
from proxy.values import value


@value
class Attempt:
    """One call to one target. `failure` None: it answered, or the client left before it could;
    `status` is the upstream's.

    `maybe_billed`: it did not answer, but the provider may have worked and charge for it;
    `maybe_nanousd` is then an estimate of what for the prompt alone, None without a price.
    """

    target_id: str
    failure: FailureKind | None
    status: int | None
    elapsed_ms: float
    fresh_connection: bool = False
    maybe_billed: bool = False
    maybe_nanousd: NanoUsd | None = None


@value
class Record:
    """What one request did, cost and took. Times in milliseconds from its first byte.

    `status` is what the client got (499: it left before an answer began). `cost_nanousd` is what
    the answer cost; None: there was none, or its target has no price (then `usage` tells). What
    other attempts may have cost stands with each of them. `facts` and `decision`: None where it did
    not come so far. `redacted`: how many values of which kinds did not leave.
    """

    request_id: str
    started_at_ms: UnixMs
    method: str
    path: str
    status: int
    ending: Ending
    error_code: str | None
    error_param: str | None
    tenant_id: str | None
    key_id: str | None
    route_id: str | None
    target_id: str | None
    attempts: tuple[Attempt, ...]
    skipped: tuple[Rejection, ...]
    redacted: tuple[tuple[Kind, int], ...]
    stream: bool
    usage: Usage
    evidence: Evidence
    cost_nanousd: NanoUsd | None
    finish_reason: str | None
    config_version: str | None
    facts: Facts | None
    decision: Decision | None
    trace_id: str | None
    body_bytes: int
    sent_bytes: int
    first_byte_ms: float | None
    total_ms: float

    @property
    def priced(self) -> bool | None:
        """Whether it is known what the answer cost; None: no target gave one."""
        return None if self.target_id is None else self.cost_nanousd is not None
