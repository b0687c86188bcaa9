"""What is kept of a request for its decision."""

from proxy.domain.labels import Workload
from proxy.domain.tenant import Tenant
from proxy.domain.traits import Traits
from proxy.routing.facts import Setting, draw_of, facts_of, headers_for
from tests.builders import a_request, some_labels


def test_facts_are_of_request_traits_labels_and_setting() -> None:
    """Each figure comes from where it is known, and the text from nowhere."""
    traits = Traits(turns=2, images=1, tools=3, max_latency_ms=9, feature="f",
                    scopes=(("a", "h"),), session="s", prefix="p")  # fmt: skip
    tenant = Tenant("acme", "pro", frozenset({"auto"}))
    setting = Setting(tenant, "req_" + "0" * 12 + "8" + "0" * 11, (("x-a", "1"),), "openai", 77)
    labels = some_labels(workload=Workload.CODE)
    facts = facts_of(a_request(max_tokens=5), traits, labels, setting)
    assert (facts.tenant_id, facts.tenant_tier, facts.route_id) == ("acme", "pro", "auto")
    assert (facts.turns, facts.images, facts.tools, facts.max_output_tokens) == (2, 1, 3, 5)
    assert (facts.headers, facts.tool_origin, facts.unix_s) == ((("x-a", "1"),), "openai", 77)
    assert (facts.labels, facts.draw) == (labels, 0.5)
    assert "Hello" not in repr(facts)


def test_draw_is_the_ids_own() -> None:
    """The same id draws the same number, in [0, 1)."""
    assert draw_of("req_" + "0" * 24) == 0.0
    assert draw_of("req_" + "f" * 24) < 1.0


def test_only_headers_that_rules_look_at_are_kept() -> None:
    """Sorted, and only those that were sent."""
    sent = {"x-b": "2", "x-a": "1", "authorization": "secret"}
    assert headers_for(frozenset({"x-b", "x-a", "x-c"}), sent) == (("x-a", "1"), ("x-b", "2"))
    assert headers_for(frozenset(), sent) == ()
