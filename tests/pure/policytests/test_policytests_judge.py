"""Every kind of expectation: it holds, and where it does not the difference can be read."""

from pathlib import Path

import pytest
from suites import result_of

HELLO = "prompt: Hello"
FREE = "prompt: Hello\ntenant: free"
BANNED = "prompt: Hello\nheaders: {x-pointsman-feature: banned}"
KEY = 'prompt: "It is AKIAQ3EGP7RZ4WMT5HXN"'
LOWERED = "prompt: Hello\ntenant: free\nroute: dear"
LATER = (
    "prompt: Hello\ntenant: free\nroute: dear\n"
    "world: {targets: {a/small: {first_token_p95_ms: 9000}}}\n"
    "headers: {x-pointsman-max-latency-ms: '10'}"
)
KEPT = (
    "prompt: Hello\nroute: dear\n"
    "headers: {x-pointsman-max-latency-ms: '10', x-pointsman-feature: kept}\n"
    "world: {targets: {b/big: {first_token_p95_ms: 9000}, a/small: {first_token_p95_ms: 9000},"
    " a/plain: {first_token_p95_ms: 9000}}, cached_answer_from: b/big}"
)
BROKE = "prompt: Hello\nrequest: {max_tokens: 100}\nworld: {budget: {limit_usd: 1, spent_usd: 1}}"
ALL_OPEN = "prompt: Hello\nworld: {targets: {a/small: {breaker: open}, b/big: {breaker: open}}}"

HOLDING = [
    (HELLO, "{route: auto, strategy: priority, selected: a/small, fallback: b/*}"),
    (HELLO, "{ranked: [a/small, b/big], never: [a/plain], log: full, degraded: false}"),
    (HELLO, "{labels: {workload: chat, kinds: [], lowering_ignored: false, language: und}}"),
    (HELLO, "{rules: [], not_rules: no-premium, refused: false, throttled: false}"),
    (HELLO, "{cost_usd: {at_most: 0.01, at_least: 0.0001}, admitted: a/*, max_attempts: 3}"),
    (
        FREE,
        "{never: [b/*], rejected: {b/*: {reason: policy, rule: no-premium}}, rules: no-premium}",
    ),
    (FREE, "{rejected: {b/big: {}}, log: metadata, max_output_tokens: 100, max_attempts: 1}"),
    (BANNED, "{refused: policy_refused, ranked: []}"),
    (BANNED, "{refused: {rule: nothing-of-that, code: policy_refused}, rejected: {a/*: refused}}"),
    (KEY, "{redacted: [api_key], labels: {sensitivity: regulated, kinds: [api_key]}}"),
    (LOWERED, "{degraded: cheaper_tier, selected: a/small, refused: false}"),
    (LOWERED, "{degraded: {step: cheaper_tier, from: premium, to: economy, reason: policy}}"),
    (LATER, "{message: Later please., degraded: message, ranked: []}"),
    (KEPT, "{from_cache: b/big, degraded: cached_answer}"),
    (BROKE, "{limit_met: budget, selected: a/small}"),
    (ALL_OPEN, "{throttled: true, selected: a/small}"),
    ("prompt: Hello\nroute: nowhere", "{refused: model_not_found}"),
]


@pytest.mark.parametrize(("given", "expect"), HOLDING)
def test_what_holds_leaves_no_difference(tmp_path: Path, given: str, expect: str) -> None:
    """Each kind of expectation can be met."""
    result = result_of(tmp_path, expect.replace("rules: [], ", ""), given)

    assert result.differences == ()
    assert result.passed


FAILING = [
    (HELLO, "{route: dear}", "route", "dear", "auto"),
    (HELLO, "{strategy: cheapest}", "strategy", "cheapest", "priority"),
    (HELLO, "{selected: b/big}", "selected", "b/big", "a/small"),
    (FREE, "{fallback: b/big}", "fallback", "b/big", "none"),
    (HELLO, "{ranked: [b/big, a/small]}", "ranked", "b/big, a/small", "a/small, b/big"),
    (HELLO, "{ranked: []}", "ranked", "none", "a/small, b/big"),
    (HELLO, "{never: b/*}", "never", "b/* is never ranked", "b/big (place 2)"),
    (HELLO, "{rejected: {b/*: policy}}", "rejected", "b/big: policy", "b/big: ranked"),
    (HELLO, "{rejected: {a/plain: policy}}", "rejected",
     "a/plain: policy", "no such target on the route"),
    (FREE, "{rejected: {b/big: too_slow}}", "rejected",
     "b/big: too_slow", "b/big: policy by no-premium"),
    (FREE, "{rejected: {b/big: {rule: secrets}}}", "rejected",
     "b/big: by secrets", "b/big: policy by no-premium"),
    (HELLO, "{rejected: {b/big: {}}}", "rejected", "b/big: rejected", "b/big: ranked"),
    (HELLO, "{labels: {workload: code}}", "labels.workload", "code", "chat (by "),
    (KEY, "{labels: {kinds: [email, iban]}}", "labels.kinds", "email, iban", "api_key"),
    (HELLO, "{labels: {degradable: by_rule}}", "labels.degradable", "by_rule",
     "by_ladder (by default"),
    (HELLO, "{labels: {user_type: clerk}}", "labels.user_type", "clerk", "none"),
    (HELLO, "{labels: {lowering_ignored: true}}", "labels.lowering_ignored", "true", "false"),
    (HELLO, "{rules: no-premium}", "rules", "no-premium to apply", "none"),
    (FREE, "{not_rules: [secrets, no-premium]}", "not_rules",
     "no-premium, secrets not to apply", "no-premium"),
    (LOWERED, "{degraded: false}", "degraded", "nothing is stepped down",
     "cheaper_tier: premium -> economy, because policy"),
    (HELLO, "{degraded: message}", "degraded", "message", "none"),
    (HELLO, "{degraded: {to: economy}}", "degraded", "a step down", "none"),
    (LOWERED, "{degraded: message}", "degraded.step", "message", "cheaper_tier (cheaper_tier:"),
    (LOWERED, "{degraded: {to: standard}}", "degraded.to", "standard", "economy (cheaper_tier:"),
    (HELLO, "{refused: policy_refused}", "refused", "policy_refused", "no refusal"),
    (BANNED, "{refused: false}", "refused", "no refusal", "refused: policy_refused: The operators"),
    (BANNED, "{refused: {rule: secrets}}", "refused.rule", "secrets", "nothing-of-that"),
    (HELLO, "{refused: {rule: secrets}}", "refused.rule", "secrets", "none"),
    (HELLO, "{message: Later please.}", "message", "Later please.", "none"),
    (HELLO, "{from_cache: b/big}", "from_cache", "b/big", "none"),
    (KEY, "{redacted: []}", "redacted", "none", "api_key"),
    (HELLO, "{log: none}", "log", "none", "full"),
    (HELLO, "{cost_usd: {at_most: 0.0001}}", "cost_usd", "at most 0.0001", "0.000"),
    (HELLO, "{cost_usd: {at_least: 1}}", "cost_usd", "at least 1", "0.000"),
    ("prompt: Hello\nroute: plain", "{cost_usd: {at_most: 1}}", "cost_usd",
     "at most 1", "not known"),
    ("prompt: Hello\nroute: plain", "{cost_usd: {at_least: 1}}", "cost_usd",
     "at least 1", "not known"),
    (FREE, "{max_output_tokens: 50}", "max_output_tokens", "50", "100"),
    (HELLO, "{max_attempts: 1}", "max_attempts", "1", "3"),
    (HELLO, "{throttled: true}", "throttled", "true", "false"),
    (HELLO, "{admitted: b/big}", "admitted", "b/big", "a/small"),
    (BROKE, "{admitted: b/big}", "admitted", "b/big", "nobody (budget)"),
    (BANNED, "{admitted: b/big}", "admitted", "b/big", "nobody (no candidate)"),
    (HELLO, "{limit_met: budget}", "limit_met", "budget", "a/small is let through"),
    (BANNED, "{limit_met: budget}", "limit_met", "budget", "none"),
    ("prompt: Hello\nroute: nowhere", "{selected: a/small}", "selected", "a/small",
     "refused: model_not_found: The model 'nowhere'"),
    ("prompt: Hello\nroute: nowhere", "{labels: {workload: chat}}", "labels", "what is said",
     "refused: model_not_found:"),
    ("prompt: Hello\nroute: nowhere", "{refused: {rule: secrets}}", "refused.rule", "secrets",
     "none"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expect", "key", "expected", "got"), FAILING)
def test_what_does_not_hold_is_told_apart(
    tmp_path: Path, given: str, expect: str, key: str, expected: str, got: str
) -> None:
    """By its key, what was expected, and what came out."""
    result = result_of(tmp_path, expect, given)

    assert not result.passed
    (difference,) = [each for each in result.differences if each.key == key]
    assert difference.expected == expected
    assert difference.got.startswith(got)


def test_a_rule_that_bars_everybody_is_the_one_that_refuses(tmp_path: Path) -> None:
    """It need not be a refusal by its words."""
    given = (
        "prompt: Hello\ntenant: free\nroute: auto\nworld: {targets: {a/small: {unpriced: true}},"
    )
    given += " budget: {limit_usd: 1}}"

    result = result_of(tmp_path, "{refused: {code: policy_refused, rule: no-premium}}", given)

    assert result.differences == ()


def test_differences_stand_in_the_order_of_the_reference(tmp_path: Path) -> None:
    """However the test wrote them, so that two runs can be compared."""
    result = result_of(tmp_path, "{log: none, selected: b/big, route: dear}")

    assert [each.key for each in result.differences] == ["route", "selected", "log"]
    assert result.reason.startswith("a/small is first")
