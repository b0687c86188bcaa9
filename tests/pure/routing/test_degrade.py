"""The ladder for when nothing fits."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Endpoint, Route, Target, Tier
from proxy.domain.decision import Degradation, Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Risk
from proxy.domain.price import Price
from proxy.domain.rules import (
    Attribute,
    Degrade,
    DegradeStep,
    Demand,
    Match,
    Refusal,
    Ruling,
)
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Standing
from proxy.domain.tenant import Tenant
from proxy.routing.decide import choose
from proxy.routing.degrade import (
    RETRY_AFTER_S,
    FromCache,
    Proceed,
    Refuse,
    Say,
    Shorten,
    Step,
    header_of,
    ladder_of,
    refusal_of,
    step_down,
)
from tests.builders import (
    a_decision,
    a_provider,
    a_route,
    a_snapshot,
    a_standing,
    a_target,
    some_facts,
    some_labels,
)
from tests.routing import any_facts, rulings, worlds

LADDER = Degrade(tuple(DegradeStep), max_tokens=50, message="Come back later.")
DEAR = a_target("dear/m", tier=Tier.PREMIUM, price=Price(10**10, 10**10))


def only(*steps: DegradeStep, **fields: Any) -> Degrade:
    """A ladder of *steps*."""
    return Degrade(steps, **fields)


def stepped(
    route: Route,
    ruling: Ruling | None = None,
    *,
    rung: int = 0,
    because: str | None = None,
    others: tuple[Route, ...] = (),
    **fields: Any,
) -> Step:
    """What comes of a request for *route* that nobody may answer."""
    known = {name: fields.pop(name) for name in ("standings", "tenants") if name in fields}
    snapshot = a_snapshot(route, *others, **known)
    facts = some_facts(**fields)
    decision = choose(route, ruling or Ruling(), facts, snapshot)
    assert because or decision.ranking == ()
    return step_down(decision, facts, snapshot, rung, because)


def code_of(step: Step) -> str:
    """The code that *step* refuses with."""
    assert isinstance(step, Refuse)
    return step.error.code


def bounded(most: int) -> Ruling:
    """A rule that bounds what a request may cost."""
    return Ruling(applied=("cap",), max_cost_nanousd=most, max_cost_rule="cap")  # type: ignore[arg-type]  # NewType


def test_without_a_ladder_it_is_refused() -> None:
    """Nothing is stepped down that nobody said."""
    step = stepped(a_route(a_target(embedding_space="s")))

    assert code_of(step) == "no_target"


def test_rules_ladder_comes_before_the_routes() -> None:
    """The first that says one."""
    route = a_route(a_target(embedding_space="s"), degrade=only(DegradeStep.REFUSE))
    ruling = Ruling(degrade=only(DegradeStep.MESSAGE, message="Later."))

    assert isinstance(stepped(route, ruling), Say)
    assert isinstance(stepped(route), Refuse)


SMALL = a_target("small/m", context_window_tokens=1000)
HELPED: dict[DegradeStep, tuple[Target, int, dict[str, Any]]] = {
    DegradeStep.CHEAPER_TIER: (DEAR, 10**6, {"max_output_tokens": 100}),
    DegradeStep.FEWER_TOKENS: (DEAR, 2 * 10**6, {}),
    DegradeStep.SHORTER_CONTEXT: (SMALL, 10**12, {"prompt_bytes": 10**6}),
    DegradeStep.CACHED_ANSWER: (DEAR, 1, {}),
    DegradeStep.MESSAGE: (DEAR, 1, {}),
}
"""By step, a target, a bound and facts with which it alone helps."""


@pytest.mark.parametrize("step", HELPED)
def test_high_risk_is_refused_what_only_the_route_steps_down(step: DegradeStep) -> None:
    """Each step makes a lesser answer, so none is taken that no rule names."""
    target, bound, fields = HELPED[step]
    route = a_route(target, degrade=replace(LADDER, steps=(step,)))
    other = Route("other", (a_target("mid/m", price=Price(1, 1)),))
    ruling = replace(bounded(bound), caching_allowed=True)

    def came(risk: Risk, ruling: Ruling) -> Step:
        return stepped(route, ruling, others=(other,), risk=risk, **fields)

    assert isinstance(came(Risk.HIGH, ruling), Refuse)
    assert not isinstance(came(Risk.NORMAL, ruling), Refuse)
    assert not isinstance(came(Risk.HIGH, replace(ruling, degrade=route.degrade)), Refuse)


RULES = only(DegradeStep.CHEAPER_TIER)
ROUTES = only(
    DegradeStep.CHEAPER_TIER, DegradeStep.FEWER_TOKENS, DegradeStep.MESSAGE,
    max_tokens=50, message="Later.",
)  # fmt: skip
BOTH = replace(ROUTES, max_tokens=9, message="Soon.")
SOON = only(DegradeStep.FEWER_TOKENS, DegradeStep.MESSAGE, max_tokens=9, message="Soon.")
LADDERS = {
    "low, both": (Risk.LOW, RULES, ROUTES, ROUTES),
    "low, the rule's comes first": (
        Risk.LOW, SOON, ROUTES, replace(BOTH, steps=(*SOON.steps, DegradeStep.CHEAPER_TIER))
    ),
    "low, the rule's": (Risk.LOW, RULES, None, RULES),
    "low, the route's": (Risk.LOW, None, ROUTES, ROUTES),
    "normal, both": (Risk.NORMAL, RULES, ROUTES, RULES),
    "normal, the route's": (Risk.NORMAL, None, ROUTES, ROUTES),
    "high, both": (Risk.HIGH, RULES, ROUTES, RULES),
    "high, the route's": (Risk.HIGH, None, ROUTES, None),
}  # fmt: skip


@pytest.mark.parametrize("case", LADDERS)
def test_risk_says_whose_ladder_counts(case: str) -> None:
    """Low: the rule's and then the route's; normal: the first of them; high: the rule's alone."""
    risk, ruled, own, expected = LADDERS[case]
    decision = a_decision(degrade=own)._replace(
        ruling=Ruling(degrade=ruled), labels=some_labels(risk=risk)
    )

    assert ladder_of(decision) == expected


@pytest.mark.parametrize("message", ["Not here", "Not here.", "Not here. "])
def test_refusal_of_a_rule_ends_the_matter(message: str) -> None:
    """No rung helps; the operators' message is told, as a sentence with one full stop."""
    ruling = Ruling(applied=("no",), refusal=Refusal("no", message), degrade=LADDER)

    step = stepped(a_route(DEAR), ruling)

    assert code_of(step) == "policy_refused"
    assert isinstance(step, Refuse)
    assert step.error.status == 403
    assert step.error.message.endswith("(no): Not here.")


def test_cheaper_tier_is_one_of_the_tenants_own() -> None:
    """The dearest of those below, from a route that the tenant may ask for; told as it is."""
    route = a_route(DEAR, degrade=only(DegradeStep.CHEAPER_TIER))
    other = Route(
        "other",
        (
            a_target("low/m", tier=Tier.ECONOMY, price=Price(1, 1)),
            a_target("mid/m", tier=Tier.STANDARD, price=Price(1, 1)),
            a_target("top/m", tier=Tier.PREMIUM, price=Price(1, 1)),
        ),
    )

    step = stepped(route, bounded(10**6), others=(other,), max_output_tokens=100)

    assert isinstance(step, Proceed)
    decision = step.decision
    assert [each.target.id for each in decision.ranking] == ["mid/m", "low/m"]
    assert decision.route is route
    assert [each.target_id for each in decision.rejected] == ["dear/m"]
    assert decision.degradation == Degradation(
        DegradeStep.CHEAPER_TIER, "premium", "standard", "cost_above_bound"
    )
    stranger = {"acme": Tenant("acme", "pro", frozenset({"auto"}))}
    for tenants in (stranger, {}):
        refused = stepped(
            route, bounded(10**6), others=(other,), max_output_tokens=100, tenants=tenants
        )
        assert code_of(refused) == "policy_refused"


def test_cheaper_tier_is_bound_by_the_rules() -> None:
    """What a rule keeps out is no way down."""
    route = a_route(DEAR, degrade=only(DegradeStep.CHEAPER_TIER))
    other = Route("other", (a_target("low/m", tier=Tier.ECONOMY),))
    demand = Demand("top", Match(Attribute.TARGET, frozenset({"none/m"})), forbidden=False)

    step = stepped(route, Ruling(applied=("top",), demands=(demand,)), others=(other,))

    assert code_of(step) == "policy_refused"


def test_fewer_tokens_keep_a_bound() -> None:
    """The answer is clamped, and the decision says to what."""
    route = a_route(DEAR, degrade=only(DegradeStep.FEWER_TOKENS, max_tokens=50))

    free = stepped(route, bounded(2 * 10**6))
    limited = stepped(route, bounded(2 * 10**6), max_output_tokens=1000)

    assert isinstance(free, Proceed)
    assert free.decision.max_output_tokens == 50
    assert free.decision.ranking[0].completion_tokens == 50
    assert free.decision.degradation == Degradation(
        DegradeStep.FEWER_TOKENS, "no limit", "50 tokens", "cost_above_bound"
    )
    assert isinstance(limited, Proceed)
    assert limited.decision.degradation is not None
    assert limited.decision.degradation.before == "1000 tokens"


def test_rungs_add_up() -> None:
    """A cheaper target with fewer tokens, where neither would do; both are told."""
    ladder = only(DegradeStep.CHEAPER_TIER, DegradeStep.FEWER_TOKENS, max_tokens=50)
    other = Route("other", (a_target("mid/m", price=Price(10**9, 10**9)),))

    step = stepped(a_route(DEAR, degrade=ladder), bounded(200_000), others=(other,))

    assert isinstance(step, Proceed)
    decision = step.decision
    assert [each.target.id for each in decision.ranking] == ["mid/m"]
    assert decision.max_output_tokens == 50
    assert decision.degradation == Degradation(
        DegradeStep.FEWER_TOKENS, "premium, no limit", "standard, 50 tokens", "cost_above_bound"
    )


def test_own_targets_come_before_cheaper_ones() -> None:
    """Where fewer tokens let the route's own in again, no tier was stepped down."""
    ladder = only(DegradeStep.CHEAPER_TIER, DegradeStep.FEWER_TOKENS, max_tokens=50)
    other = Route("other", (a_target("mid/m", price=Price(10**9, 10**9)),))

    step = stepped(a_route(DEAR, degrade=ladder), bounded(2 * 10**6), others=(other,))

    assert isinstance(step, Proceed)
    assert [each.target.id for each in step.decision.ranking] == ["dear/m", "mid/m"]
    assert step.decision.degradation is not None
    assert step.decision.degradation.before == "no limit"


def test_rung_that_was_tried_still_counts() -> None:
    """Going on from a later rung keeps what the earlier ones lowered."""
    route = a_route(
        a_target("small/m", context_window_tokens=1000),
        degrade=only(DegradeStep.FEWER_TOKENS, DegradeStep.SHORTER_CONTEXT, max_tokens=50),
    )

    step = stepped(route, rung=1, prompt_bytes=10**6)

    assert isinstance(step, Shorten)
    assert step.decision.max_output_tokens == 50
    assert step.decision.degradation is not None
    assert step.decision.degradation.after == "50 tokens, 3333 bytes"
    assert step.rung == 2


@pytest.mark.parametrize(
    ("steps", "asked", "bound"), [(None, None, 10**6), (50, 50, 10**6), (50, None, 10)]
)
def test_fewer_tokens_that_do_not_help_are_passed_over(
    steps: int | None, asked: int | None, bound: int
) -> None:
    """No figure, no fewer than were asked for, or still too dear."""
    route = a_route(DEAR, degrade=only(DegradeStep.FEWER_TOKENS, max_tokens=steps))

    assert code_of(stepped(route, bounded(bound), max_output_tokens=asked)) == "policy_refused"


def test_shorter_context_fits_the_largest_window() -> None:
    """By the target's own ratio, with room for the answer; another rung waits if it cannot be."""
    route = a_route(
        a_target("small/m", context_window_tokens=500),
        a_target("large/m", context_window_tokens=1000),
        degrade=only(DegradeStep.SHORTER_CONTEXT),
    )
    standings = {"large/m": Standing(bytes_per_token=2.0)}

    step = stepped(route, standings=standings, prompt_bytes=10**6, max_output_tokens=100)

    assert isinstance(step, Shorten)
    assert step.max_prompt_bytes == int((1000 - 100 - 24) * 2.0 * 0.9)
    assert step.rung == 1
    assert step.decision.ranking[0].prompt_tokens <= 1000
    assert step.decision.degradation == Degradation(
        DegradeStep.SHORTER_CONTEXT, "1000000 bytes", "1576 bytes", "context_too_long"
    )


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        (a_target(context_window_tokens=300), {"prompt_bytes": 10**6}),
        (a_target(embedding_space="s"), {"prompt_bytes": 10**6}),
        (a_target(context_window_tokens=9), {"endpoint": Endpoint.COMPLETIONS}),
    ],
)
def test_context_that_cannot_be_shortened_is_passed_over(
    target: Target, fields: dict[str, Any]
) -> None:
    """No room beside the answer, another reason, or no chat."""
    route = a_route(target, degrade=only(DegradeStep.SHORTER_CONTEXT))

    assert code_of(stepped(route, **{"prompt_bytes": 10**6} | fields)) == "no_target"


def test_shortened_prompt_must_pass_the_rest_too() -> None:
    """A window that would do does not help a target that would be late."""
    target = a_target(context_window_tokens=1000)
    route = a_route(target, degrade=only(DegradeStep.SHORTER_CONTEXT))
    late = {"first/m": a_standing(first_token_p95_ms=9000.0)}

    step = stepped(route, standings=late, prompt_bytes=10**6, max_latency_ms=5)

    assert code_of(step) == "no_target"


def test_cached_answer_is_of_a_target_that_rules_allow() -> None:
    """Only where policy lets answers be kept at all."""
    route = a_route(
        a_target("late/m"),
        a_target("us/m", provider=a_provider("us", region="us")),
        degrade=only(DegradeStep.CACHED_ANSWER),
    )
    demand = Demand("eu", Match(Attribute.REGION, frozenset({"us"})), forbidden=True)
    late = a_provider("late", region="eu")
    route = replace(route, targets=(replace(route.targets[0], provider=late), route.targets[1]))
    ruling = Ruling(applied=("eu",), demands=(demand,), caching_allowed=True)
    asked: dict[str, Any] = {
        "standings": {"late/m": a_standing()},
        "stream": True,
        "max_latency_ms": 5,
    }

    step = stepped(route, ruling, **asked)

    assert isinstance(step, FromCache)
    assert (step.targets, step.rung) == (frozenset({"late/m"}), 1)
    assert step.degradation.after == "cached"
    assert code_of(stepped(route, ruling, rung=1, **asked)) == "no_target_now"
    assert code_of(stepped(route, replace(ruling, caching_allowed=False), **asked)) == (
        "no_target_now"
    )
    closed = a_route(route.targets[1], degrade=route.degrade)
    assert code_of(stepped(closed, ruling)) == "policy_refused"


def test_message_is_said_where_there_is_one() -> None:
    """Else the ladder goes on."""
    silent = a_route(a_target(embedding_space="s"), degrade=only(DegradeStep.MESSAGE))
    speaking = replace(silent, degrade=only(DegradeStep.MESSAGE, message="Later."))

    step = stepped(speaking)

    assert isinstance(step, Say)
    assert (step.message, step.degradation.because) == ("Later.", "wrong_endpoint")
    assert code_of(stepped(silent)) == "no_target"


def test_embeddings_get_no_message() -> None:
    """A text in a place where vectors are read would be taken for an answer."""
    route = a_route(a_target(), degrade=only(DegradeStep.MESSAGE, message="Later."))

    assert code_of(stepped(route, endpoint=Endpoint.EMBEDDINGS)) == "no_target"


def test_rung_that_refuses_ends_the_ladder() -> None:
    """What stands behind it is not reached."""
    route = a_route(
        a_target(embedding_space="s"),
        degrade=only(DegradeStep.REFUSE, DegradeStep.MESSAGE, message="Later."),
    )

    assert isinstance(stepped(route), Refuse)


def test_limit_that_admission_found_is_named() -> None:
    """Candidates were there, but something else stands in the way."""
    route = a_route(a_target(), degrade=only(DegradeStep.MESSAGE, message="Later."))

    step = stepped(route, because="budget")

    assert isinstance(step, Say)
    assert step.degradation.because == "budget"


def test_header_tells_from_to_and_why() -> None:
    """In the documented form."""
    degradation = Degradation(DegradeStep.CHEAPER_TIER, "premium", "economy", "too_slow")

    assert header_of(degradation) == "from=premium; to=economy; reason=too_slow"


ERRORS = {
    "capability": (Reason.MISSING_CAPABILITY, None, "no_target", 422),
    "rule": (Reason.POLICY, "eu", "policy_refused", 403),
    "cost": (Reason.COST_ABOVE_BOUND, None, "policy_refused", 403),
    "late": (Reason.TOO_SLOW, None, "no_target_now", 503),
}


@pytest.mark.parametrize("case", ERRORS)
def test_error_says_what_stood_in_the_way(case: str) -> None:
    """A rule is named, what may pass has a time to come back, the rest says what is missing."""
    reason, rule, code, status = ERRORS[case]
    rejected = (Rejection("one/m", reason, "the detail", rule),)
    error = refusal_of(a_decision()._replace(ranking=(), rejected=rejected))

    assert (error.code, error.status) == (code, status)
    assert "one/m: " in error.message
    assert error.retry_after_s == (RETRY_AFTER_S if status == 503 else None)
    if rule is not None:
        assert f"({rule})" in error.message


def test_nothing_said_may_pass() -> None:
    """Without a single reason there is nothing to mend but time."""
    assert refusal_of(a_decision()).code == "no_target_now"


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(worlds(), any_facts(), rulings(), st.integers(0, 6))
def test_no_rung_passes_a_hard_rule(
    world: Snapshot, facts: Facts, ruling: Ruling, rung: int
) -> None:
    """What is stepped down to is allowed, told, and comes from the ladder; a refusal stands."""
    decision = choose(world.routes["auto"], ruling, facts, world)

    step = step_down(decision, facts, world, rung)

    steps = ladder.steps if (ladder := ladder_of(decision)) else ()
    if isinstance(step, Refuse):
        assert step.error.code in {"policy_refused", "no_target", "no_target_now"}
        return
    assert ruling.refusal is None
    told = step.decision.degradation if isinstance(step, Proceed | Shorten) else step.degradation
    assert told is not None
    assert told.step in steps[rung:]
    if isinstance(step, Proceed | Shorten):
        assert step.decision.ranking
        for candidate in step.decision.ranking:
            for demand in ruling.demands:
                held = candidate.target.tier in demand.match.values
                assert held is not demand.forbidden
            able = candidate.target.capabilities
            assert able is None or facts.needs <= able
