"""Whether what came out is what a policy test expects, and how it differs. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from proxy.config.catalogue import usd
from proxy.domain.catalog import Target
from proxy.domain.decision import Decision
from proxy.domain.labels import Label
from proxy.errors import GatewayError
from proxy.execution.dry_run import DryRun
from proxy.policytests.spec import DegradedSpec, ExpectSpec, RejectedSpec
from proxy.policytests.world import NOBODY, Allowed

NONE: Final = "none"


class Difference(NamedTuple):
    """One expectation that does not hold, in words for people; `key` is as the file has it."""

    key: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out: a run and what budgets allow of it, or why there was none."""

    run: DryRun | None = None
    allowed: Allowed = NOBODY
    unread: GatewayError | None = None

    @property
    def refusal(self) -> GatewayError | None:
        """What the client would be told instead of an answer."""
        return self.unread if self.run is None else self.run.refusal


Found = Iterator[Difference]


def differences(expect: ExpectSpec, outcome: Outcome) -> list[Difference]:
    """Everything in which *outcome* is not as *expect* has it."""
    found = list(_refused(expect, outcome))
    for key in expect.model_fields_set - {"refused"}:
        if outcome.run is None:
            found.append(Difference(key, _said(getattr(expect, key)), _told(outcome.unread)))
        elif key in _VALUES:
            found += _value(key, getattr(expect, key), _VALUES[key](outcome.run))
        else:
            found += _CHECKS[key](getattr(expect, key), outcome.run, outcome)
    order = list(type(expect).model_fields)
    return sorted(found, key=lambda each: order.index(each.key.partition(".")[0]))


def _value(key: str, expected: object, got: object) -> Found:
    if expected != got:
        yield Difference(key, _said(expected), _said(got))


def _refused(expect: ExpectSpec, outcome: Outcome) -> Found:
    """Whether it is refused; a refusal that is not expected is always worth telling."""
    wanted, error = expect.refused, outcome.refusal
    if wanted is None:
        return
    if wanted.code != (error.code if error else None):
        yield Difference("refused", wanted.code or "no refusal", _told(error))
    rules = _refusing_rules(outcome)
    if wanted.rule is not None and wanted.rule not in rules:
        yield Difference("refused.rule", wanted.rule, _listed(rules))


def _refusing_rules(outcome: Outcome) -> list[str]:
    if outcome.run is None or outcome.run.refusal is None:
        return []
    decided = outcome.run.decided
    if decided.ruling.refusal is not None:
        return [decided.ruling.refusal.rule_id]
    return list(dict.fromkeys(each.rule for each in decided.rejected if each.rule is not None))


def _never(patterns: Iterable[str], run: DryRun, _: Outcome) -> Found:
    places = {each.target.id: at for at, each in enumerate(run.decision.ranking, 1)}
    for pattern in patterns:
        ranked = [f"{id_} (place {at})" for id_, at in places.items() if fnmatchcase(id_, pattern)]
        if ranked:
            yield Difference("never", f"{pattern} is never ranked", _listed(ranked))


def _rejected(wanted: dict[str, RejectedSpec], run: DryRun, _: Outcome) -> Found:
    for pattern, why in wanted.items():
        found = {
            each.target_id: each
            for each in run.decision.rejected
            if fnmatchcase(each.target_id, pattern)
        }
        ranked = [
            each.target.id
            for each in run.decision.ranking
            if fnmatchcase(each.target.id, pattern) and each.target.id not in found
        ]
        expected = _why(why.reason, why.rule)
        for id_ in ranked:
            yield Difference("rejected", f"{id_}: {expected}", f"{id_}: ranked")
        if not found and not ranked:
            yield Difference("rejected", f"{pattern}: {expected}", "no such target on the route")
        for id_, each in found.items():
            if why.reason not in {None, each.reason} or why.rule not in {None, each.rule}:
                got = f"{id_}: {_why(each.reason, each.rule)} ({each.detail})"
                yield Difference("rejected", f"{id_}: {expected}", got)


def _why(reason: str | None, rule: str | None) -> str:
    words = ([str(reason)] if reason else []) + ([f"by {rule}"] if rule else [])
    return " ".join(words) or "rejected"


def _labels(wanted: Any, run: DryRun, _: Outcome) -> Found:
    labels = run.decision.labels
    for name in sorted(wanted.model_fields_set):
        label = getattr(labels, name)
        expected = getattr(wanted, name)
        got = label.value if isinstance(label, Label) else label
        if isinstance(expected, tuple):
            expected, got = tuple(sorted(expected)), tuple(sorted(got))
        if expected != got:
            by = f" (by {label.origin}, {label.confidence:.2f})" if isinstance(label, Label) else ""
            yield Difference(f"labels.{name}", _said(expected), _said(got) + by)


def _rules(wanted: Iterable[str], run: DryRun, _: Outcome) -> Found:
    missing = [rule for rule in wanted if rule not in run.decision.rules]
    if missing:
        yield Difference("rules", f"{_listed(missing)} to apply", _listed(run.decision.rules))


def _not_rules(barred: Iterable[str], run: DryRun, _: Outcome) -> Found:
    applied = [rule for rule in barred if rule in run.decision.rules]
    if applied:
        yield Difference("not_rules", f"{_listed(barred)} not to apply", _listed(applied))


def _degraded(wanted: DegradedSpec, run: DryRun, _: Outcome) -> Found:
    was = run.decision.degradation
    if not wanted.model_fields_set:
        if was is not None:
            yield Difference("degraded", "nothing is stepped down", _degradation(run.decision))
        return
    if was is None:
        yield Difference("degraded", _said(wanted.step or "a step down"), NONE)
        return
    pairs = (
        ("step", wanted.step, was.step),
        ("from", wanted.from_, was.before),
        ("to", wanted.to, was.after),
        ("reason", wanted.reason, was.because),
    )
    for name, expected, got in pairs:
        if expected is not None and expected != got:
            whole = f"{got} ({_degradation(run.decision)})"
            yield Difference(f"degraded.{name}", str(expected), whole)


def _degradation(decision: Decision) -> str:
    was = decision.degradation
    assert was is not None
    return f"{was.step}: {was.before} -> {was.after}, because {was.because}"


def _cost(wanted: Any, run: DryRun, _: Outcome) -> Found:
    cost = run.decision.estimated_cost_nanousd
    got = "not known" if cost is None else usd(cost)
    if wanted.at_most is not None and (cost is None or cost > wanted.at_most):
        yield Difference("cost_usd", f"at most {usd(wanted.at_most)}", got)
    if wanted.at_least is not None and (cost is None or cost < wanted.at_least):
        yield Difference("cost_usd", f"at least {usd(wanted.at_least)}", got)


def _redacted(wanted: tuple[str, ...], run: DryRun, _: Outcome) -> Found:
    yield from _value("redacted", tuple(sorted(wanted)), tuple(sorted(run.redacted)))


def _selected(wanted: str, run: DryRun, _: Outcome) -> Found:
    yield from _target("selected", wanted, run.decision.selected)


def _fallback(wanted: str, run: DryRun, _: Outcome) -> Found:
    yield from _target("fallback", wanted, run.decision.fallback)


def _target(key: str, wanted: str, got: Target | None) -> Found:
    if got is None or not fnmatchcase(got.id, wanted):
        yield Difference(key, wanted, NONE if got is None else got.id)


def _admitted(wanted: str, _: DryRun, outcome: Outcome) -> Found:
    by = outcome.allowed
    if by.target_id is None:
        yield Difference("admitted", wanted, f"nobody ({by.limit_met or 'no candidate'})")
    elif not fnmatchcase(by.target_id, wanted):
        yield Difference("admitted", wanted, by.target_id)


def _limit_met(wanted: str, _: DryRun, outcome: Outcome) -> Found:
    by = outcome.allowed
    if wanted != by.limit_met:
        let_through = f"{by.target_id} is let through" if by.target_id else NONE
        yield Difference("limit_met", wanted, by.limit_met or let_through)


_VALUES: Final[dict[str, Callable[[DryRun], object]]] = {
    "route": lambda run: run.decision.route.id,
    "strategy": lambda run: run.decision.strategy,
    "ranked": lambda run: tuple(each.target.id for each in run.decision.ranking),
    "message": lambda run: run.message,
    "from_cache": lambda run: run.from_cache,
    "log": lambda run: run.decision.ruling.log,
    "max_output_tokens": lambda run: run.decision.max_output_tokens,
    "max_attempts": lambda run: run.decision.max_attempts,
    "throttled": lambda run: any(each.throttled for each in run.decision.ranking),
}
"""What is compared as it is."""

_CHECKS: Final[dict[str, Callable[[Any, DryRun, Outcome], Found]]] = {
    "selected": _selected,
    "fallback": _fallback,
    "never": _never,
    "rejected": _rejected,
    "labels": _labels,
    "rules": _rules,
    "not_rules": _not_rules,
    "degraded": _degraded,
    "cost_usd": _cost,
    "redacted": _redacted,
    "admitted": _admitted,
    "limit_met": _limit_met,
}


def _told(error: GatewayError | None) -> str:
    return "no refusal" if error is None else f"refused: {error.code}: {error.message}"


def _said(value: object) -> str:
    match value:
        case None:
            return NONE
        case bool():
            return str(value).lower()
        case tuple() | list():
            return _listed(str(each) for each in value)
        case str() | int():
            return str(value)
        case _:
            return "what is said"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or NONE
