"""What rules come to together, and whom they bar."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Target
from proxy.domain.conditions import ALWAYS, Condition, Is, Word
from proxy.domain.decision import Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind, Workload
from proxy.domain.policies import TOOL_LOOP, Rule, bars, policies_of
from proxy.domain.rules import (
    Attribute,
    Degrade,
    DegradeStep,
    Demand,
    LogLevel,
    PremiumCap,
    Refusal,
    Ruling,
    Strategy,
    Term,
    Weights,
)
from proxy.routing.policy import MAX_RULINGS, combined, matches, rule_on, why_not
from proxy.units import NanoUsd
from tests.builders import a_provider, a_route, a_target, some_facts
from tests.policies import (
    SCOPE_KEY,
    a_demand,
    a_match,
    a_rule,
    demands,
    facts,
    rules,
    rulings,
    some_conditions,
    targets,
)

CODE = Is(Word.WORKLOAD, frozenset({"code"}))
EU = a_target("azure/m", provider=a_provider("azure", region="eu"))
US = a_target("openai/m", provider=a_provider("openai", region="us"))
TO_EU = (a_demand(Attribute.REGION, "eu", by="eu"),)


def allowed(asked: Facts, all_: list[Rule], among: list[Target]) -> set[str]:
    """The ids of those of *among* that may answer."""
    policies = policies_of(all_, [a_route(*among)], scope_key=SCOPE_KEY)
    ruling = rule_on(asked, policies)
    return {target.id for target in among if why_not(target, ruling) is None}


def test_only_rules_that_apply_count() -> None:
    """They are named in the config's order; without any, nothing is said."""
    policies = policies_of([
        a_rule("always", log=LogLevel.NONE), a_rule("code", CODE, max_attempts=1),
    ])  # fmt: skip

    assert rule_on(some_facts(), policies) == Ruling(applied=("always",), log=LogLevel.NONE)
    coding = rule_on(some_facts(workload=Workload.CODE), policies)
    assert (coding.applied, coding.max_attempts) == (("always", "code"), 1)
    assert rule_on(some_facts(), policies_of([])) == Ruling()


def test_require_and_forbid_add_up() -> None:
    """Each demand stands, with the rule that made it."""
    one = a_demand(Attribute.REGION, "eu", by="a")
    two = a_demand(Attribute.TIER, "premium", by="b", forbidden=True)

    assert combined([Ruling(demands=(one,)), Ruling(demands=(two,))]).demands == (one, two)


def test_bounds_redaction_caps_and_log_take_the_strictest() -> None:
    """Whatever the order; the rule that set a bound is named, the first of equals."""
    loose = Ruling(
        redact=frozenset({Kind.EMAIL}), log=LogLevel.METADATA, max_cost_nanousd=NanoUsd(9),
        max_cost_rule="loose", max_latency_ms=9, max_latency_rule="loose", min_quality=0.1,
        min_quality_rule="loose", max_attempts=3, max_output_tokens=9,
        premium_caps=(PremiumCap("loose", "ticket", 9), PremiumCap("loose", "user", 1)),
    )  # fmt: skip
    strict = Ruling(
        redact=frozenset({Kind.IBAN}), log=LogLevel.NONE, max_cost_nanousd=NanoUsd(1),
        max_cost_rule="strict", max_latency_ms=1, max_latency_rule="strict", min_quality=0.9,
        min_quality_rule="strict", max_attempts=1, max_output_tokens=1,
        premium_caps=(PremiumCap("strict", "ticket", 1),),
    )  # fmt: skip
    wanted = replace(
        strict,
        redact=frozenset({Kind.EMAIL, Kind.IBAN}),
        premium_caps=(PremiumCap("strict", "ticket", 1), PremiumCap("loose", "user", 1)),
    )

    assert combined([loose, strict]) == wanted
    assert combined([strict, loose]) == wanted
    assert combined([Ruling(), strict, replace(strict, max_cost_rule="other")]).max_cost_rule == (
        "strict"
    )


def test_of_preferences_the_first_counts() -> None:
    """Prefer, weights, strategy and degrade are each by the first rule that says them."""
    first = Ruling(
        prefer=(a_match(Attribute.TARGET, "a"),),
        weights=Weights(((Term.COST, 1.0),)),
        strategy=Strategy.CHEAPEST,
        degrade=Degrade((DegradeStep.REFUSE,)),
        refusal=Refusal("first", "no"),
    )
    second = Ruling(
        prefer=(a_match(Attribute.TARGET, "b"),),
        weights=Weights(((Term.QUALITY, 1.0),)),
        strategy=Strategy.FASTEST,
        degrade=Degrade((DegradeStep.CHEAPER_TIER,)),
        refusal=Refusal("second", "no"),
    )

    assert combined([Ruling(), first, second]) == first


def test_preference_wants_to_be_known() -> None:
    """A target that states no region is not preferred for one."""
    assert matches(EU, a_match(Attribute.REGION, "eu", "us"))
    assert not matches(US, a_match(Attribute.REGION, "eu"))
    assert not matches(a_target(), a_match(Attribute.REGION, "eu"))


def test_caching_is_opted_into_and_can_be_forbidden() -> None:
    """Nobody's word is no; one no outweighs any yes."""
    yes, no = Ruling(caching_allowed=True), Ruling(caching_allowed=False)

    assert combined([Ruling(), Ruling()]).caching_allowed is None
    assert combined([yes, Ruling()]).caching_allowed is True
    assert combined([yes, no, yes]).caching_allowed is False


@pytest.mark.slow
@given(rulings, rulings, rulings)
@settings(deadline=None)
def test_combining_is_associative(one: Ruling, two: Ruling, three: Ruling) -> None:
    """Any run of rules may be combined first; a ruling that says nothing changes nothing."""
    whole = combined([one, two, three])

    assert combined([combined([one, two]), three]) == whole
    assert combined([one, combined([two, three])]) == whole
    assert combined([Ruling(), one, Ruling()]) == one == combined([one])


@pytest.mark.slow
@given(st.lists(rules, max_size=5), st.randoms(use_true_random=False), facts, st.lists(targets))
@settings(deadline=None)
def test_order_of_rules_does_not_change_who_may_answer(
    all_: list[Rule], chance: st.DataObject, asked: Facts, among: list[Target]
) -> None:
    """Hard rules bind wherever they stand."""
    shuffled = list(all_)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # it is a random.Random

    assert allowed(asked, all_, among) == allowed(asked, shuffled, among)


@pytest.mark.slow
@given(st.lists(rules, max_size=4), some_conditions, rulings, facts, st.lists(targets))
@settings(deadline=None)
def test_a_rule_more_never_adds_a_candidate(
    all_: list[Rule], when: Condition, says: Ruling, asked: Facts, among: list[Target]
) -> None:
    """Whatever it says: no rule can bring back what another took away."""
    more = [*all_, Rule("more", when, says)]

    assert allowed(asked, more, among) <= allowed(asked, all_, among)


@pytest.mark.slow
@given(st.lists(rules, max_size=4), facts, st.lists(targets))
@settings(deadline=None)
def test_nothing_forbidden_may_answer(all_: list[Rule], asked: Facts, among: list[Target]) -> None:
    """Who may answer fulfils every demand of every rule that applies, asked one by one."""
    bound = policies_of(all_, [a_route(*among)], scope_key=SCOPE_KEY).rules
    applying = [rule.says for rule in bound if rule.when.holds(asked)]
    workload = asked.labels.workload.value
    passing = allowed(asked, all_, among)

    for target in among:
        barred = any(bars(demand, target) for says in applying for demand in says.demands)
        poor = any((target.quality_for(workload) or 0.0) < (says.min_quality or 0.0)
                   for says in applying)  # fmt: skip
        moved = asked.tool_origin not in {None, target.provider.id}
        assert (target.id in passing) is not (barred or poor or moved)


@given(st.lists(demands, max_size=4), targets)
def test_a_target_that_was_not_judged_is_judged(all_: list[Demand], target: Target) -> None:
    """The verdicts are worked out for the config's targets; another gets the same."""
    rule = Rule("r", ALWAYS, Ruling(applied=("r",), demands=tuple(all_)))
    known = rule_on(some_facts(), policies_of([rule], [a_route(target)]))
    unknown = rule_on(some_facts(), policies_of([rule]))

    assert target.id in known.verdicts
    assert not unknown.verdicts
    assert why_not(target, known) == why_not(target, unknown)


def test_rejection_names_the_first_rule_that_bars() -> None:
    """The operators' own id, as they wrote it."""
    ruling = combined([Ruling(demands=TO_EU), Ruling(demands=(a_demand(Attribute.TAGS, "x"),))])

    assert why_not(US, ruling) == Rejection(US.id, Reason.POLICY, "eu", "eu")


def test_quality_must_be_proven_for_the_workload() -> None:
    """Whose quality is below the bound, or nowhere stated, may not answer."""
    among = [a_target("p/able", quality={"code": 0.9, "default": 0.1}),
             a_target("p/poor", quality={"default": 0.7}), a_target("p/unknown")]  # fmt: skip
    rule = a_rule("good", min_quality=0.8, min_quality_rule="good")
    coding, chatting = some_facts(workload=Workload.CODE), some_facts()

    assert allowed(coding, [rule], among) == {"p/able"}
    assert allowed(chatting, [rule], among) == set()
    assert why_not(among[1], Ruling(min_quality=0.8, min_quality_rule="good")) == Rejection(
        "p/poor", Reason.POLICY, "good", "good"
    )


def test_bound_on_quality_without_a_rule_bars_all_the_same() -> None:
    """A ruling made by hand may name no rule; it still holds."""
    assert why_not(US, Ruling(min_quality=0.1)) is not None


def test_tool_loop_stays_with_its_provider() -> None:
    """Only who issued the calls gets their results, unless the config says otherwise."""
    asked = some_facts(tool_origin="azure")
    free = policies_of([], [a_route(EU, US)], tool_loop_stays=False)

    assert allowed(asked, [], [EU, US]) == {EU.id}
    ruling = rule_on(asked, policies_of([]))
    assert ruling.applied == (TOOL_LOOP,)
    assert why_not(US, ruling) == Rejection(US.id, Reason.POLICY, TOOL_LOOP, TOOL_LOOP)
    assert why_not(US, rule_on(asked, free)) is None


def test_what_was_worked_out_is_remembered_within_bounds() -> None:
    """The same rules give the same value again, and memory has an end."""
    policies = policies_of([a_rule("eu", demands=TO_EU)])

    assert rule_on(some_facts(), policies) is rule_on(some_facts(feature="x"), policies)
    for number in range(MAX_RULINGS + 1):
        _ = rule_on(some_facts(tool_origin=f"p{number}"), policies)
    assert len(policies.rulings) <= MAX_RULINGS
