"""Step 8, its end: what an answer teaches. I/O: by port, in memory.

Speed, length, calibration and quality go to the health board, tool calls to who must find their
issuer again, and an answer that may be kept to those that are kept.
"""

from typing import Final

import orjson

from proxy.domain.catalog import Tier
from proxy.domain.labels import OutputType
from proxy.domain.outcome import Ending
from proxy.domain.record import Record
from proxy.domain.usage import Evidence
from proxy.execution.opening import Opening
from proxy.execution.settle import Entry
from proxy.ports import AnswerCache, Answered, CallCaps, HealthBoard, KeptAnswer, ToolCalls
from proxy.routing.cost import prompts_in

CHECKED_BYTES: Final = 64 * 1024
"""Up to this size a plain answer that should be JSON is checked for being so."""

_BROKE: Final = frozenset({Ending.UPSTREAM_CUT, Ending.UPSTREAM_STALLED, Ending.UPSTREAM_ERROR})


class Lessons:
    """Learns from requests that ended. One for a process."""

    def __init__(
        self,
        health: HealthBoard,
        tool_calls: ToolCalls,
        cache: AnswerCache,
        call_caps: CallCaps,
    ) -> None:
        self._health = health
        self._tool_calls = tool_calls
        self._cache = cache
        self._call_caps = call_caps

    def learn(self, entry: Entry, record: Record) -> None:
        """Take what the request of *entry* teaches; *record* is what it left behind."""
        if entry.held and not _called_premium(entry):
            self._call_caps.release(entry.held)
        opening, facts = entry.opening, entry.facts
        if opening is None or facts is None:
            return
        broke = record.ending in _BROKE
        if not broke and record.ending is not Ending.COMPLETE:
            return  # the client left, or we stopped: this says nothing of the target
        reported = record.evidence is Evidence.REPORTED
        usage = record.usage
        self._health.answered(
            Answered(
                target_id=opening.call.target.id,
                route_id=facts.route_id,
                workload=facts.labels.workload.value,
                attempts=len(record.attempts),
                broke=broke,
                prompt_bytes=0 if facts.images else _sent_bytes(entry),
                prompt_tokens=usage.prompt_tokens if reported else 0,
                completion_tokens=usage.completion_tokens if reported else 0,
                parts=facts.n * prompts_in(facts),
                writing_ms=_writing_ms(record),
                called_tools=record.finish_reason == "tool_calls",
                bad=_bad(entry, record, opening),
            )
        )
        if broke:
            return
        if opening.tap.calls:
            self._tool_calls.issued(
                facts.tenant_id, opening.tap.calls, opening.call.target.provider.id
            )
        if entry.keep_as is not None and opening.whole:
            self._cache.keep(entry.keep_as, KeptAnswer(opening.call.target.id, opening.prefix))


def _sent_bytes(entry: Entry) -> int:
    """The text that the target read, which may be less than what came."""
    return 0 if entry.request is None else entry.request.prompt_bytes


def _called_premium(entry: Entry) -> bool:
    """Whether a premium target answered, or may have worked and charge for it."""
    assert entry.decision is not None
    premium = {
        each.target.id for each in entry.decision.ranking if each.target.tier is Tier.PREMIUM
    }
    return any(
        attempt.target_id in premium and (attempt.failure is None or attempt.maybe_billed)
        for attempt in entry.attempts
    )


def _writing_ms(record: Record) -> float:
    if record.stream and record.first_byte_ms is not None:
        return record.total_ms - record.first_byte_ms
    return record.attempts[-1].elapsed_ms if record.attempts else 0.0


def _bad(entry: Entry, record: Record, opening: Opening) -> bool | None:
    """Whether the answer was cut short, refused, or not the JSON that was asked for; None: that
    cannot be told.
    """
    reason = record.finish_reason
    if reason == "content_filter":
        return True
    if reason == "length":
        # Where a limit was asked for, it was kept to.
        return None if entry.request is None or entry.request.max_output_tokens else True
    if reason is None:
        return None
    asked_json = entry.facts is not None and entry.facts.labels.output_type.value == OutputType.JSON
    if not asked_json or reason == "tool_calls":
        return False
    if not opening.whole or len(opening.prefix) > CHECKED_BYTES:
        return None
    return not _holds_json(opening.prefix)


def _holds_json(answer: bytes) -> bool:
    try:
        decoded = orjson.loads(answer)
        orjson.loads(decoded["choices"][0]["message"]["content"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return False
    return True
