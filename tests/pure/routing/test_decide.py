"""Which targets may answer, best first, and why the others may not."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.catalog import Capability, Endpoint, Target
from proxy.domain.decision import Decision, Reason, Rejection
from proxy.domain.labels import Workload
from proxy.domain.price import Price, UnpricedPolicy
from proxy.domain.rules import (
    Attribute,
    Demand,
    Match,
    Refusal,
    Ruling,
    Strategy,
    Term,
    Weights,
)
from proxy.domain.standing import Breaker, History
from proxy.domain.tenant import Tenant
from proxy.routing.decide import MISJUDGED_AT_MOST, choose, decide
from proxy.routing.prospects import BYTES_PER_TOKEN_AT_MOST
from tests.builders import (
    a_provider,
    a_route,
    a_snapshot,
    a_standing,
    a_target,
    some_facts,
)
from tests.routing import ids, reasons

TOOLS, VISION = Capability.TOOLS, Capability.VISION
OPEN = a_standing(breaker=Breaker.OPEN)


def decided(*targets: Target, ruling: Ruling | None = None, **fields: Any) -> Decision:
    """A decision among *targets*; *standings* and *tenants* are the snapshot's, the rest facts."""
    known = {name: fields.pop(name) for name in ("standings", "tenants") if name in fields}
    route = a_route(*targets)
    snapshot = a_snapshot(route, **known)
    facts = some_facts(**fields)
    return decide(facts, snapshot) if ruling is None else choose(route, ruling, facts, snapshot)


def test_route_gives_the_order() -> None:
    """Targets that fit are ranked as the route lists them; the decision names its config."""
    route = a_route(a_target("b/m"), a_target("a/m"), a_target("c/m"))

    decision = decide(some_facts(), a_snapshot(route))

    assert ids(decision) == ["b/m", "a/m", "c/m"]
    assert decision.rejected == ()
    assert (decision.route, decision.config_version) == (route, "v1")
    assert decision.strategy is Strategy.PRIORITY
    assert decision.labels == some_facts().labels


def test_target_that_cannot_is_rejected_with_the_reason() -> None:
    """The rest keep their order."""
    able = frozenset({TOOLS, VISION})
    decision = decided(
        a_target("plain/m", capabilities=frozenset()),
        a_target("able/m", capabilities=able),
        a_target("unstated/m"),
        a_target("half/m", capabilities=frozenset({TOOLS})),
        needs=able,
    )

    assert ids(decision) == ["able/m", "unstated/m"]
    assert decision.rejected == (
        Rejection("plain/m", Reason.MISSING_CAPABILITY, "tools, vision"),
        Rejection("half/m", Reason.MISSING_CAPABILITY, "vision"),
    )


def test_nobody_left_is_an_answer() -> None:
    """An empty ranking is no error; the reasons travel with it."""
    decision = decided(a_target(embedding_space="s"))

    assert decision.ranking == ()
    assert decision.rejected == (Rejection("first/m", Reason.WRONG_ENDPOINT, "chat/completions"),)


@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("space", [None, "s"])
def test_embeddings_targets_serve_embeddings_only(endpoint: Endpoint, space: str | None) -> None:
    """A target with an embedding space serves embeddings, and no other does."""
    decision = decided(a_target(embedding_space=space), endpoint=endpoint)

    assert bool(decision.ranking) == ((endpoint is Endpoint.EMBEDDINGS) == (space is not None))


def test_embeddings_of_two_spaces_do_not_mix() -> None:
    """Vectors of another space would be of no use, so one space is kept, whatever the order."""
    one, other = a_target("a/m", embedding_space="s"), a_target("b/m", embedding_space="t")

    for targets in ((one, other), (other, one)):
        decision = decided(*targets, endpoint=Endpoint.EMBEDDINGS)

        assert ids(decision) == ["a/m"]
        assert decision.rejected == (Rejection("b/m", Reason.OTHER_EMBEDDING_SPACE, "t"),)


@pytest.mark.parametrize(("extra_bytes", "fits"), [(0, True), (BYTES_PER_TOKEN_AT_MOST, False)])
def test_prompt_that_cannot_fit_is_not_sent(extra_bytes: int, fits: bool) -> None:
    """Without calibration only what no tokenizer could pack into the window is ruled out."""
    size = 100 * BYTES_PER_TOKEN_AT_MOST + extra_bytes

    decision = decided(a_target(context_window_tokens=100), prompt_bytes=size)

    assert bool(decision.ranking) == fits
    if not fits:
        assert decision.rejected == (Rejection("first/m", Reason.CONTEXT_TOO_LONG, "100 tokens"),)


@pytest.mark.parametrize(("size", "fits"), [(799, True), (808, False)])
def test_calibrated_target_refuses_sooner(size: int, fits: bool) -> None:
    """Where the bytes of a token are known, twice that many are the most that a text has."""
    known = {"first/m": a_standing(bytes_per_token=4.0)}
    assert 100 * 4.0 * MISJUDGED_AT_MOST == 800

    decision = decided(a_target(context_window_tokens=100), prompt_bytes=size, standings=known)

    assert bool(decision.ranking) == fits


def test_size_of_many_inputs_rules_nothing_out() -> None:
    """Each input of an embeddings request has a window of its own."""
    target = a_target(context_window_tokens=1, embedding_space="s")

    assert decided(target, endpoint=Endpoint.EMBEDDINGS, prompt_bytes=10**9).ranking


def test_unstated_window_takes_any_prompt() -> None:
    """What the config does not say rules nothing out."""
    assert decided(a_target(), prompt_bytes=10**9).ranking


def test_tool_loop_stays_with_its_provider() -> None:
    """The results of tool calls go to who issued the calls."""
    decision = decided(a_target("a/m"), a_target("b/m"), tool_origin="b")

    assert ids(decision) == ["b/m"]
    (rejection,) = decision.rejected
    assert (rejection.target_id, rejection.reason) == ("a/m", Reason.POLICY)
    assert rejection.rule == decision.rules[0] == "builtin/tool-loop-stays"


def test_rule_keeps_targets_out_by_name() -> None:
    """A demand's rejection names its rule."""
    eu = a_provider("eu", region="eu")
    demand = Demand("eu-data", Match(Attribute.REGION, frozenset({"eu"})), forbidden=False)
    ruling = Ruling(applied=("eu-data",), demands=(demand,))

    decision = decided(a_target("us/m"), a_target("eu/m", provider=eu), ruling=ruling)

    assert ids(decision) == ["eu/m"]
    assert reasons(decision) == {"us/m": Reason.POLICY}
    assert decision.rejected[0].detail == "eu-data"


def test_refusal_leaves_nobody() -> None:
    """Every target that could serve is refused in the rule's name."""
    ruling = Ruling(applied=("no",), refusal=Refusal("no", "Not here."))

    decision = decided(a_target("a/m"), a_target("b/m", embedding_space="s"), ruling=ruling)

    assert decision.ranking == ()
    assert decision.rejected == (
        Rejection("a/m", Reason.REFUSED, "rule no", "no"),
        Rejection("b/m", Reason.WRONG_ENDPOINT, "chat/completions"),
    )


def test_cost_bound_is_kept_by_the_most_that_a_call_can_cost() -> None:
    """Not by the estimate: what cannot be bounded is not called."""
    ruling = Ruling(applied=("c",), max_cost_nanousd=500_000, max_cost_rule="c")  # type: ignore[arg-type]  # NewType
    targets = [
        a_target("cheap/m", price=Price(10**8, 10**9)),
        a_target("dear/m", price=Price(10**10, 10**11)),
    ]

    decision = decided(*targets, ruling=ruling, max_output_tokens=100)
    unbounded = decided(*targets, ruling=ruling)

    assert ids(decision) == ["cheap/m"]
    (rejection,) = decision.rejected
    assert (rejection.reason, rejection.rule) == (Reason.COST_ABOVE_BOUND, "c")
    assert rejection.detail == "up to 0.011240 USD, allowed 0.000500 USD"
    assert unbounded.ranking == ()
    assert unbounded.rejected[0].detail == "without bound, allowed 0.000500 USD"


def test_target_that_would_be_late_is_rejected() -> None:
    """By its slow twentieth: the first token of a stream, the whole of a plain answer."""
    standings = {
        "slow/m": a_standing(first_token_p95_ms=3000.0),
        "quick/m": a_standing(first_token_p95_ms=900.0, tokens_per_s=100.0),
        "steady/m": a_standing(first_token_p95_ms=900.0, tokens_per_s=None),
    }
    targets = [a_target(f"{name}/m") for name in ("slow", "quick", "steady", "new")]

    stream = decided(*targets, standings=standings, max_latency_ms=2000, stream=True)
    plain = decided(*targets, standings=standings, max_latency_ms=2000, max_output_tokens=200)

    assert ids(stream) == ["quick/m", "steady/m", "new/m"]
    assert stream.rejected == (Rejection("slow/m", Reason.TOO_SLOW, "3000 ms, allowed 2000 ms"),)
    assert ids(plain) == ["steady/m", "new/m"]


def test_latency_bound_of_a_rule_is_named() -> None:
    """The lower of the caller's bound and the rule's counts, and says whose it is."""
    ruling = Ruling(applied=("l",), max_latency_ms=500, max_latency_rule="l")
    standings = {"first/m": a_standing()}
    fields: dict[str, Any] = {"standings": standings, "stream": True, "ruling": ruling}

    by_rule = decided(a_target(), max_latency_ms=800, **fields)
    by_caller = decided(a_target(), max_latency_ms=400, **fields)

    assert [by_rule.rejected[0].rule, by_caller.rejected[0].rule] == ["l", None]


@pytest.mark.parametrize("policy", UnpricedPolicy)
@pytest.mark.parametrize("budgeted", [True, False])
def test_unpriced_target_and_budgets(policy: UnpricedPolicy, budgeted: bool) -> None:
    """Nobody whose spending is bounded calls what has no price, unless the config says so."""
    route = a_route(a_target("a/m", price=None), a_target("b/m"))
    snapshot = a_snapshot(
        route,
        tenants={"acme": Tenant("acme", "pro", frozenset({"auto"}), budgeted=budgeted)},
        unpriced_policy=policy,
    )

    decision = decide(some_facts(), snapshot)

    refused = budgeted and policy is UnpricedPolicy.REFUSE
    assert reasons(decision) == ({"a/m": Reason.UNPRICED} if refused else {})
    if not refused:
        assert decision.ranking[0].cost_nanousd is None


def test_open_breaker_leaves_a_target_out() -> None:
    """Others are called while it rests; the rejections keep the route's order."""
    decision = decided(
        a_target("a/m"),
        a_target("b/m"),
        a_target("c/m", capabilities=frozenset()),
        standings={"a/m": OPEN},
        needs=frozenset({TOOLS}),
    )

    assert ids(decision) == ["b/m"]
    assert list(reasons(decision)) == ["a/m", "c/m"]
    assert not decision.ranking[0].throttled


def test_last_one_standing_is_throttled_never_removed() -> None:
    """Where nobody else is left, an open breaker marks and does not remove."""
    decision = decided(a_target("a/m"), a_target("b/m"), standings={"a/m": OPEN, "b/m": OPEN})
    alone = decided(a_target("a/m"), a_target("b/m"), standings={"a/m": OPEN}, tool_origin="a")

    assert [each.throttled for each in decision.ranking] == [True, True]
    assert (ids(alone), reasons(alone)) == (["a/m"], {"b/m": Reason.POLICY})
    assert alone.ranking[0].throttled


def test_breaker_is_asked_last() -> None:
    """Where something else keeps a target out too, that is the reason."""
    decision = decided(a_target("a/m"), a_target("b/m"), standings={"a/m": OPEN}, tool_origin="b")

    assert reasons(decision) == {"a/m": Reason.POLICY}


def test_clamp_is_told_where_a_rule_caps() -> None:
    """The lower of the client's limit and the rule's; without a rule nothing is clamped."""
    ruling = Ruling(applied=("cap",), max_output_tokens=100)

    assert decided(a_target(), max_output_tokens=50).max_output_tokens is None
    assert decided(a_target(), ruling=ruling).max_output_tokens == 100
    assert decided(a_target(), ruling=ruling, max_output_tokens=50).max_output_tokens == 50


def test_warm_cache_makes_the_first_one_cheaper() -> None:
    """A session's first target has the saving in its cost, the others could have it."""
    price = Price(10**9, 10**9, cached_input_nanousd=10**8)
    targets = [a_target("a/m", price=price), a_target("b/m", price=price)]
    long: dict[str, Any] = {"prompt_bytes": 40_000, "turns": 5}

    first, second = decided(*targets, session="s", **long).ranking
    cold, _ = decided(*targets, **long).ranking

    assert first.cost_nanousd is not None
    assert second.cost_nanousd is not None
    assert first.cost_nanousd < second.cost_nanousd == cold.cost_nanousd
    assert first.terms.affinity == second.terms.affinity > 0
    assert cold.terms.affinity == 0


def test_first_one_without_a_price_stays_without() -> None:
    """No saving is made up for it."""
    decision = decided(a_target(price=None), session="s", prompt_bytes=40_000, turns=5)

    assert decision.estimated_cost_nanousd is None


@pytest.mark.parametrize(
    ("strategy", "best"),
    [
        (Strategy.PRIORITY, "first/m"),
        (Strategy.POLICY, "first/m"),
        (Strategy.CHEAPEST, "cheap/m"),
        (Strategy.FASTEST, "fast/m"),
        (Strategy.WORKLOAD, "good/m"),
        (Strategy.SCORE, "good/m"),
    ],
)
def test_strategies_choose_by_what_they_say(strategy: Strategy, best: str) -> None:
    """Each is a preset of the same function, chosen by the route or by a rule."""
    route = a_route(
        a_target("first/m"),
        a_target("cheap/m", price=Price(10**7, 10**7)),
        a_target("fast/m"),
        a_target("good/m", quality={"reasoning": 0.99}),
    )
    standings = {target.id: a_standing() for target in route.targets}
    standings["fast/m"] = a_standing(first_token_p50_ms=50.0, tokens_per_s=500.0)
    facts = some_facts(workload=Workload.REASONING)

    by_route = decide(facts, a_snapshot(replace(route, strategy=strategy), standings=standings))
    ruling = Ruling(strategy=strategy)
    by_rule = choose(route, ruling, facts, a_snapshot(route, standings=standings))

    assert ids(by_route)[0] == ids(by_rule)[0] == best
    assert by_rule.strategy is strategy


def test_weights_of_a_rule_count_for_score() -> None:
    """A rule that only looks at cost makes the score the cost."""
    targets = [a_target("a/m", quality={"default": 1.0}), a_target("b/m", price=Price(1, 1))]
    weights = Weights(((Term.COST, 2.0),))

    decision = decided(*targets, ruling=Ruling(strategy=Strategy.SCORE, weights=weights))

    assert ids(decision) == ["b/m", "a/m"]
    assert all(each.score == pytest.approx(each.terms.cost) for each in decision.ranking)


def test_history_of_the_route_makes_the_expected_length() -> None:
    """What answers of the route and workload were like, not the table, once it is known."""
    route = a_route(a_target())
    key = ("auto", Workload.CHAT)
    snapshot = a_snapshot(route, histories={key: History(9, completion_tokens_p50=7)})

    assert decide(some_facts(), snapshot).ranking[0].completion_tokens == 7
    assert decide(some_facts(), a_snapshot(route)).ranking[0].completion_tokens == 300


def test_equal_facts_decide_alike() -> None:
    """A decision hangs on values, not on objects."""
    snapshot = a_snapshot(a_route(a_target("a/m"), a_target("b/m"), strategy=Strategy.SCORE))

    assert decide(some_facts(), snapshot) == decide(some_facts(), snapshot)
