"""Names that policies use: ids must be there, words should be."""

import pytest
from documents import FIRST_POLICY_LINE, problems_of, ruled, warnings_of


@pytest.mark.parametrize(
    ("policy", "where", "message"),
    [
        ("when: {tenant: dmo}, log: none", "when.tenant", "'dmo' among the tenants; did you mean"),
        ("when: {tenant: [demo, x]}, log: none", "when.tenant[1]", "there is no 'x' among the ten"),
        ("when: {route: aut}, log: none", "when.route", "did you mean 'auto'?"),
        ("when: {tool_origin: ones}, log: none", "when.tool_origin", "did you mean 'one'?"),
        ("when: {not: {route: x}}, log: none", "when.not.route", "there is no 'x' among the rou"),
        ("when: {any: [{all: [{route: x}]}]}, log: none", "when.any[0].all[0].route", "add it"),
        ("require: {provider: oen}", "require.provider", "did you mean 'one'?"),
        ("forbid: {target: [one/bg]}", "forbid.target[0]", "did you mean 'one/big'?"),
        ("prefer: {target: x}", "prefer.target", "there is no 'x' among the targets"),
        ("prefer: [{tier: premium}, {provider: x}]", "prefer[1].provider", "there is no 'x'"),
    ],
)
def test_id_that_is_not_there_does_not_load(policy: str, where: str, message: str) -> None:
    """Nobody can have meant it; the nearest one is suggested."""
    ((line, place, said),) = problems_of(ruled("{id: first, log: none}", f"{{id: a, {policy}}}"))

    assert (line, place) == (FIRST_POLICY_LINE + 1, f"policies[1].{where}")
    assert message in said


def test_id_stands_once() -> None:
    """Decisions name rules by their id."""
    found = problems_of(ruled("{id: a, log: none}", "{id: b, log: none}", "{id: a, log: none}"))

    message = f"is the id of another policy (in line {FIRST_POLICY_LINE}); rename one of the two"
    assert found == [(FIRST_POLICY_LINE + 2, "policies[2].id", message)]


@pytest.mark.parametrize(
    ("policy", "where", "message"),
    [
        ("require: {certifications: [dpa, dpaa]}", "require.certifications[1]", "mean 'dpa'?"),
        ("forbid: {region: ua}", "forbid.region", "no target has 'ua', so this can match nothing"),
        ("prefer: [{tags: x}]", "prefer[0].tags", "no target has 'x'"),
        ("prefer: {model: bigg}", "prefer.model", "did you mean 'big'?"),
        ("forbid: {capabilities: audio}", "forbid.capabilities", "no target has 'audio'"),
        ("require: {tier: economy}", "require.tier", "no target has 'economy'"),
        ("when: {tier: pro}, log: none", "when.tier", "no tenant has 'pro'"),
    ],
)
def test_word_that_nobody_bears_is_a_warning(policy: str, where: str, message: str) -> None:
    """The rule may have been written ahead of the provider, or have outlived it: it loads."""
    found = {
        place: (line, said) for line, place, said in warnings_of(ruled(f"{{id: a, {policy}}}"))
    }

    line, said = found[f"policies[0].{where}"]
    assert line == FIRST_POLICY_LINE
    assert message in said


def test_words_that_are_borne_are_no_warning() -> None:
    """What is there is not remarked upon; a condition's own words may be any."""
    policy = "{id: a, when: {feature: x, tenant: demo}, require: {region: eu, model: big}}"

    assert warnings_of(ruled(policy)) == []


@pytest.mark.parametrize("policies", ["3", "[3, {}]", "[{when: 3, prefer: 3, require: [3]}]",
                                      "[{id: [1], when: {any: 3, not: 3, all: [3]}}]",
                                      "[{id: &x a}]"])  # fmt: skip
def test_odd_shapes_are_the_schemas_business(policies: str) -> None:
    """They are refused, and nothing breaks over them."""
    assert problems_of(ruled().replace("policies:\n", f"policies: {policies}\n"))
