"""A dry run: what the gateway would do, by the functions that do it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from proxy.config.load import parse
from proxy.domain.catalog import Endpoint
from proxy.domain.decision import Reason
from proxy.domain.labels import Kind, Origin, Workload
from proxy.domain.rules import DegradeStep
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Breaker, Standing
from proxy.errors import GatewayError
from proxy.execution.dry_run import DryRun, Moment, Sent, dry_run
from proxy.execution.grant import grant
from proxy.execution.scan import SLICE_BYTES

CONFIG = """\
providers:
  a: {dialect: openai, base_url: "http://127.0.0.1:1/v1", allow_private: true, region: eu}
  b: {dialect: openai, base_url: "http://127.0.0.1:2/v1", allow_private: true}
targets:
  a/small: {provider: a, model: small, tier: economy, context_window_tokens: 2000,
            price: {input_usd_per_million: 1, output_usd_per_million: 2}}
  b/big: {provider: b, model: big, tier: premium, context_window_tokens: 4000,
          price: {input_usd_per_million: 3, output_usd_per_million: 6}}
  b/vectors: {provider: b, model: vectors, embedding_space: v}
routes:
  auto: {targets: [a/small, b/big]}
  vectors: {targets: [b/vectors]}
  ladder:
    targets: [b/big]
    degrade: {steps: [cheaper_tier, fewer_tokens, shorter_context, cached_answer, message],
              max_tokens: 64, message: Later please.}
tenants:
  acme: {tier: pro, routes: [auto, ladder, vectors]}
  alone: {tier: free, routes: [ladder]}
"""


NOON = Moment(1_767_700_800)


def snapshot_with(policies: str = "", extra: str = "") -> Snapshot:
    """The config above with *policies*, which are a list in flow style."""
    text = f"{CONFIG}{extra}" + (f"policies: {policies}\n" if policies else "")
    return parse(text.encode(), "test.yaml").snapshot


def ran(
    snapshot: Snapshot | None = None,
    *,
    text: str = "Hello",
    tenant: str = "acme",
    headers: dict[str, str] | None = None,
    moment: Moment = NOON,
    **fields: Any,
) -> DryRun:
    """A dry run of a chat that says *text*."""
    snapshot = snapshot or snapshot_with()
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
    sent = Sent(orjson.dumps(body), headers or {})
    return dry_run(sent, snapshot.tenants[tenant], snapshot, moment)


def ranked(run: DryRun) -> list[str]:
    """The candidates, best first."""
    return [candidate.target.id for candidate in run.decision.ranking]


def test_plain_request_is_understood_and_decided() -> None:
    """Labels come of headers and text, candidates of the route; nothing is stepped down."""
    run = ran(text="Mail bob@x.com", headers={"x-pointsman-workload": "code"})

    assert run.facts.labels.workload == (Workload.CODE, Origin.CALLER, 1.0)
    assert run.facts.labels.kinds == (Kind.EMAIL,)
    assert run.facts.draw == 0.5
    assert ranked(run) == ["a/small", "b/big"]
    assert run.decided is run.decision
    assert (run.refusal, run.message, run.from_cache, run.redacted) == (None, None, None, ())


def test_same_arguments_give_the_same_run() -> None:
    """Nothing else plays a part."""
    snapshot = snapshot_with()

    assert ran(snapshot) == ran(snapshot)


def test_text_longer_than_a_slice_is_read_to_its_end() -> None:
    """There is nobody whose turn it could be."""
    run = ran(text="x " * SLICE_BYTES + "bob@x.com")

    assert run.facts.labels.kinds == (Kind.EMAIL,)


def test_route_that_is_not_granted_is_refused() -> None:
    """As the gateway does, naming those that may be asked for; what is shown is printable."""
    with pytest.raises(GatewayError) as refused:
        ran(tenant="alone", model="au\x07to")

    assert refused.value.code == "model_not_found"
    assert "'au?to'" in refused.value.message
    assert "Available: ladder." in refused.value.message


def test_tenant_without_routes_is_told_of_none() -> None:
    """There may be no route to name."""
    snapshot = snapshot_with()
    tenant = replace(snapshot.tenants["acme"], routes=frozenset())

    with pytest.raises(GatewayError, match="model_not_found") as refused:
        grant("auto", tenant, snapshot)

    assert "Available: none." in refused.value.message


def test_tool_origin_counts_only_where_calls_are_answered() -> None:
    """What was remembered of another request does not matter to this one."""
    moment = Moment(1_767_225_600, tool_origin="b")
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "Fine"},
    ]

    assert ranked(ran(moment=moment)) == ["a/small", "b/big"]
    assert ranked(ran(moment=moment, messages=messages)) == ["b/big"]


def test_scopes_are_compared_under_the_snapshot_s_own_key() -> None:
    """A rule that names a scope's value applies to who sends it."""
    snapshot = snapshot_with("[{id: eu, when: {scope: {region: eu}}, require: {region: eu}}]")

    assert ranked(ran(snapshot, headers={"x-pointsman-scope": "region=eu"})) == ["a/small"]
    assert ranked(ran(snapshot, headers={"x-pointsman-scope": "region=us"})) == [
        "a/small",
        "b/big",
    ]


def test_headers_that_rules_look_at_are_seen() -> None:
    """By their names in lower case."""
    snapshot = snapshot_with("[{id: h, when: {header: {x-where: eu}}, require: {region: eu}}]")

    assert ranked(ran(snapshot, headers={"x-where": "eu"})) == ["a/small"]


def test_rule_s_refusal_is_the_end() -> None:
    """The client would be told by whom; there is no ladder."""
    run = ran(snapshot_with("[{id: no, refuse: Not here.}]"))

    assert run.refusal is not None
    assert run.refusal.code == "policy_refused"
    assert ranked(run) == []


def test_ladder_steps_down_to_a_cheaper_tier() -> None:
    """From the tenant's other routes, and the first decision is kept beside it."""
    run = ran(snapshot_with("[{id: cheap, forbid: {tier: premium}}]"), model="ladder")

    assert (ranked(run), run.decided.ranking) == (["a/small"], ())
    assert run.decision.degradation is not None
    assert run.decision.degradation.step is DegradeStep.CHEAPER_TIER


def test_ladder_shortens_what_is_too_long() -> None:
    """Where turns can be left out."""
    turns = [{"role": "user", "content": "word " * 200_000}, {"role": "user", "content": "End"}]

    run = ran(model="ladder", messages=turns, tenant="alone")

    assert run.decision.degradation is not None
    assert run.decision.degradation.step is DegradeStep.SHORTER_CONTEXT
    assert ranked(run) == ["b/big"]


def test_ladder_goes_on_where_nothing_can_be_left_out() -> None:
    """One turn that is too long: the operators' message is left."""
    run = ran(model="ladder", text="word " * 200_000, tenant="alone")

    assert run.message == "Later please."
    assert run.decision.degradation is not None
    assert run.decision.degradation.step is DegradeStep.MESSAGE


KEEPING = "[{id: keep, cache: true}, {id: quick, max_latency_ms: 100}]"
SLOW = {"b/big": Standing(first_token_p95_ms=9000.0)}


@pytest.mark.parametrize(
    ("kept_from", "stream", "given"),
    [("b/big", False, "b/big"), ("b/big", True, None), (None, False, None)],
)
def test_ladder_gives_a_kept_answer_if_there_is_one(
    kept_from: str | None, stream: bool, given: str | None
) -> None:
    """To a plain request; else the next rung is asked."""
    snapshot = replace(snapshot_with(KEEPING), standings=SLOW)
    moment = Moment(1_767_225_600, kept_from=kept_from)

    run = ran(snapshot, model="ladder", tenant="alone", stream=stream, moment=moment)

    assert run.from_cache == given
    assert run.message == (None if given else "Later please.")


CAPPED = "[{id: team/one, premium_cap: {scope: ticket, calls: 1}}]"
TICKET = {"x-pointsman-scope": "ticket=7"}


@pytest.mark.parametrize(
    ("calls", "headers", "candidates"),
    [
        ({}, TICKET, ["a/small", "b/big"]),
        ({"ticket": 1}, TICKET, ["a/small"]),
        ({"ticket": 1}, {}, ["a/small", "b/big"]),
        ({"case": 9}, TICKET, ["a/small", "b/big"]),
    ],
)
def test_premium_target_is_left_out_where_its_cap_is_spent(
    calls: dict[str, int], headers: dict[str, str], candidates: list[str]
) -> None:
    """Of the scope that the request names; the rule is told, whatever its id looks like."""
    moment = replace(NOON, premium_calls=calls)

    run = ran(snapshot_with(CAPPED), headers=headers, moment=moment)

    assert ranked(run) == candidates
    told = [(each.target_id, each.reason, each.rule) for each in run.decision.rejected]
    assert told == [("b/big", Reason.CAP_SPENT, "team/one")] * (len(candidates) == 1)


def test_ladder_does_not_bring_back_what_a_cap_keeps_out() -> None:
    """A smaller answer of the same target would be one premium call more."""
    moment = replace(NOON, premium_calls={"ticket": 1})

    run = ran(snapshot_with(CAPPED), model="ladder", tenant="alone", headers=TICKET, moment=moment)

    assert ranked(run) == []
    assert run.message == "Later please."


def test_open_breakers_are_seen() -> None:
    """What is known of targets comes with the snapshot."""
    snapshot = replace(snapshot_with(), standings={"a/small": Standing(Breaker.OPEN)})

    assert ranked(ran(snapshot)) == ["b/big"]


def test_kinds_that_would_be_redacted_are_told() -> None:
    """Those that were found, of those that a rule names."""
    snapshot = snapshot_with("[{id: r, redact: [email, iban]}]")

    assert ran(snapshot, text="Mail bob@x.com").redacted == (Kind.EMAIL,)
    assert ran(snapshot).redacted == ()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"text": "x" * 5000}, "more than 1024 bytes of text"),
        ({"text": "4111 1111 1111 1112 " * 40}, "so many numbers"),
        ({"metadata": ["x"] * 30_001}, "more than 30000 values"),
        ({"metadata": "data:text/plain,x"}, "data in a URL"),
    ],
)
def test_what_was_not_read_cannot_be_redacted(sent: dict[str, Any], reason: str) -> None:
    """It is not sent, and the message does not send its reader after what is not so."""
    extra = "classify: {max_scanned_bytes: 1024}\n"
    rules = "[{id: r, redact: [email]}]"

    run = ran(snapshot_with(rules, extra), **sent)

    assert run.refusal is not None
    assert run.refusal.code == "not_redactable"
    assert reason in run.refusal.message
    assert ("bytes of text" in run.refusal.message) == ("text" in sent)


def test_embeddings_are_decided_too() -> None:
    """By their own endpoint."""
    snapshot = snapshot_with()
    sent = Sent(b'{"model": "vectors", "input": "Hello"}', endpoint=Endpoint.EMBEDDINGS)

    run = dry_run(sent, snapshot.tenants["acme"], snapshot, Moment(0))

    assert ranked(run) == ["b/vectors"]
    assert run.facts.labels.workload.value is Workload.EMBEDDINGS


def test_what_cannot_be_cut_out_is_foretold_to_be_refused() -> None:
    """A value that is a key of the request's own JSON has nothing that could stand in its place."""
    schema = {"type": "object", "properties": {"ann.lee@example.com": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]

    run = ran(snapshot_with("[{id: r, redact: [email]}]"), tools=tools)

    assert run.refusal is not None
    assert run.refusal.code == "not_redactable"
