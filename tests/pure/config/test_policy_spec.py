"""What policies may say, and how they are told that they may not."""

import pytest
from documents import FIRST_POLICY_LINE, GOOD, POLICIES, loaded, problems_of, ruled, spoiled

SAY = "log: none"

BAD = [
    # conditions
    ("{sensitivty: public}", "when.sensitivty", "is not a known key; did you mean 'sensitivity'?"),
    ("{sensitivity: regulatd}", "when.sensitivity", "did you mean 'regulated'?"),
    ("{workload: [code, cod]}", "when.workload[1]", "did you mean 'code'?"),
    ("{workload: []}", "when.workload", "needs at least 1"),
    ("{tier: fre}", "when.tier", "did you mean 'free'?"),
    ("{kinds: emial}", "when.kinds", "did you mean 'email'?"),
    ("{kinds: 3}", "when.kinds", "must be text, a list of texts, true"),
    ("{feature: []}", "when.feature", "must be text, a list of texts, true"),
    ("{feature: [1]}", "when.feature", "must be text, a list of texts, true"),
    ("{feature: ' x'}", "when.feature", "must be 1 to 1024 characters on one line"),
    ("{key_tag: 1}", "when.key_tag", "must be text, a list of texts, true"),
    ("{language: english}", "when.language", "must be an ISO 639-1 code such as en"),
    ("{stream: 'yes'}", "when.stream", "must be true or false"),
    ("{scope: {}}", "when.scope", "needs at least 1"),
    ("{scope: {t: 1}}", "when.scope.t", "put numbers in quotes"),
    ("{header: {a_b: x}}", "when.header.a_b", "is not a header name"),
    ("{header: {Cookie: x}}", "when.header.Cookie", "bears a secret, which rules may not look at"),
    ("{header: {authorization: true}}", "when.header.authorization", "bears a secret"),
    ("{n: {min: 3, max: 2}}", "when.n", "has a min above its max, so nothing can be between"),
    ("{n: {}}", "when.n", "needs min or max"),
    ("{n: 3}", "when.n", "must be a mapping"),
    ("{draw: {min: .nan}}", "when.draw.min", "must be a finite number"),
    ("{turns: {max: -1}}", "when.turns.max", "must be between 0 and 1000000000000"),
    ("{cost_usd: {max: 1e13}}", "when.cost_usd.max", "must be between 0 and 1000000000000"),
    ("{time: {}}", "when.time", "needs from and to, or days"),
    ('{time: {from: "06:00"}}', "when.time", "needs both from and to, or neither"),
    ('{time: {from: "24:00", to: "06:00"}}', "when.time.from", 'such as "06:00"; quote it'),
    ('{time: {from: "6:00", to: "07:00"}}', "when.time.from", "must be a time of the day"),
    ('{time: {from: "06:00", to: "24:01"}}', "when.time.to", "must be a time of the day"),
    ("{time: {days: [mo]}}", "when.time.days[0]", "did you mean 'mon'?"),
    ("{time: {days: mon, zone: Europe/Berln}}", "when.time.zone", "did you mean 'Europe/Berlin'?"),
    ("{time: {days: mon, zone: Europe}}", "when.time.zone", "is not a time zone that is known"),
    ("{time: {days: mon, zone: ../x}}", "when.time.zone", "is not a time zone that is known"),
    ("{any: []}", "when.any", "needs at least 1"),
    ("{any: [{tennant: demo}]}", "when.any[0].tennant", "did you mean 'tenant'?"),
    ("{all: [{any: [{x: 1}]}]}", "when.all[0].any[0].x", "is not a known key; known are tenant"),
    ("{not: {n: {mn: 1}}}", "when.not.n.mn", "is not a known key; did you mean 'min'?"),
    ("[demo]", "when", "must be a mapping"),
    # what is said
    ("require: {}", "require", "says nothing; name what a target must match"),
    ("require: {certification: dpa}", "require.certification", "did you mean 'certifications'?"),
    ("forbid: {tier: dear}", "forbid.tier", "must be 'economy', 'standard' or 'premium'"),
    ("prefer: []", "prefer", "needs at least 1"),
    ("prefer: {tier: premium, region: eu}", "prefer", "has several keys; write a list"),
    ("prefer: [{}]", "prefer[0]", "says nothing"),
    ("weights: {}", "weights", "needs at least 1"),
    ("weights: {qualty: 1}", "weights.qualty", "did you mean 'quality'?"),
    ("weights: {quality: -1}", "weights.quality", "must be a weight between 0 and 1000"),
    ("weights: {quality: .inf}", "weights.quality", "must be a finite number"),
    ("weights: {quality: 0}", "weights", "needs at least one weight above 0"),
    ("strategy: cheap", "strategy", "did you mean 'cheapest'?"),
    ("max_cost_usd: 0", "max_cost_usd", "must be more than 0 dollars"),
    ("max_cost_usd: -1", "max_cost_usd", "must be a price between 0 and 10000 dollars"),
    ("max_cost_usd: .nan", "max_cost_usd", "must be a finite number"),
    ("max_cost_usd: 1e5", "max_cost_usd", "must be a price between 0 and 10000 dollars"),
    ("max_latency_ms: 0", "max_latency_ms", "must be at least 1"),
    ("max_latency_ms: 86400001", "max_latency_ms", "must be at most 86400000"),
    ("min_quality: 1.1", "min_quality", "must be between 0 and 1"),
    ("min_quality: high", "min_quality", "must be a number, without quotes or a unit"),
    ("redact: emial", "redact", "did you mean 'email'?"),
    ("redact: []", "redact", "needs at least 1"),
    ("refuse: ''", "refuse", "must be 1 to 1024 characters on one line"),
    ("log: non", "log", "did you mean 'none'?"),
    ("cap: {}", "cap", "needs attempts or max_tokens"),
    ("cap: {attempts: 4}", "cap.attempts", "must be at most 3"),
    ("premium_cap: {scope: t}", "premium_cap.calls", "is missing; add it"),
    ("degrade: {steps: []}", "degrade.steps", "needs at least 1"),
    ("degrade: {steps: fewer_tokens}", "degrade", "both the step fewer_tokens and max_tokens"),
    ("degrade: {steps: refuse, message: x}", "degrade", "both the step message and message"),
    ("degrade: {steps: [refuse, refuse]}", "degrade", "names a step twice"),
    ("degrade: {steps: [refuse, cheaper_tier]}", "degrade", "put that step last"),
    ("cache: 1", "cache", "must be true or false"),
]


@pytest.mark.parametrize(("text", "where", "message"), BAD)
def test_problem_is_named_with_its_line_and_place(text: str, where: str, message: str) -> None:
    """One mistake, one problem, on its line, with what to do about it."""
    when = text if text[0] in "{[" else None
    written = f"{{id: a, when: {when}, {SAY}}}" if when else f"{{id: a, {text}}}"

    found = problems_of(ruled("{id: first, log: none}", written))

    assert [(line, place) for line, place, _ in found] == [
        (FIRST_POLICY_LINE + 1, f"policies[1].{where}")
    ]
    assert message in found[0][2]


def test_policy_without_a_word_is_refused() -> None:
    """A condition without a consequence is a rule that somebody has not finished."""
    found = problems_of(ruled("{id: a, why: x, when: {tenant: demo}}", "{log: none}", "3"))

    assert [(place, message.partition(";")[0]) for _, place, message in found] == [
        ("policies[0]", "says nothing"),
        ("policies[1].id", "is missing"),
        ("policies[2]", "must be a mapping: keys, each with a value, indented below"),
    ]


def test_every_problem_is_told_at_once() -> None:
    """A file with many mistakes takes one run to see them."""
    found = problems_of(ruled("{id: a b, when: {tier: x, tenant: nobody}, log: y, cap: {}}"))

    assert {place.removeprefix("policies[0].") for _, place, _ in found} == {
        "id", "when.tier", "when.tenant", "log", "cap",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("    model: small", "    model: small\n    quality: {cod: 1}", "quality.cod", "'code'?"),
        ("    model: small", "    model: small\n    quality: {code: 2}", "quality.code", "between"),
        ("    model: small", "    model: small\n    tags: [a b]", "tags[0]", "must be an id"),
        ("    deadline_s: 30", "    strategy: fast", "strategy", "did you mean 'fastest'?"),
        ("    deadline_s: 30", "    weights: {cost: x}", "weights.cost", "must be a number"),
        ("    deadline_s: 30", "    degrade: {}", "degrade.steps", "is missing; add it"),
        ("    region: eu", "    tags: 3", "tags", "must be a list"),
    ],
)
def test_targets_and_routes_are_checked_alike(old: str, new: str, where: str, message: str) -> None:
    """Tags, quality, and a route's own strategy have the same bounds."""
    ((_, place, said),) = problems_of(spoiled(old, new))

    assert place.endswith((f".{where}", f"].{where}"))
    assert message in said


def test_full_example_loads() -> None:
    """Every key that policies know, at once."""
    assert len(loaded(GOOD + POLICIES).snapshot.policies.rules) == 4


def test_number_of_policies_has_an_end() -> None:
    """More than anybody reads is a generator gone wrong."""
    many = [f"{{id: p{number}, log: none}}" for number in range(501)]

    assert [message for _, _, message in problems_of(ruled(*many))] == ["may have at most 500"]
