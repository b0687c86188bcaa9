"""What a decision says of itself."""

from proxy.domain.decision import Degradation, Reason, Rejection
from proxy.domain.rules import Attribute, DegradeStep, Match, Ruling, Strategy
from tests.builders import a_candidate, a_decision, a_target

ONE, TWO = a_target("one/m"), a_target("two/m")
OUT = Rejection("three/m", Reason.MISSING_CAPABILITY, "tools")


def test_first_two_are_selected_and_fallback() -> None:
    """With fewer candidates there is none."""
    both, one = a_decision(ONE, TWO), a_decision(ONE)
    none = one._replace(ranking=())

    assert (both.selected, both.fallback) == (ONE, TWO)
    assert (one.selected, one.fallback) == (ONE, None)
    assert (none.selected, none.fallback) == (None, None)


def test_estimate_is_the_first_candidates() -> None:
    """None without one, or without its price."""
    decision = a_decision(ONE, TWO)

    assert decision.estimated_cost_nanousd == 1000
    assert decision._replace(ranking=()).estimated_cost_nanousd is None
    unpriced = decision._replace(ranking=(a_candidate(cost_nanousd=None),))
    assert unpriced.estimated_cost_nanousd is None


def test_rules_are_those_that_matched() -> None:
    """In the config's order."""
    assert a_decision()._replace(ruling=Ruling(applied=("b", "a"))).rules == ("b", "a")


def test_rule_can_lower_the_attempts_only() -> None:
    """The route's bound holds beside it."""
    decision = a_decision(ONE, max_attempts=2)

    assert decision.max_attempts == 2
    assert decision._replace(ruling=Ruling(max_attempts=1)).max_attempts == 1
    assert decision._replace(ruling=Ruling(max_attempts=3)).max_attempts == 2


def test_reason_is_one_sentence() -> None:
    """Who, why, and how many were left out."""
    decision = a_decision(ONE, TWO)._replace(rejected=(OUT,))

    assert decision.reason == "one/m is first in the route's order, 1 of 3 left out."
    scored = decision._replace(strategy=Strategy.SCORE)
    assert scored.reason == "one/m is among the best by score, 1 of 3 left out."
    alone = decision._replace(ranking=decision.ranking[:1])
    assert alone.reason == "one/m is the only candidate, 1 of 2 left out."


def test_reason_tells_of_preferences() -> None:
    """A rule that prefers some moves the order."""
    tier = Match(Attribute.TIER, frozenset({"economy"}))
    decision = a_decision(ONE, TWO)._replace(ruling=Ruling(prefer=(tier,)))

    assert decision.reason == (
        "one/m is first in the route's order after what the rules prefer, 0 of 2 left out."
    )


def test_reason_tells_what_is_unusual() -> None:
    """A broken target that is called all the same, and what was stepped down."""
    throttled = a_decision(ONE)._replace(ranking=(a_candidate(ONE, throttled=True),))
    stepped = Degradation(DegradeStep.FEWER_TOKENS, "100", "50", "cost_above_bound")

    assert "its breaker is open" in throttled.reason
    assert "after fewer_tokens for cost_above_bound" in (
        throttled._replace(degradation=stepped).reason
    )


def test_reason_for_nobody_names_the_reasons() -> None:
    """Each once."""
    rejected = (OUT, Rejection("four/m", Reason.TOO_SLOW, "9 ms"), OUT)
    decision = a_decision(ONE)._replace(ranking=(), rejected=rejected)

    assert decision.reason == ("No target of 'auto' may answer (missing_capability, too_slow).")
