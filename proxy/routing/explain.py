"""A decision, told: the documented JSON of `POST /v1/route`, a table, what rules cost. Pure.

Nothing of the request's text is told, nor what a caller wrote freely: labels are closed words.
docs/routing.md describes the JSON; `SCHEMA_VERSION` grows where a reader would have to change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, Final, NamedTuple

from proxy.domain.catalog import Target
from proxy.domain.decision import Candidate, Decision, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Label, Labels
from proxy.domain.rules import LogLevel, Ruling
from proxy.domain.snapshot import Snapshot
from proxy.routing.decide import choose
from proxy.units import NANOUSD_PER_USD, NanoUsd

SCHEMA_VERSION: Final = 1

EVERY_RULE: Final = "*"
"""What stands for a rule where all of them are left out."""


def explained(decision: Decision) -> dict[str, Any]:
    """*decision* in the schema of `POST /v1/route`."""
    degradation = decision.degradation
    return {
        "schema_version": SCHEMA_VERSION,
        "config_version": decision.config_version,
        "route": decision.route.id,
        "strategy": decision.strategy.value,
        "selected": _named(decision.selected),
        "fallback": _named(decision.fallback),
        "reason": decision.reason,
        "estimated_cost_usd": _usd(decision.estimated_cost_nanousd),
        "max_output_tokens": decision.max_output_tokens,
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
        "score": round(candidate.score, 6),
        "terms": {name: round(term, 6) for name, term in candidate.terms._asdict().items()},
        "predicted": {
            "cost_usd": _usd(candidate.cost_nanousd),
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


def _usd(cost: int | None) -> float | None:
    return None if cost is None else cost / NANOUSD_PER_USD


def lines_of(decision: Decision) -> list[str]:
    """*decision* as a table for people."""
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
        *_columns([_TITLES, *(_row(at, each) for at, each in enumerate(decision.ranking, 1))]),
        "",
        *_columns(_why_not(decision.rejected)),
    ]


_TITLES: Final = (
    "#", "target", "score", "cost", "latency", "reliab.", "quality", "headroom", "affinity",
    "USD", "first ms", "total ms",
)  # fmt: skip


def _row(place: int, candidate: Candidate) -> tuple[str, ...]:
    cost = _usd(candidate.cost_nanousd)
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


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


class Counterfactual(NamedTuple):
    """What would have been chosen without one rule (EVERY_RULE: without any hard one).

    `saved_nanousd` is how much less that would have cost, negative where more; None where either
    has no candidate or no price. `opened` are the targets that then might have answered.
    """

    rule: str
    selected: str | None
    cost_nanousd: NanoUsd | None
    saved_nanousd: int | None
    opened: tuple[str, ...]


def compliance(found: Sequence[Counterfactual]) -> list[dict[str, Any]]:
    """*found* for machines."""
    return [
        {
            "rule": each.rule,
            "selected": each.selected,
            "cost_usd": _usd(each.cost_nanousd),
            "saved_usd": _usd(each.saved_nanousd),
            "opened": list(each.opened),
        }
        for each in found
    ]


def compliance_lines(found: Sequence[Counterfactual]) -> list[str]:
    """*found* as a table for people."""
    if not found:
        return ["No hard rule applied."]
    titles = ("without", "selected", "USD", "saves USD", "opens")
    return _columns([titles, *(_compliance_row(each) for each in found)])


def _compliance_row(found: Counterfactual) -> tuple[str, ...]:
    cost, saved = _usd(found.cost_nanousd), _usd(found.saved_nanousd)
    return (
        "every hard rule" if found.rule == EVERY_RULE else found.rule,
        found.selected or "nobody",
        "-" if cost is None else f"{cost:.6f}",
        "-" if saved is None else f"{saved:+.6f}",
        ", ".join(found.opened) or "-",
    )


def counterfactual(
    decision: Decision, facts: Facts, snapshot: Snapshot
) -> tuple[Counterfactual, ...]:
    """The cost of compliance to *decision*: one entry for each hard rule that applied, one for all
    of them.
    """
    hard = _hard_rules(decision.ruling)
    cases = [(rule, {rule}) for rule in hard]
    if hard:
        cases.append((EVERY_RULE, set(hard)))
    return tuple(
        _compared(
            name,
            decision,
            choose(decision.route, _without(decision.ruling, rules), facts, snapshot),
        )
        for name, rules in cases
    )


def _hard_rules(ruling: Ruling) -> list[str]:
    rules = [demand.rule_id for demand in ruling.demands]
    bounds = (ruling.max_cost_rule, ruling.max_latency_rule, ruling.min_quality_rule)
    rules += [rule for rule in bounds if rule is not None]
    if ruling.refusal is not None:
        rules.append(ruling.refusal.rule_id)
    return list(dict.fromkeys(rules))


def _without(ruling: Ruling, rules: set[str]) -> Ruling:
    # A bound that another rule sets less strictly is not known here and goes as well.
    gone: dict[str, Any] = {
        "applied": tuple(rule for rule in ruling.applied if rule not in rules),
        "demands": tuple(each for each in ruling.demands if each.rule_id not in rules),
    }
    if ruling.refusal is not None and ruling.refusal.rule_id in rules:
        gone["refusal"] = None
    if ruling.max_cost_rule in rules:
        gone |= {"max_cost_nanousd": None, "max_cost_rule": None}
    if ruling.max_latency_rule in rules:
        gone |= {"max_latency_ms": None, "max_latency_rule": None}
    if ruling.min_quality_rule in rules:
        gone |= {"min_quality": None, "min_quality_rule": None}
    # What takes no part in comparing was worked out from what does: it is worked out again.
    gone |= {each.name: {} for each in fields(ruling) if not each.compare}
    return replace(ruling, **gone)


def _compared(rule: str, decision: Decision, other: Decision) -> Counterfactual:
    cost, without = decision.estimated_cost_nanousd, other.estimated_cost_nanousd
    ranked = {candidate.target.id for candidate in decision.ranking}
    return Counterfactual(
        rule,
        None if other.selected is None else other.selected.id,
        without,
        None if cost is None or without is None else cost - without,
        tuple(sorted(each.target.id for each in other.ranking if each.target.id not in ranked)),
    )
