"""A decision, told: the documented JSON of `POST /v1/route`, and a table. Pure.

Nothing of the request's text is told, nor what a caller wrote freely: labels are closed words.
docs/routing.md describes the JSON; `SCHEMA_VERSION` grows where a reader would have to change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from proxy.domain.catalog import Target
from proxy.domain.decision import Candidate, Decision, Rejection
from proxy.domain.labels import Label, Labels
from proxy.domain.rules import LogLevel
from proxy.routing.expected import Expected
from proxy.units import NANOUSD_PER_USD

SCHEMA_VERSION: Final = 1


def explained(decision: Decision, expected: Expected) -> dict[str, Any]:
    """*decision* and what is *expected* of its request, in the schema of `POST /v1/route`."""
    degradation = decision.degradation
    return {
        "schema_version": SCHEMA_VERSION,
        "config_version": decision.config_version,
        "route": decision.route.id,
        "strategy": decision.strategy.value,
        "selected": _named(decision.selected),
        "fallback": _named(decision.fallback),
        "reason": decision.reason,
        "estimated_cost_usd": usd(decision.estimated_cost_nanousd),
        "max_output_tokens": decision.max_output_tokens,
        "expected": expected._asdict(),
        "ranked": [_ranked(rank, each) for rank, each in enumerate(decision.ranking, 1)],
        "rejected": [_rejected(rejection) for rejection in decision.rejected],
        "labels": _labels(decision.labels),
        "rules": list(decision.rules),
        "degraded": None
        if degradation is None
        else {
            "step": degradation.step.value,
            "from": degradation.before,
            "to": degradation.after,
            "reason": degradation.because,
        },
    }


def summary_of(decision: Decision) -> str:
    """*decision* in a few closed words, for a header."""
    labels = decision.labels
    clamp = decision.max_output_tokens
    return (
        f"strategy={decision.strategy}; workload={labels.workload.value}; "
        f"sensitivity={labels.sensitivity.value}; candidates={len(decision.ranking)}; "
        f"rejected={len(decision.rejected)}" + ("" if clamp is None else f"; max_tokens={clamp}")
    )


def _named(target: Target | None) -> dict[str, str] | None:
    if target is None:
        return None
    return {"provider": target.provider.id, "model": target.model, "target": target.id}


def _ranked(rank: int, candidate: Candidate) -> dict[str, Any]:
    return {
        "rank": rank,
        **(_named(candidate.target) or {}),
        "tier": candidate.target.tier.value,
        "priced": candidate.target.price is not None,
        "score": round(candidate.score, 6),
        "terms": {name: round(term, 6) for name, term in candidate.terms._asdict().items()},
        "predicted": {
            "cost_usd": usd(candidate.cost_nanousd),
            "prompt_tokens": candidate.prompt_tokens,
            "completion_tokens": candidate.completion_tokens,
            "first_token_ms": candidate.first_token_ms,
            "total_ms": candidate.total_ms,
        },
        "throttled": candidate.throttled,
    }


def _rejected(rejection: Rejection) -> dict[str, Any]:
    return {
        "target": rejection.target_id,
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "rule": rejection.rule,
    }


def _labels(labels: Labels) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: {
            "value": str(label.value),
            "origin": label.origin.value,
            "confidence": round(label.confidence, 4),
        }
        for name in (*(field.name for field in fields(labels)), "degradable")
        if isinstance(label := getattr(labels, name), Label)
    }
    return told | {
        "kinds": [kind.value for kind in labels.kinds],
        "disallowed": list(labels.disallowed),
        "lowering_ignored": labels.lowering_ignored,
    }


def usd(cost: int | None) -> float | None:
    """Nano-dollars in dollars."""
    return None if cost is None else cost / NANOUSD_PER_USD


def lines_of(decision: Decision, expected: Expected) -> list[str]:
    """*decision* and what is *expected* of its request, as a table for people."""
    labels = decision.labels
    head = [
        decision.reason,
        "",
        f"route     {decision.route.id} (config {decision.config_version})",
        f"strategy  {decision.strategy}",
        f"workload  {labels.workload.value} ({labels.workload.origin}, "
        f"{labels.workload.confidence:.2f})",
        f"text      {labels.sensitivity.value}, {labels.language.value}"
        + (f", holds {', '.join(labels.kinds)}" if labels.kinds else ""),
        f"risk      {labels.risk.value} ({labels.risk.origin}), degradable "
        f"{labels.degradable.value}",
        f"expects   {_expectation(expected)}",
        f"rules     {', '.join(decision.rules) or 'none'}",
    ]
    if decision.ruling.redact:
        head.append(f"redacts   {', '.join(sorted(decision.ruling.redact))}")
    if decision.max_output_tokens is not None:
        head.append(f"clamp     max_tokens {decision.max_output_tokens}")
    if decision.ruling.log is not LogLevel.FULL:
        head.append(f"log       {decision.ruling.log}")
    if decision.degradation is not None:
        was = decision.degradation
        head.append(f"degraded  {was.step}: {was.before} -> {was.after} ({was.because})")
    return [
        *head,
        "",
        *columns([_TITLES, *(_row(at, each) for at, each in enumerate(decision.ranking, 1))]),
        "",
        *columns(_why_not(decision.rejected)),
    ]


def _expectation(expected: Expected) -> str:
    longest, attempts, calls = expected[2:]
    words = [f"{expected.completion_tokens} completion tokens"]
    if longest is not None:
        words[0] += f" (one in twenty above {longest})"
    if attempts is not None:
        words.append(f"{attempts:.2f} attempts")
    if calls is not None:
        words.append(f"tool calls {calls:.2f}")
    return ", ".join(words) + f"; {expected.samples} answers seen"


_TITLES: Final = (
    "#", "target", "score", "cost", "latency", "reliab.", "quality", "headroom", "affinity",
    "USD", "first ms", "total ms",
)  # fmt: skip


def _row(place: int, candidate: Candidate) -> tuple[str, ...]:
    cost = usd(candidate.cost_nanousd)
    return (
        str(place),
        candidate.target.id + (" (throttled)" if candidate.throttled else ""),
        f"{candidate.score:.3f}",
        *(f"{term:.3f}" for term in candidate.terms),
        "no price" if cost is None else f"{cost:.6f}",
        _shown_ms(candidate.first_token_ms),
        _shown_ms(candidate.total_ms),
    )


def _shown_ms(wait_ms: float | None) -> str:
    return "-" if wait_ms is None else f"{wait_ms:.0f}"


def _why_not(rejected: Iterable[Rejection]) -> list[tuple[str, ...]]:
    return [
        (
            "-",
            each.target_id,
            each.reason.value,
            each.detail + (f" [{each.rule}]" * bool(each.rule)),
        )
        for each in rejected
    ]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """*rows* as lines, cell below cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
