"""One log line for every request, from its record. Pure, but for the writer that takes the line.

The fields are an allow-list by construction: each is named here, and what a client or an
upstream can choose freely passes through a closed set first (`paths`). About 6 us a line, with
its share of the writing.
"""

from datetime import UTC, datetime
from typing import Final

import orjson

from proxy.domain.decision import Rejection
from proxy.domain.labels import DEGRADABLE
from proxy.domain.record import Attempt, Record
from proxy.domain.rules import LogLevel
from proxy.domain.usage import Usage
from proxy.telemetry.lines import Lines
from proxy.telemetry.paths import error_code_of, finish_reason_of, method_of, path_of
from proxy.units import NANOUSD_PER_USD

_JSON_OPTIONS: Final = orjson.OPT_UTC_Z


class LogRecorder:
    """Writes each record as one line; a line that cannot be made or written is counted as lost."""

    def __init__(self, lines: Lines, *, console: bool = False) -> None:
        """*console*: `console_line`, for people at a terminal, in place of `json_line`."""
        self._lines = lines
        self._render = console_line if console else json_line

    def record(self, record: Record) -> None:
        """Take *record*; never blocks, never raises. Where a rule says `log: none`, nothing is
        written: metrics count the request all the same.
        """
        decision = record.decision
        if decision is not None and decision.ruling.log is LogLevel.NONE:
            return
        try:
            line = self._render(record)
        except (
            TypeError,
            ValueError,
            OverflowError,
            OSError,
        ):  # a figure or text that JSON cannot hold
            self._lines.lose(1)
        else:
            self._lines.write(line)


def json_line(record: Record) -> bytes:
    """*record* as one JSON object, without a line feed. Control bytes are escaped by JSON."""
    return orjson.dumps(
        {
            "ts": datetime.fromtimestamp(record.started_at_ms / 1000, UTC),
            "level": "info",
            "event": "request",
            "request_id": record.request_id,
            "trace_id": record.trace_id,
            "tenant": record.tenant_id,
            "key_id": record.key_id,
            "method": method_of(record.method),
            "path": path_of(record.path),
            "route": record.route_id,
            "target": record.target_id,
            "attempts": list(map(_attempt, record.attempts)),
            "skipped": list(map(_skipped, record.skipped)),
            "decision": _decision(record),
            "status": record.status,
            "ending": record.ending,
            "error_code": error_code_of(record.error_code),
            "param": record.error_param,
            "stream": record.stream,
            "tokens": _tokens(record.usage),
            "evidence": record.evidence,
            "cost_nanousd": record.cost_nanousd,
            "priced": record.priced,
            "finish_reason": finish_reason_of(record.finish_reason),
            "config": record.config_version,
            "body_bytes": record.body_bytes,
            "sent_bytes": record.sent_bytes,
            "first_byte_ms": None
            if record.first_byte_ms is None
            else round(record.first_byte_ms, 3),
            "total_ms": round(record.total_ms, 3),
        },
        option=_JSON_OPTIONS,
    )


def console_line(record: Record) -> bytes:
    """*record* as a short line for people, without a line feed, UTF-8."""
    parts = [
        f"{datetime.fromtimestamp(record.started_at_ms / 1000, UTC):%H:%M:%S}",
        f"{record.status} {method_of(record.method)} {path_of(record.path)}",
    ]
    if record.route_id is not None:
        tried = [
            f"{attempt.target_id} ({attempt.failure})"
            for attempt in record.attempts
            if attempt.failure is not None
        ]
        answered = [record.target_id] if record.target_id is not None else []
        parts.append(" -> ".join([record.route_id, *tried, *answered]))
    if not record.usage.is_zero:
        parts.append(f"{record.usage.prompt_tokens}+{record.usage.completion_tokens} tokens")
    if record.cost_nanousd is not None:
        parts.append(f"${record.cost_nanousd / NANOUSD_PER_USD:.6f}")
    elif record.priced is False:
        parts.append("no price")
    parts.append(f"{record.total_ms:.0f} ms")
    parts.append(error_code_of(record.error_code) or record.ending.value)
    parts.append(record.request_id)
    return "  ".join(parts).encode()


def _decision(record: Record) -> dict[str, object] | None:
    """What was decided; labels only where rules allow all of it to be logged."""
    decision, facts = record.decision, record.facts
    if decision is None or facts is None:
        return None
    labels = facts.labels
    degradation = decision.degradation
    return {
        "strategy": decision.strategy,
        "rules": decision.ruling.applied,
        "candidates": len(decision.ranking),
        "predicted_nanousd": decision.estimated_cost_nanousd,
        "max_output_tokens": decision.max_output_tokens,
        "redacted": {kind.value: count for kind, count in record.redacted},
        "degraded": None
        if degradation is None
        else {
            "step": degradation.step,
            "from": degradation.before,
            "to": degradation.after,
            "reason": degradation.because,
        },
        "labels": {
            "workload": labels.workload.value,
            "origin": labels.workload.origin,
            "sensitivity": labels.sensitivity.value,
            "kinds": labels.kinds,
            "language": labels.language.value,
            "risk": labels.risk.value,
            "degradable": DEGRADABLE[labels.risk.value],
            "lowering_ignored": labels.lowering_ignored,
        }
        if decision.ruling.log is LogLevel.FULL
        else None,
    }


def _skipped(rejection: Rejection) -> dict[str, object]:
    return {
        "target": rejection.target_id,
        "reason": rejection.reason,
        "detail": rejection.detail,
        "rule": rejection.rule,
    }


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "target": attempt.target_id,
        "failure": attempt.failure,
        "status": attempt.status,
        "ms": round(attempt.elapsed_ms, 3),
        "fresh_connection": attempt.fresh_connection,
        "maybe_billed": attempt.maybe_billed,
        "maybe_nanousd": attempt.maybe_nanousd,
    }


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "prompt": usage.prompt_tokens,
        "cached": usage.cached_tokens,
        "cache_write": usage.cache_write_tokens,
        "completion": usage.completion_tokens,
        "reasoning": usage.reasoning_tokens,
    }
