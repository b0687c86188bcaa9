"""What each hard rule costs a decision: what would have been chosen without it. Pure."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final, NamedTuple

from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.rules import Ruling
from proxy.domain.snapshot import Snapshot
from proxy.routing.decide import choose
from proxy.routing.explain import columns, usd
from proxy.units import NanoUsd

EVERY_RULE: Final = "*"
"""What stands for a rule where all of them are left out."""


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
            "cost_usd": usd(each.cost_nanousd),
            "saved_usd": usd(each.saved_nanousd),
            "opened": list(each.opened),
        }
        for each in found
    ]


def compliance_lines(found: Sequence[Counterfactual]) -> list[str]:
    """*found* as a table for people."""
    if not found:
        return ["No hard rule applied."]
    titles = ("without", "selected", "USD", "saves USD", "opens")
    return columns([titles, *(_compliance_row(each) for each in found)])


def _compliance_row(found: Counterfactual) -> tuple[str, ...]:
    cost, saved = usd(found.cost_nanousd), usd(found.saved_nanousd)
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
