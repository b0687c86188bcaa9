"""The `classify` section: what it makes, and what is refused with its line."""

import pytest
from documents import GOOD, loaded, problems_of

from proxy.domain.classing import BUILT_IN_ONLY, ClassifyRules, Vote
from proxy.domain.labels import Risk, Sensitivity, Workload

FIRST_LINE = GOOD.count("\n") + 1

WHOLE = """\
classify:
  default_sensitivity: public
  max_scanned_bytes: 4096
  phone_regions: [DE, US]
  workload_rules:
    - {pattern: "ticket [0-9]+", workload: extraction}
    - {pattern: "weigh", workload: reasoning, weight: 1.5}
  risk_rules:
    - {pattern: "delete .* account", risk: high}
  disallowed:
    weapons: ["build a bomb", "nerve agent"]
    empty: []
  sensitive_terms: ["project falcon"]
  health_terms: ["case file"]
"""


def rules_of(text: str) -> ClassifyRules:
    """The rules of a config that ends in *text*."""
    return loaded(GOOD + text).snapshot.classing


def test_without_a_section_only_built_in_rules_hold() -> None:
    """And an empty section changes nothing."""
    assert rules_of("") == BUILT_IN_ONLY
    assert rules_of("classify: {}\n") == BUILT_IN_ONLY


def test_section_is_compiled_in_whole() -> None:
    """Every key has its effect."""
    rules = rules_of(WHOLE)

    assert rules.default_sensitivity is Sensitivity.PUBLIC
    assert rules.max_scanned_bytes == 4096
    assert rules.phone_regions == ("DE", "US")
    assert rules.workloads.matching(b"TICKET 12 weigh") == [
        Vote(Workload.EXTRACTION, 3.0), Vote(Workload.REASONING, 1.5),
    ]  # fmt: skip
    assert rules.risks.matching(b"delete my account") == [Risk.HIGH]
    assert rules.disallowed.matching(b"a nerve agent") == ["weapons"]
    assert rules.terms.spans(b"Project Falcon", 0, 14, 14) == [(0, 14)]
    assert rules.health_terms.spans(b"case file", 0, 9, 9) == [(0, 9)]


def test_section_changes_the_version() -> None:
    """A config that classifies otherwise decides otherwise."""
    assert loaded(GOOD + WHOLE).snapshot.version != loaded(GOOD).snapshot.version


LARGE = '"(?:abcdefgh){60}"'


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("default_sensitivity: unknown", "classify.default_sensitivity", "must be 'public'"),
        ("max_scanned_bytes: 10", "classify.max_scanned_bytes", "at least 1024"),
        ("phone_regions: [XX]", "classify.phone_regions[0]", "two letters"),
        ('sensitive_terms: ["(?<=a)b"]', "classify.sensitive_terms[0]", "RE2"),
        ('sensitive_terms: ["a*"]', "classify.sensitive_terms[0]", "empty text"),
        ('health_terms: ["(a"]', "classify.health_terms[0]", "RE2"),
        ('disallowed: {bad: ["(a"]}', "classify.disallowed.bad[0]", "RE2"),
        ("worklod_rules: []", "classify.worklod_rules", "did you mean 'workload_rules'?"),
        ('workload_rules: [{pattern: "a", workload: coding}]',
         "classify.workload_rules[0].workload", "must be 'classification'"),
        ('workload_rules: [{pattern: "a", workload: code, wait: 1}]',
         "classify.workload_rules[0].wait", "did you mean 'weight'?"),
        ('workload_rules: [{pattern: "a", workload: code, weight: 11}]',
         "classify.workload_rules[0].weight", "at most 10"),
        ('workload_rules: [{pattern: "a", workload: code, weight: true}]',
         "classify.workload_rules[0].weight", "must be a number"),
        ('workload_rules: [{pattern: "(a", workload: code}]',
         "classify.workload_rules[0].pattern", "RE2"),
        ('risk_rules: [{pattern: "a", risk: huge}]', "classify.risk_rules[0].risk", "'low'"),
        (f'sensitive_terms: [{", ".join([LARGE] * 50)}]', "classify.sensitive_terms", "in all"),
        (f'disallowed: {{a: [{", ".join([LARGE] * 25)}], b: [{", ".join([LARGE] * 25)}]}}',
         "classify.disallowed", "in all"),
        ("risk_rules: [" + ", ".join(f'{{pattern: {LARGE}, risk: low}}' for _ in range(50)) + "]",
         "classify.risk_rules", "in all"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_its_line(line: str, where: str, message: str) -> None:
    """The problem has its place, and says what would do."""
    (problem,) = problems_of(f"{GOOD}classify:\n  {line}\n")

    assert problem[:2] == (FIRST_LINE + 1, where)
    assert message in problem[2]
