"""From text to decision to answer, through the whole gateway: labels, rules, the ladder."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import pytest_asyncio

from proxy.state.snapshots import SnapshotHolder
from tests.gateway import GatewayUnderTest, running_gateway
from tests.ruled import CONFIG, KEY, MAIL
from tests.server.raw import Answer, a_chat, a_post, connected


@pytest_asyncio.fixture
async def gateway(redis_url: str) -> AsyncIterator[GatewayUnderTest]:
    """A gateway with rules, three providers and a ladder or two."""
    async with running_gateway(redis_url, config_text=CONFIG) as running:
        yield running


async def asked(
    gateway: GatewayUnderTest,
    content: str = "Hello",
    *lines: str,
    path: str | None = None,
    **fields: Any,
) -> Answer:
    """The answer to a chat that says *content*."""
    body = a_chat(messages=[{"role": "user", "content": content}], **fields)
    where = {} if path is None else {"path": path}
    async with connected(gateway) as it:
        return await it.ask(a_post(gateway, body, *lines, **where))


def refresh(gateway: GatewayUnderTest) -> None:
    """Let decisions see what was seen of targets, in place of a second's wait."""
    serving = gateway.runner._gateway
    assert serving is not None
    holder = serving._pipeline._snapshots
    assert isinstance(holder, SnapshotHolder)
    holder.refresh()


async def test_labels_and_rules_stand_in_header_and_line(gateway: GatewayUnderTest) -> None:
    """What was decided is told to the client and to the log, without a word of the text."""
    answer = await asked(gateway, MAIL, "x-pointsman-workload: extraction")
    (row,) = await gateway.lines.requests(1)

    assert answer.header("x-pointsman-target") == "second/medium"
    told = answer.header("x-pointsman-decision") or ""
    assert "workload=extraction" in told
    assert "sensitivity=regulated" in told
    decision = row["decision"]
    assert decision["rules"] == ["personal-data-needs-dpa"]
    assert decision["labels"]["kinds"] == ["email"]
    assert (decision["labels"]["workload"], decision["labels"]["origin"]) == (
        "extraction",
        "caller",
    )
    assert row["skipped"][0]["rule"] == "personal-data-needs-dpa"
    assert b"ann.lee" not in b"".join(gateway.lines.text)


async def test_rules_bind_fallbacks(gateway: GatewayUnderTest) -> None:
    """Where the first permitted target fails, the next permitted one is tried, and no other."""
    gateway.script("second", error={"status": 500})
    answer = await asked(gateway, MAIL)

    assert answer.header("x-pointsman-target") == "third/large"
    assert gateway.all_calls() == [0, 1, 1]


async def test_caller_raises_sensitivity_and_never_lowers_it(gateway: GatewayUnderTest) -> None:
    """A claim of more is believed, one of less is ignored and recorded."""
    raised = await asked(gateway, "Hello", routing={"sensitivity": "regulated"})
    lowered = await asked(gateway, MAIL, "x-pointsman-sensitivity: public")
    rows = await gateway.lines.requests(2)

    assert raised.header("x-pointsman-target") == "second/medium"
    assert lowered.header("x-pointsman-target") == "second/medium"
    ignored = [row["decision"]["labels"]["lowering_ignored"] for row in rows]
    assert ignored == [False, True]


@pytest.mark.parametrize(
    ("routing", "line", "param"),
    [
        ({"workload": "poetry"}, None, "routing.workload"),
        ({"wrkload": "code"}, None, "routing"),
        ({"max_latency_ms": 0}, None, "routing.max_latency_ms"),
        ([], None, "routing"),
        (None, "x-pointsman-workload: poetry", "x-pointsman-workload"),
        ({"workload": "code"}, "x-pointsman-workload: chat", "routing.workload"),
    ],
)
async def test_words_that_are_not_known_are_refused_by_name(
    gateway: GatewayUnderTest, routing: object, line: str | None, param: str
) -> None:
    """A slip of the pen never passes for silence."""
    fields = {} if routing is None else {"routing": routing}
    answer = await asked(gateway, "Hello", *([line] if line else []), **fields)

    assert answer.status == 400
    assert answer.error["param"] == param
    assert gateway.all_calls() == [0, 0, 0]


async def test_refusal_names_its_rule(gateway: GatewayUnderTest) -> None:
    """What is not served is refused with the operators' words; nothing is sent."""
    answer = await asked(gateway, "How do I build a bomb?")

    assert answer.status == 403
    assert answer.error["code"] == "policy_refused"
    assert "no-weapons" in answer.error["message"]
    assert "This is not answered here." in answer.error["message"]
    assert answer.header("x-should-retry") == "false"
    assert gateway.all_calls() == [0, 0, 0]


async def test_secrets_are_taken_out_before_they_leave(gateway: GatewayUnderTest) -> None:
    """The provider gets a placeholder; the rest of the body is the client's."""
    gateway.script("second", echo=True)
    answer = await asked(gateway, f"Why does {KEY} fail? And {KEY} again?", temperature=0.5)

    echoed = orjson.loads(orjson.loads(answer.body)["choices"][0]["message"]["content"])
    sent = orjson.loads(b64decode(echoed["body_base64"]))
    content = sent["messages"][0]["content"]
    assert KEY not in content
    assert content.startswith("Why does API_KEY_")
    assert content.count(content.split()[2]) == 2  # the same value, the same placeholder
    assert sent["temperature"] == 0.5
    assert answer.header("x-pointsman-redacted") == "api_key=2"
    (row,) = await gateway.lines.requests(1)
    assert row["decision"]["redacted"] == {"api_key": 2}


async def test_text_that_is_too_long_to_be_read_is_unknown(redis_url: str) -> None:
    """What was not read counts as regulated and as holding every kind, so it is not sent where a
    rule takes out what has one.
    """
    short = CONFIG.replace("    classify:\n", "    classify:\n      max_scanned_bytes: 2000\n")
    async with running_gateway(redis_url, config_text=short) as gateway:
        long = await asked(gateway, "word " * 800)
        async with connected(gateway) as it:
            decided = await it.ask(
                a_post(gateway, a_chat(messages=[{"role": "user", "content": "a " * 1500}]),
                       path="/v1/route")
            )  # fmt: skip

    assert (long.status, orjson.loads(long.body)["error"]["code"]) == (413, "not_redactable")
    assert orjson.loads(decided.body)["labels"]["sensitivity"]["value"] == "unknown"


async def test_cheaper_tier_is_told(gateway: GatewayUnderTest) -> None:
    """Never a silent downgrade: the header says from what, to what, and why."""
    answer = await asked(gateway, model="cheap")
    (row,) = await gateway.lines.requests(1)

    assert answer.status == 200
    assert answer.header("x-pointsman-target") == "second/medium"
    assert answer.header("x-pointsman-degraded") == "from=premium; to=standard; reason=policy"
    assert row["decision"]["degraded"]["step"] == "cheaper_tier"


async def test_high_risk_is_not_stepped_down(gateway: GatewayUnderTest) -> None:
    """Where only the route has a ladder, who says that much depends on it gets the rule's error."""
    careful = await asked(gateway, "Hello", "x-pointsman-risk: high", model="cheap")
    told = await asked(gateway, "Hello", model="cheap", path="/v1/route", routing={"risk": "high"})
    easy = await asked(gateway, "Hello", model="cheap", routing={"risk": "low"})
    rows = await gateway.lines.requests(3)

    assert (careful.status, careful.error["code"]) == (403, "policy_refused")
    assert careful.header("x-pointsman-degraded") is None
    label = orjson.loads(told.body)["labels"]["degradable"]
    assert label == {"value": "by_rule", "origin": "caller", "confidence": 1.0}
    assert orjson.loads(told.body)["selected"] is None
    assert easy.header("x-pointsman-target") == "second/medium"
    labels = [row["decision"]["labels"] for row in (rows[0], rows[2])]
    assert [(each["risk"], each["degradable"]) for each in labels] == [
        ("high", "by_rule"), ("low", "freely")
    ]  # fmt: skip


async def test_fewer_tokens_are_asked_for(gateway: GatewayUnderTest) -> None:
    """A bound on cost is kept by a smaller limit for the answer, in the body that is sent."""
    gateway.script("second", echo=True)
    answer = await asked(gateway, model="bounded", max_tokens=3000)

    assert answer.status == 200, answer.body
    echoed = orjson.loads(orjson.loads(answer.body)["choices"][0]["message"]["content"])
    assert orjson.loads(b64decode(echoed["body_base64"]))["max_tokens"] == 50
    assert (answer.header("x-pointsman-degraded") or "").startswith(
        "from=3000 tokens; to=50 tokens"
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_message_is_said_where_nothing_else_is_left(
    gateway: GatewayUnderTest, stream: bool
) -> None:
    """In the shape that was asked for, visibly, and without a provider."""
    answer = await asked(gateway, "Hello", "x-night: 1", model="said", stream=stream)
    (row,) = await gateway.lines.requests(1)

    assert answer.status == 200
    assert b"Back at nine." in answer.body
    assert answer.header("x-pointsman-degraded") == "from=answer; to=message; reason=policy"
    assert answer.header("x-pointsman-target") is None
    assert gateway.all_calls() == [0, 0, 0]
    assert (row["target"], row["cost_nanousd"]) == (None, None)


async def test_kept_answer_serves_the_same_request_again(gateway: GatewayUnderTest) -> None:
    """Where no target fits any more; another request is not answered so, and a rule that forbids
    the target forbids what it once said.
    """
    question = "What is a routing gateway?"
    fresh = await asked(gateway, question, model="kept")
    kept = await asked(gateway, question, "x-morning: 1", model="kept")
    other = await asked(gateway, "What is a proxy?", "x-morning: 1", model="kept")
    forbidden = await asked(gateway, question, "x-night: 1", model="kept")
    rows = await gateway.lines.requests(4)

    assert gateway.all_calls() == [0, 0, 1]
    assert (fresh.status, fresh.header("x-pointsman-degraded")) == (200, None)
    assert kept.body == fresh.body
    assert (kept.header("x-pointsman-degraded") or "").startswith("from=fresh; to=cached")
    assert (rows[1]["decision"]["degraded"]["step"], rows[1]["cost_nanousd"]) == (
        "cached_answer",
        None,
    )
    assert b"Back at nine." in other.body
    assert b"Back at nine." in forbidden.body


async def test_cap_holds_for_requests_that_come_at_once(gateway: GatewayUnderTest) -> None:
    """Of ten with the same ticket one gets the premium target, however they interleave."""
    gateway.script("third", latency_ms=30)
    scope = "x-pointsman-scope: ticket=many"
    answers = await asyncio.gather(
        *(asked(gateway, "Think", scope, model="thinking") for _ in range(10))
    )

    targets = sorted(each.header("x-pointsman-target") or "" for each in answers)
    assert targets == ["second/medium"] * 9 + ["third/large"]


async def test_tenants_do_not_spend_each_others_caps(gateway: GatewayUnderTest) -> None:
    """The same ticket's number at another company is another ticket."""
    scope = "x-pointsman-scope: ticket=shared"
    token, _ = await gateway.store.create("globex", "test")
    ours = await asked(gateway, "Think", scope, model="thinking")
    theirs = await asked(replace(gateway, token=token), "Think", scope, model="thinking")

    assert ours.header("x-pointsman-target") == "third/large"
    assert theirs.header("x-pointsman-target") == "third/large"


async def test_premium_cap_steps_down_on_the_second_call(gateway: GatewayUnderTest) -> None:
    """One premium call a ticket; the next goes to what is left, another ticket starts anew."""
    scope = "x-pointsman-scope: ticket=1234"
    first = await asked(gateway, "Think", scope, model="thinking")
    second = await asked(gateway, "Think", scope, model="thinking")
    another = await asked(gateway, "Think", "x-pointsman-scope: ticket=99", model="thinking")
    rows = await gateway.lines.requests(3)

    targets = [each.header("x-pointsman-target") for each in (first, second, another)]
    assert targets == ["third/large", "second/medium", "third/large"]
    (skipped,) = rows[1]["skipped"]
    assert (skipped["reason"], skipped["rule"]) == ("cap_spent", "one-thought-a-ticket")
    assert b"1234" not in b"".join(gateway.lines.text)


async def test_cap_that_leaves_nobody_is_named(gateway: GatewayUnderTest) -> None:
    """As any rule that leaves nobody: in the refusal, and in the line with who was left out."""
    scope = "x-pointsman-scope: ticket=last"
    first = await asked(gateway, "Think", scope, model="alone")
    second = await asked(gateway, "Think", scope, model="alone")
    _, row = await gateway.lines.requests(2)

    assert (first.status, second.status) == (200, 403)
    assert second.error["code"] == "policy_refused"
    assert "one-thought-a-ticket" in second.error["message"]
    assert row["decision"]["candidates"] == 0
    assert [each["reason"] for each in row["skipped"]] == ["cap_spent"]


async def test_open_breaker_keeps_nobody_out_whom_a_cap_leaves_alone(
    gateway: GatewayUnderTest,
) -> None:
    """The last one left is called though it kept failing."""
    scope = "x-pointsman-scope: ticket=spent"
    gateway.script("second", error={"status": 500})
    for _ in range(6):
        await asked(gateway, "Warm up", model="second")
    gateway.script("second")
    first = await asked(gateway, "Think", scope, model="thinking")
    second = await asked(gateway, "Think", scope, model="thinking")

    assert first.header("x-pointsman-target") == "third/large"
    assert second.header("x-pointsman-target") == "second/medium"


async def test_failed_premium_call_is_given_back(gateway: GatewayUnderTest) -> None:
    """What was not answered, nor billed, does not use a ticket's call up."""
    scope = "x-pointsman-scope: ticket=7"
    gateway.script("third", error={"status": 429})
    failed = await asked(gateway, "Think", scope, model="thinking")
    gateway.script("third")
    again = await asked(gateway, "Think", scope, model="thinking")

    assert failed.header("x-pointsman-target") == "second/medium"
    assert again.header("x-pointsman-target") == "third/large"


async def test_tool_loop_stays_with_its_provider(gateway: GatewayUnderTest) -> None:
    """The results of a tool call go to who issued it, even where another would come first."""
    gateway.script("first", error={"status": 500})
    gateway.script("second", tool_calls=[{"name": "f", "arguments": "{}", "id": "call_of_second"}])
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    first = await asked(gateway, "Look it up", tools=tools)
    gateway.script("first")
    gateway.script("second")
    assert first.header("x-pointsman-target") == "second/medium"

    message = orjson.loads(first.body)["choices"][0]["message"]
    messages = [
        {"role": "user", "content": "Look it up"},
        message,
        {"role": "tool", "tool_call_id": "call_of_second", "content": "42"},
    ]
    async with connected(gateway) as it:
        second = await it.ask(a_post(gateway, a_chat(messages=messages, tools=tools)))
    assert second.header("x-pointsman-target") == "second/medium"
    assert (await gateway.lines.requests(2))[1]["decision"]["rules"] == ["builtin/tool-loop-stays"]


async def test_rule_knows_a_key_by_its_tag(gateway: GatewayUnderTest) -> None:
    """The same tenant's other keys are not meant."""
    token, _ = await gateway.store.create("acme", "pipeline", tags=["ci", "nightly"])
    tagged = await asked(replace(gateway, token=token))
    plain = await asked(gateway)

    assert tagged.header("x-pointsman-target") == "second/medium"
    assert plain.header("x-pointsman-target") == "first/small"


async def test_log_none_leaves_no_line(gateway: GatewayUnderTest) -> None:
    """A rule can keep a request out of the log; metrics count it all the same."""
    await asked(gateway, "Hello", "x-pointsman-feature: quiet")
    await asked(gateway, "Hello", "x-pointsman-feature: loud")
    rows = await gateway.lines.requests(1)

    assert len([row for row in gateway.lines.rows if row["event"] == "request"]) == len(rows) == 1


async def test_route_tells_the_decision_and_sends_nothing(gateway: GatewayUnderTest) -> None:
    """The whole decision, by the schema, without an echo of the text."""
    answer = await asked(gateway, MAIL, path="/v1/route")
    told = orjson.loads(answer.body)

    assert answer.status == 200
    assert told["selected"]["target"] == "second/medium"
    assert told["fallback"]["target"] == "third/large"
    assert [each["target"] for each in told["rejected"]] == ["first/small"]
    assert told["rules"] == ["personal-data-needs-dpa"]
    assert b"ann.lee" not in answer.body
    assert gateway.all_calls() == [0, 0, 0]


async def test_route_tells_what_is_expected(gateway: GatewayUnderTest) -> None:
    """Of the answers that came to like requests: attempts, and how many called tools."""
    gateway.script("first", error={"status": 500})
    gateway.script("second", tool_calls=[{"name": "f", "arguments": "{}"}])
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    await asked(gateway, "Look it up", tools=tools)
    gateway.script("first")
    await asked(gateway, "Look it up", tools=tools)
    refresh(gateway)
    answer = await asked(gateway, "Look it up", path="/v1/route", tools=tools)

    found = orjson.loads(answer.body)["expected"]
    assert (found["samples"], found["attempts"], found["tool_calls"]) == (2, 1.5, 0.5)
    assert 0 < found["completion_tokens"] <= found["completion_tokens_p95"]


async def test_route_takes_a_question_in_a_few_words(gateway: GatewayUnderTest) -> None:
    """Workload, prompt, tier, bound, sensitive or not: no chat need be written."""
    question = {"prompt": "x", "workload": "code", "sensitive": True, "tier": "enterprise"}
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, orjson.dumps(question), path="/v1/route"))
        wrong = await it.ask(a_post(gateway, b'{"prompt":"x","secret":true}', path="/v1/route"))

    told = orjson.loads(answer.body)
    assert told["labels"]["workload"]["value"] == "code"
    assert told["selected"]["target"] == "second/medium"
    assert (wrong.status, wrong.error["param"]) == (400, None)


async def test_route_shows_a_refusal_as_a_decision(gateway: GatewayUnderTest) -> None:
    """Nothing may answer: that is an answer here, with every reason."""
    answer = await asked(gateway, "How do I build a bomb?", path="/v1/route")
    told = orjson.loads(answer.body)

    assert (answer.status, told["selected"]) == (200, None)
    assert {each["rule"] for each in told["rejected"]} == {"no-weapons"}


async def test_target_that_keeps_failing_is_left_alone(gateway: GatewayUnderTest) -> None:
    """After five failures in a row its breaker opens: others are called at once."""
    gateway.script("first", error={"status": 500})
    for _ in range(5):
        await asked(gateway)
    refresh(gateway)
    answer = await asked(gateway)

    assert answer.header("x-pointsman-attempts") == "1"
    assert gateway.calls("first") == 5
    row = (await gateway.lines.requests(6))[-1]
    assert row["skipped"][0]["reason"] == "breaker_open"
