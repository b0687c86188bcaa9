"""What `check` remarks upon: rules that never match, never count or leave nothing."""

import pytest
from documents import FIRST_POLICY_LINE, GOOD, POLICIES, loaded, ruled, spoiled, warnings_of

from proxy.config.policy_check import MAX_PLACES, MAX_ROUTES

EXCLUDED = "can never match: its conditions exclude each other"
NOWHERE = "can never match: no tenant that it speaks of may ask for a route that it speaks of"
NOTHING = "leaves no target on any route that it applies to"


def said_of(*policies: str) -> list[tuple[int, str, str]]:
    """Number, key and message of what is odd about *policies*."""
    found = warnings_of(ruled(*policies))
    places = [(line, where.rpartition("].")[2], message) for line, where, message in found]
    return [(line - FIRST_POLICY_LINE, key, message) for line, key, message in places]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{workload: code, not: {workload: [code, chat]}}", EXCLUDED),
        ("{all: [{feature: x}, {feature: y}]}", EXCLUDED),
        ('{time: {from: "06:00", to: "06:00"}}', EXCLUDED),
        ("{all: [{n: {min: 5}}, {n: {max: 4}}]}", EXCLUDED),
        ("{scope: {t: true}, not: {scope: {t: true}}}", EXCLUDED),
        ("{route: embeddings, endpoint: chat}", NOWHERE),
        ("{route: auto, endpoint: embeddings}", NOWHERE),
        ("{not: {tenant: demo}}", NOWHERE),
        ("{not: {tier: free}}", NOWHERE),
        ("{not: {route: [auto, embeddings]}}", NOWHERE),
    ],
)
def test_rule_that_never_matches(when: str, message: str) -> None:
    """It is told at its condition; it is told nothing else."""
    ((at, key, said),) = said_of(f"{{id: a, when: {when}, require: {{region: eu}}}}")

    assert (at, key) == (0, "when")
    assert said.startswith(message)


def test_route_that_a_tenant_may_not_ask_for() -> None:
    """A rule for this tenant and that route is idle while the grant is missing."""
    text = ruled("{id: a, when: {tenant: demo, route: embeddings}, log: none}")

    assert warnings_of(text) == []
    ((_, _, said),) = warnings_of(text.replace("[auto, embeddings]", "[auto]"))
    assert said.startswith(NOWHERE)


@pytest.mark.parametrize("key", ["strategy: cheapest", "weights: {cost: 1}",
                                 "prefer: {tier: premium}",
                                 "degrade: {steps: refuse}"])  # fmt: skip
def test_rule_that_never_gets_its_turn(key: str) -> None:
    """An earlier rule that says the same key and applies whenever it does shadows it."""
    name = key.partition(":")[0]
    general, special = f"{{id: wide, {key}}}", f"{{id: narrow, when: {{workload: code}}, {key}}}"

    assert said_of(special, general) == []
    assert said_of(general, special) == [
        (1, name, f"never counts: rule 'wide' (line {FIRST_POLICY_LINE}) comes first, says {name} "
                  "too, and applies whenever this does"),
    ]  # fmt: skip


def test_rules_that_only_overlap_shadow_nothing() -> None:
    """Each has requests of its own, or says something else."""
    assert said_of(
        "{id: a, when: {workload: [code, chat]}, strategy: cheapest}",
        "{id: b, when: {workload: [chat, reasoning]}, strategy: fastest}",
        "{id: c, when: {workload: chat}, weights: {cost: 1}}",
        "{id: d, when: {feature: x}, log: none}",
        "{id: e, when: {feature: x}, log: metadata}",
    ) == []  # fmt: skip


def test_rule_whose_requests_are_all_refused() -> None:
    """Before or after the refusal: nothing that it says is ever done."""
    refusal = "{id: no, when: {feature: [x, y]}, refuse: No.}"
    moot = "{id: moot, when: {feature: x, workload: code}, log: none}"
    other = "{id: also, when: {feature: x}, refuse: Never.}"

    assert [(at, key) for at, key, _ in said_of(refusal, moot, other)] == [(1, "id")]
    ((at, _, said),) = said_of(moot, refusal)
    assert at == 0
    assert said == (
        f"never counts: rule 'no' (line {FIRST_POLICY_LINE + 1}) refuses every request that this "
        "one is for"
    )


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("require: {region: eu, provider: two}", "require"),
        ("require: {provider: one, target: two/small}", "require"),
        ("forbid: {provider: [one, two]}", "forbid"),
        ("require: {provider: one}, forbid: {certifications: dpa}", "require"),
        ("min_quality: 0.5", "min_quality"),
        ("require: {provider: one}, min_quality: 0.5", "min_quality"),
        ("when: {route: auto}, require: {target: one/vectors}", "require"),
        ("when: {endpoint: chat}, forbid: {target: [one/big, two/small]}", "forbid"),
    ],
)
def test_rule_that_leaves_no_target(written: str, key: str) -> None:
    """On none of the routes that it can apply to."""
    assert (0, key, NOTHING) in said_of(f"{{id: a, {written}}}")


def test_rule_that_leaves_no_target_with_another() -> None:
    """Two that contradict each other, where one applies whenever the other does."""
    eu = "{id: eu, require: {region: eu}}"
    two = "{id: two, when: {workload: code}, forbid: {provider: one}}"
    message = f"{NOTHING}, together with rule 'eu', which applies whenever it does"

    assert said_of(eu, two) == [(1, "forbid", message)]


def test_rules_that_leave_no_target_all_together() -> None:
    """Where no two contradict each other, those that take the rest are named, but not hundreds."""
    parts = ["{id: b, forbid: {target: one/big}}", "{id: c, forbid: {target: two/small}}"]
    rest = [f"{{id: d{n}, forbid: {{target: one/vectors}}}}" for n in range(5)]
    a = "{id: a, when: {workload: code}, forbid: {target: two/vectors}}"

    ((at, key, said),) = said_of(a, *parts, *rest[:1])[:1]
    assert (at, key) == (0, "forbid")
    assert said == f"{NOTHING}, together with rules 'b', 'c', 'd0', which apply whenever it does"
    assert said_of(a, *parts, *rest)[0][2].endswith(
        "'d0', 'd1', 'd2', …, which apply whenever it does"
    )


def test_rules_that_leave_something_together() -> None:
    """Wider rules are no matter while a target is left."""
    assert (
        said_of(
            "{id: quiet, log: none}",
            "{id: eu, require: {region: eu}}",
            "{id: dpa, when: {workload: code}, require: {certifications: dpa}}",
        )
        == []
    )


def test_refusing_rule_may_leave_nothing() -> None:
    """It is not meant to."""
    assert said_of("{id: a, forbid: {provider: [one, two]}, refuse: No.}") == []


def test_quality_is_that_of_the_workloads_it_is_for() -> None:
    """A target that is good at code alone leaves a rule on chat without any."""
    text = ruled("{id: a, when: {workload: WORK}, min_quality: 0.8}").replace(
        "    model: small", "    model: small\n    quality: {code: 0.9}"
    )

    assert warnings_of(text.replace("WORK", "[code, chat]")) == []
    assert [said for *_, said in warnings_of(text.replace("WORK", "chat"))] == [NOTHING]


def test_prohibition_of_what_is_not_stated_is_told() -> None:
    """A target that says nothing of its region is barred by any rule on regions."""
    assert said_of("{id: a, when: {feature: x}, forbid: {region: eu}}")[0] == (
        0, "forbid", "bars 'two/small' and 1 more as well: no region is stated there, so it could "
        "be this one; state it",
    )  # fmt: skip
    text = spoiled("  two:\n    dialect: openai\n", "  two:\n    dialect: openai\n    region: us\n")
    policy = "policies:\n  - {id: a, forbid: {capabilities: vision}}\n"
    stated = text.replace("    model: small", "    model: small\n    capabilities: []")
    assert "'one/vectors' and 1 more" in warnings_of(stated + policy)[0][2]
    one = stated.replace("    embedding_space: space-1", "    embedding_space: space-1\n"
                         "    capabilities: []")  # fmt: skip
    assert "bars 'two/vectors' as well" in warnings_of(one + policy)[0][2]


def test_unknown_word_is_told_once() -> None:
    """That no target has it says why none is left."""
    assert [key for _, key, _ in said_of("{id: a, require: {tags: x}}")] == ["require.tags"]


def test_good_policies_have_no_warnings() -> None:
    """Those of the tests, but for what they set out to show."""
    assert [where for _, where, _ in warnings_of(GOOD + POLICIES)] == [
        "policies[1].forbid.tags[0]", "policies[1].forbid.tags[1]", "policies[2].min_quality",
    ]  # fmt: skip


def test_condition_that_is_too_complex_is_taken_for_possible() -> None:
    """Nothing is said of what was not looked into."""
    many = ", ".join(f"{{n: {{min: {n}, max: {n}}}}}" for n in range(20))
    when = f"when: {{any: [{many}]}}"

    assert said_of(f"{{id: a, {when}, require: {{region: eu}}}}") == []
    assert said_of("{id: b, strategy: score}", f"{{id: a, {when}, strategy: score}}") == []
    assert said_of(f"{{id: a, {when}, forbid: {{provider: [one, two]}}}}")[0][2] == NOTHING


@pytest.mark.slow
def test_large_config_is_checked_in_a_moment() -> None:
    """Beyond what anybody reads, nothing is compared, and nothing is claimed."""
    routes = "".join(f"  r{n}: {{targets: [two/small]}}\n" for n in range(MAX_PLACES + 1))
    text = spoiled("  embeddings:\n    targets: [one/vectors]\n",
                   f"  embeddings:\n    targets: [one/vectors]\n{routes}")  # fmt: skip
    grants = ", ".join(f"r{n}" for n in range(MAX_PLACES - 1))
    few = text.replace("[auto, embeddings]", f"[{grants}]")
    more = few + f"  other:\n    tier: pro\n    routes: [{grants}]\n"
    policies = "policies:\n  - {id: a, require: {provider: one}}\n"

    assert MAX_PLACES > MAX_ROUTES
    assert warnings_of(few + policies) == []
    assert warnings_of(more + policies) == []


@pytest.mark.slow
def test_many_rules_are_compared_within_bounds() -> None:
    """Hundreds of rules of several alternatives each take no longer than a moment."""
    when = ", ".join(f"{{feature: f{n}}}" for n in range(8))
    many = [f"{{id: p{n}, when: {{any: [{when}]}}, strategy: score}}" for n in range(300)]

    assert 0 < len(loaded(ruled(*many)).warnings) < 300
