"""Step 6: what to do after the failures so far. Pure: time arrives as an argument."""

from collections.abc import Sequence
from enum import StrEnum

from proxy.domain.catalog import Target
from proxy.domain.decision import Decision
from proxy.domain.outcome import Failure, FailureKind
from proxy.units import LoopSeconds
from proxy.values import value


@value
class Try:
    """Call *target*; on a connection that no other call has used, if so said."""

    target: Target
    fresh_connection: bool = False


class GiveUp(StrEnum):
    """Why no further attempt is made."""

    CLIENT_MISTAKE = "client_mistake"
    ATTEMPTS_SPENT = "attempts_spent"
    TARGETS_SPENT = "targets_spent"
    DEADLINE = "deadline"


def next_step(
    decision: Decision, failures: Sequence[Failure], now: LoopSeconds, deadline: LoopSeconds
) -> Try | GiveUp:
    """The next attempt, or why there is none. Each target is tried once, in the decision's order.

    The one exception: a reused connection that died before a byte of the answer came says
    nothing about its target (some servers announce keep-alive and close right after a stream),
    so the same target gets one more try on a fresh connection, which does not count
    the first time.
    """
    if not failures:
        return Try(decision.ranking[0].target) if decision.ranking else GiveUp.TARGETS_SPENT
    last = failures[-1]
    if not last.may_try_another:
        return GiveUp.CLIENT_MISTAKE
    if now >= deadline:
        return GiveUp.DEADLINE
    if _spent(failures) >= decision.max_attempts:
        return GiveUp.ATTEMPTS_SPENT
    if last.kind is FailureKind.STALE_CONNECTION:
        return Try(_target(decision, last.target_id), fresh_connection=True)
    tried = {failure.target_id for failure in failures}
    for candidate in decision.ranking:
        if candidate.target.id not in tried:
            return Try(candidate.target)
    return GiveUp.TARGETS_SPENT


def _spent(failures: Sequence[Failure]) -> int:
    # One stale connection a request is forgiven: it was our pool's, and nothing was asked twice.
    stale = any(failure.kind is FailureKind.STALE_CONNECTION for failure in failures)
    return len(failures) - stale


def _target(decision: Decision, target_id: str) -> Target:
    return next(each.target for each in decision.ranking if each.target.id == target_id)
