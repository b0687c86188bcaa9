"""What to do after the failures so far."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import Failure, FailureKind
from proxy.domain.rules import Ruling
from proxy.execution.next_step import GiveUp, Try, next_step
from proxy.units import LoopSeconds
from tests.builders import a_decision, a_target

NOW = LoopSeconds(100.0)
LATER = LoopSeconds(200.0)
ONE, TWO, THREE, FOUR = (a_target(f"{name}/m") for name in ("one", "two", "three", "four"))
ELSEWHERE = [
    kind
    for kind in FailureKind
    if kind not in (FailureKind.CLIENT_MISTAKE, FailureKind.STALE_CONNECTION)
]


def failed(target_id: str, kind: FailureKind = FailureKind.SERVER_ERROR) -> Failure:
    """A failure of that target."""
    return Failure(target_id, kind)


def test_first_step_is_the_first_target() -> None:
    """Nothing has failed: the best target, on any connection."""
    assert next_step(a_decision(ONE, TWO), [], NOW, LATER) == Try(ONE, fresh_connection=False)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_failure_of_a_target_leads_to_the_next(kind: FailureKind) -> None:
    """Whatever a target failed with, unless the client is to blame, the next one is tried."""
    assert next_step(a_decision(ONE, TWO), [failed("one/m", kind)], NOW, LATER) == Try(TWO)


def test_clients_mistake_ends_it() -> None:
    """What one provider finds wrong with a request is not asked of another."""
    mistake = failed("one/m", FailureKind.CLIENT_MISTAKE)
    assert next_step(a_decision(ONE, TWO), [mistake], NOW, LATER) is GiveUp.CLIENT_MISTAKE


def test_attempts_are_bounded_by_the_route() -> None:
    """The fourth target of four is not reached in three attempts."""
    failures = [failed("one/m"), failed("two/m"), failed("three/m")]
    decision = a_decision(ONE, TWO, THREE, FOUR)
    assert next_step(decision, failures, NOW, LATER) is GiveUp.ATTEMPTS_SPENT


def test_attempts_are_bounded_by_a_rule() -> None:
    """A rule may allow fewer attempts than the route, never more."""
    decision = a_decision(ONE, TWO, THREE, FOUR)
    fewer = decision._replace(ruling=Ruling(max_attempts=1))
    more = decision._replace(ruling=Ruling(max_attempts=9))
    assert next_step(fewer, [failed("one/m")], NOW, LATER) is GiveUp.ATTEMPTS_SPENT
    failures = [failed("one/m"), failed("two/m"), failed("three/m")]
    assert next_step(more, failures, NOW, LATER) is GiveUp.ATTEMPTS_SPENT


def test_targets_come_to_an_end() -> None:
    """With all targets tried there is nothing more to do, attempts left or not."""
    assert next_step(a_decision(ONE), [failed("one/m")], NOW, LATER) is GiveUp.TARGETS_SPENT


def test_deadline_ends_it() -> None:
    """At the request's deadline nothing more is begun; the first attempt always is."""
    decision = a_decision(ONE, TWO)
    assert next_step(decision, [failed("one/m")], LATER, LATER) is GiveUp.DEADLINE
    assert next_step(decision, [], LATER, LATER) == Try(ONE)


def test_stale_connection_gets_one_more_try() -> None:
    """The same target, on a connection that no other call has used."""
    stale = failed("one/m", FailureKind.STALE_CONNECTION)
    again = next_step(a_decision(ONE, TWO), [stale], NOW, LATER)
    assert again == Try(ONE, fresh_connection=True)
    fresh = failed("one/m", FailureKind.DISCONNECTED)
    assert next_step(a_decision(ONE, TWO), [stale, fresh], NOW, LATER) == Try(TWO)


def test_one_stale_connection_is_forgiven() -> None:
    """It takes no attempt from a route that has but one; a second one counts."""
    stale = failed("one/m", FailureKind.STALE_CONNECTION)
    single = a_decision(ONE, TWO, max_attempts=1)
    assert next_step(single, [stale], NOW, LATER) == Try(ONE, fresh_connection=True)
    assert next_step(single, [stale, failed("one/m")], NOW, LATER) is GiveUp.ATTEMPTS_SPENT
    twice = [stale, failed("one/m"), failed("two/m", FailureKind.STALE_CONNECTION)]
    assert next_step(a_decision(ONE, TWO, max_attempts=2), twice, NOW, LATER) is (
        GiveUp.ATTEMPTS_SPENT
    )


@given(
    targets=st.integers(1, 6),
    max_attempts=st.integers(1, 5),
    kinds=st.lists(st.sampled_from(FailureKind), min_size=12, max_size=12),
    clock=st.lists(st.floats(0, 60), min_size=12, max_size=12),
)
def test_any_course_of_failures_comes_to_an_end(
    targets: int, max_attempts: int, kinds: list[FailureKind], clock: list[float]
) -> None:
    """Never more attempts than allowed, no target twice but after a stale connection, nothing
    after a client's mistake or the deadline, and always in the decision's order.
    """
    decision = a_decision(
        *(a_target(f"t{at}/m") for at in range(targets)), max_attempts=max_attempts
    )
    failures: list[Failure] = []
    steps: list[Try] = []
    now, deadline = NOW, LATER
    while isinstance(step := next_step(decision, failures, now, deadline), Try):
        # A connection that no other call has used cannot be stale.
        kind = kinds[len(steps)]
        if step.fresh_connection and kind is FailureKind.STALE_CONNECTION:
            kind = FailureKind.DISCONNECTED
        assert now < deadline or not failures
        failures.append(Failure(step.target.id, kind))
        steps.append(step)
        now = LoopSeconds(now + clock[len(steps) - 1])

    stale = FailureKind.STALE_CONNECTION in [failure.kind for failure in failures]
    assert 1 <= len(steps) <= max_attempts + stale
    assert FailureKind.CLIENT_MISTAKE not in [failure.kind for failure in failures[:-1]]
    firsts = [each.target.id for each in steps if not each.fresh_connection]
    assert firsts == [each.target.id for each in decision.ranking[: len(firsts)]]
    for at, each in enumerate(steps):
        if each.fresh_connection:
            assert failures[at - 1] == Failure(each.target.id, FailureKind.STALE_CONNECTION)
    assert (step is GiveUp.CLIENT_MISTAKE) == (failures[-1].kind is FailureKind.CLIENT_MISTAKE)
