"""The policies that are shipped as an example: what each allows, and what it refuses."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from proxy.config.load import load, parse
from proxy.domain.facts import Facts
from proxy.domain.labels import Kind, LatencyClass, Sensitivity, Workload
from proxy.domain.policies import TOOL_LOOP, rebound
from proxy.domain.rules import (
    Attribute,
    DegradeStep,
    LogLevel,
    PremiumCap,
    Ruling,
    Strategy,
    Term,
    Weights,
)
from proxy.domain.scopes import scope_hash
from proxy.routing.policy import rule_on, why_not
from proxy.units import NANOUSD_PER_USD
from tests.builders import some_facts, some_labels
from tests.policies import a_match

CONFIG = Path(__file__).parents[3] / "config"
LOADED = load(CONFIG / "policies.yaml")
SNAPSHOT = LOADED.snapshot
KEY = b"of this test"
TIERS = {"hobby": "free", "shop": "pro", "acme": "enterprise", "acme-eu": "enterprise"}

EVERYBODY = set(SNAPSHOT.targets)
WITH_DPA = EVERYBODY - {"groq/gpt-oss-20b"}
WITH_SOC2 = EVERYBODY - {"local/qwen"}
IN_EU = {"azure-eu/gpt-5.4", "azure-eu/gpt-4o-mini", "local/qwen"}
PREMIUM = {"openai/gpt-5.4", "azure-eu/gpt-5.4"}


def asked(tenant: str = "shop", **fields: Any) -> Facts:
    """A request of *tenant*; labels may be given among the other facts."""
    names = {"workload", "sensitivity", "kinds", "latency_class", "disallowed"}
    said = {name: fields.pop(name) for name in names & set(fields)}
    return some_facts(
        tenant_id=tenant, tenant_tier=TIERS[tenant], labels=some_labels(**said), **fields
    )


def ruled(facts: Facts) -> Ruling:
    """What the example says of *facts*."""
    return rule_on(facts, rebound(SNAPSHOT.policies, tuple(SNAPSHOT.routes.values()), KEY))


def allowed(facts: Facts) -> set[str]:
    """The targets that may answer."""
    return {
        id_ for id_, target in SNAPSHOT.targets.items() if why_not(target, ruled(facts)) is None
    }


def in_scope(name: str, value: str) -> tuple[tuple[str, str], ...]:
    """The scope, as facts hold it."""
    return ((name, scope_hash(KEY, name, value)),)


def test_example_is_fine_even_strictly() -> None:
    """Who copies it starts without a warning."""
    assert LOADED.warnings == ()


@pytest.mark.parametrize("sensitivity", [Sensitivity.REGULATED, Sensitivity.UNKNOWN])
def test_personal_data_needs_a_dpa(sensitivity: Sensitivity) -> None:
    """Nor does text that was not read go to a provider without one; its record keeps less."""
    assert allowed(asked(sensitivity=sensitivity)) == WITH_DPA
    assert ruled(asked(sensitivity=sensitivity)).log is LogLevel.METADATA
    assert allowed(asked(sensitivity=Sensitivity.INTERNAL)) == EVERYBODY


def test_enterprise_goes_to_soc2_vendors_only() -> None:
    """Others may use what is not audited."""
    assert allowed(asked("acme")) == WITH_SOC2
    assert "local/qwen" in allowed(asked("shop"))


@pytest.mark.parametrize(
    "facts",
    [
        asked(headers=(("x-data-region", "EU"),)),
        asked(scopes=in_scope("region", "eu")),
    ],
)
def test_eu_data_stays_in_the_eu(facts: Facts) -> None:
    """By header or by scope; whatever else is said, or not said, all may answer."""
    assert allowed(facts) == IN_EU


def test_eu_tenant_stays_in_the_eu() -> None:
    """With every other rule that holds for it."""
    assert allowed(asked("acme-eu")) == IN_EU & WITH_SOC2
    assert allowed(asked(headers=(("x-data-region", "us"),))) == EVERYBODY
    assert allowed(asked(scopes=in_scope("region", "us"))) == EVERYBODY


def test_code_review_is_by_quality_under_a_ceiling() -> None:
    """Only quality counts, within eight seconds; anything else interactive has 1.5."""
    review = ruled(asked(feature="code-review", workload=Workload.CODE))

    assert review.weights == Weights(((Term.QUALITY, 1.0),))
    assert (review.strategy, review.max_latency_ms) == (Strategy.SCORE, 8000)
    assert review.max_latency_rule == "review-is-careful"
    other = ruled(asked(feature="chat", workload=Workload.CODE))
    assert (other.weights, other.max_latency_ms) == (None, 1500)


def test_interactive_prefers_a_then_b() -> None:
    """Gates first, then the order of preference; batch is not meant."""
    ruling = ruled(asked(unix_s=at("2026-11-24T12:00")))

    assert ruling.strategy is Strategy.POLICY
    assert ruling.prefer == (
        a_match(Attribute.TARGET, "openai/gpt-4o-mini"),
        a_match(Attribute.TARGET, "azure-eu/gpt-4o-mini"),
    )
    assert ruling.max_latency_rule == "interactive-is-quick"
    assert ruling.degrade is not None
    assert ruling.degrade.steps == (DegradeStep.FEWER_TOKENS, DegradeStep.MESSAGE)
    batch = ruled(asked(latency_class=LatencyClass.BATCH, unix_s=at("2026-11-24T12:00")))
    assert (batch.prefer, batch.max_latency_ms, batch.degrade) == ((), None, None)


def test_batch_is_the_cheapest_that_is_good_enough() -> None:
    """Which that is depends on the workload."""
    batch = {"latency_class": LatencyClass.BATCH}

    assert ruled(asked(**batch)).strategy is Strategy.CHEAPEST
    assert allowed(asked(**batch)) == EVERYBODY - {"local/qwen"}
    assert allowed(asked(**batch, workload=Workload.CODE)) == PREMIUM
    assert allowed(asked(workload=Workload.CODE)) == EVERYBODY


def test_free_never_uses_premium() -> None:
    """And has smaller caps; who pays has neither."""
    free, paid = ruled(asked("hobby")), ruled(asked("shop"))

    assert allowed(asked("hobby")) == EVERYBODY - PREMIUM
    assert (free.max_attempts, free.max_output_tokens) == (2, 2048)
    assert (paid.max_attempts, paid.max_output_tokens) == (None, None)


def test_one_premium_thought_a_ticket() -> None:
    """Admission counts them by ticket; leaving the ticket out is no way around."""
    with_ticket = asked(workload=Workload.REASONING, scopes=in_scope("ticket", "1234"))
    without = asked(workload=Workload.REASONING)

    assert ruled(with_ticket).premium_caps == (
        PremiumCap("one-premium-thought-a-ticket", "ticket", 1),
    )
    assert allowed(with_ticket) == EVERYBODY
    assert ruled(without).premium_caps == ()
    assert allowed(without) == EVERYBODY - PREMIUM
    assert ruled(asked(scopes=in_scope("ticket", "1234"))).premium_caps == ()


def test_secrets_are_redacted() -> None:
    """Wherever one was found; where none was, nothing is."""
    assert ruled(asked(kinds=(Kind.API_KEY,))).redact == {Kind.API_KEY, Kind.PRIVATE_KEY}
    assert ruled(asked(kinds=(Kind.EMAIL,))).redact == frozenset()


def test_disallowed_content_is_refused() -> None:
    """With the operators' words and the rule's name."""
    refused = ruled(asked(disallowed=("weapons",))).refusal

    assert refused is not None
    assert refused.rule_id == "disallowed-content"
    assert "not served here" in refused.message
    assert ruled(asked()).refusal is None


def test_tool_loop_stays_with_its_provider() -> None:
    """Who issued the calls gets their results."""
    looping = asked(tool_origin="azure-eu")

    assert allowed(looping) == {"azure-eu/gpt-5.4", "azure-eu/gpt-4o-mini"}
    assert ruled(looping).applied[-1] == TOOL_LOOP


def test_own_cards_work_at_night() -> None:
    """Monday's night lasts until Tuesday morning; on Friday nobody is there to look."""
    own = (a_match(Attribute.TAGS, "own"),)
    batch = {"latency_class": LatencyClass.BATCH}

    assert ruled(asked(**batch, unix_s=at("2026-11-24T05:00"))).prefer == own
    assert ruled(asked(**batch, unix_s=at("2026-11-24T07:00"))).prefer == ()
    assert ruled(asked(**batch, unix_s=at("2026-11-27T23:00"))).prefer == ()


def test_every_request_has_a_bound_on_cost() -> None:
    """In nano-dollars, with the rule that set it."""
    ruling = ruled(asked())

    assert ruling.max_cost_nanousd == 3 * NANOUSD_PER_USD
    assert ruling.max_cost_rule == "no-surprises"


def at(text: str) -> int:
    """The unix time of *text* in Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp())


def test_examples_in_the_gateway_config_load_when_uncommented() -> None:
    """Its policies, and what targets and routes may say for them."""
    words = "- id|  when|  require|  strategy|quality|tags|strategy|weights|degrade"
    text = re.sub(rf"(?m)^( +)# (?=(?:{words}):)", r"\1", (CONFIG / "gateway.yaml").read_text())

    loaded = parse(text.encode(), "gateway.yaml")

    assert [rule.id for rule in loaded.snapshot.policies.rules] == [
        "free-is-never-premium", "personal-data-needs-dpa", "batch-is-cheap",
    ]  # fmt: skip
    assert loaded.snapshot.routes["auto"].degrade is not None
    assert loaded.snapshot.targets["openai/gpt-4o-mini"].tags == {"chatty"}
    assert all(each.message.startswith("has no price") for each in loaded.warnings)


def test_example_of_the_page_loads() -> None:
    """What docs/policies.md begins with can be copied as it stands."""
    page = (CONFIG.parent / "docs" / "policies.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    rest = (CONFIG / "policies.yaml").read_text().partition("\npolicies:\n")[0]

    loaded = parse(f"{rest}\n{block}".encode(), "policies.md")

    assert len(loaded.snapshot.policies.rules) == 3
    assert loaded.warnings == ()
