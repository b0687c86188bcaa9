"""The Node SDK's core, case by case. All cases run once a session, in one Node process.

The cases are functions of tests/sdk/node/*.mjs; each test here asserts what came of one.
"""

import asyncio
import json
from typing import Any

import pytest

from proxy.state.embedded import EmbeddedRedis
from tests.ruled import KEY
from tests.sdk.broken import BROKEN, UNREADABLE
from tests.sdk.nodejs import install, run_cases

# The first test waits for the whole process, and once for npm.
pytestmark = [pytest.mark.node, pytest.mark.slow]

CONNECTIONS = ("keep-alive", "close")


class Told(dict[str, Any]):
    """What came of each case; one that threw where it should not fails who asks for it."""

    def __getitem__(self, case: str) -> Any:
        told = super().__getitem__(case)
        if "unexpected" in told:
            pytest.fail(f"the case {case} threw: {told['unexpected']}")
        return told


@pytest.fixture(scope="session")
def node(redis_server: EmbeddedRedis) -> Told:
    """All cases, run; no test runs where the Node SDK cannot be had."""
    if (reason := install()) is not None:
        pytest.skip(f"Node SDK: {reason}")
    return Told(asyncio.run(run_cases(redis_server.url)))


def test_node_chat_is_answered(node: Told) -> None:
    """A plain call is parsed by the SDK: odd text, usage, and one request id in three places."""
    told = node["plain"]

    assert (told["text_is_whole"], told["finish_reason"]) == (True, "stop")
    assert told["usage"]["total_tokens"] > 0
    assert len(set(told["request_ids"])) == 1
    assert told["target"] == "first/sim-medium"


def test_node_stream_arrives_whole(node: Told) -> None:
    """A streamed answer in the smallest pieces is put together to the same text."""
    assert node["stream"] == {"text_is_whole": True, "finish_reason": "stop", "error": None}


def test_node_usage_event_arrives_exactly_when_asked(node: Told) -> None:
    """Only who asked for usage gets its event, once."""
    assert node["usage"] == {"asked": [32], "declined": [], "unasked": []}


@pytest.mark.parametrize("case", ["tools", "tools_streamed"])
def test_node_parallel_tool_calls_arrive(node: Told, case: str) -> None:
    """Two tool calls come in one go and, through the SDK's stream helper, in fragments."""
    assert node[case] == {
        "finish_reason": "tool_calls",
        "arguments": [{"city": "Paris"}, {"city": "東京"}],
    }


def test_node_parse_gives_structured_output(node: Told) -> None:
    """`parse` gives the schema's object, plain and streamed."""
    assert node["parse"] == [["string", "number"]] * 2


def test_node_completions_are_answered(node: Told) -> None:
    """The older endpoint says the same plain and streamed."""
    text = "Once upon a time."
    assert node["completions"] == {"plain": text, "streamed": text, "error": None}


def test_node_embeddings_are_equal_in_both_encodings(node: Told) -> None:
    """The SDK's default (base64) and floats give the same vectors."""
    told = node["embeddings"]

    assert (told["count"], told["values"]) == (200, 200 * 64)
    assert told["largest_difference"] < 1e-7


def test_node_models_are_the_routes(node: Told) -> None:
    """Routes are listed, and one with a slash and a colon in its name is retrieved."""
    assert node["models"] == {
        "listed": ["auto", "one", "hasty", "org/model:v1", "embeddings"],
        "retrieved": "org/model:v1",
    }


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("missing", "missing_api_key"),
        ("unknown", "invalid_api_key"),
        ("revoked", "revoked_api_key"),
        ("expired", "expired_api_key"),
    ],
)
def test_node_key_is_refused_with_its_code(node: Told, key: str, code: str) -> None:
    """Each way in which a key is no good is an AuthenticationError with its own code."""
    told = node["keys"]["told"][key]

    assert (told["kind"], told["status"], told["code"]) == ("AuthenticationError", 401, code)
    assert told["request_id"].startswith("req_")
    assert node["keys"]["calls"] == [0, 0, 0]


def test_node_unknown_model_lists_what_there_is(node: Told) -> None:
    """An unknown route is a NotFoundError, by a call and by look-up, that lists the known."""
    for told in node["unknown_model"]:
        assert (told["kind"], told["code"]) == ("NotFoundError", "model_not_found")
        assert "Available: auto, one, hasty, org/model:v1, embeddings" in told["message"]


def test_node_mistake_names_the_field(node: Told) -> None:
    """A wrong field is a BadRequestError with its name, and costs nothing."""
    told = node["bad_request"]["told"]

    assert (told["kind"], told["param"]) == ("BadRequestError", "temperature")
    assert node["bad_request"]["calls"] == [0, 0, 0]


def test_node_rate_limit_everywhere_is_told(node: Told) -> None:
    """429 of all providers is a RateLimitError."""
    told = node["rate_limited"]

    assert (told["kind"], told["code"]) == ("RateLimitError", "provider_rate_limited")


def test_node_short_rate_limit_is_waited_out(node: Told) -> None:
    """A 429 that passes soon is retried by the SDK, and answered."""
    assert node["rate_limited_shortly"] == {"finish_reason": "stop", "calls": [2, 0, 0]}


@pytest.mark.parametrize("manner", ["plain", "streamed"])
def test_node_does_not_repeat_a_spent_failover(node: Told, manner: str) -> None:
    """Failed providers are an InternalServerError after one call each, not three."""
    told = node["failed"][manner]

    assert (told["kind"], told["status"]) == ("InternalServerError", 502)
    assert told["code"] == "provider_failed"
    assert told["calls"] == [1, 1, 1]


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("name", BROKEN)
def test_node_broken_stream_throws_with_its_code(node: Told, name: str, connection: str) -> None:
    """Whatever breaks a stream that began, the application gets what came, then an exception."""
    told = node["broken"][f"{name}, {connection}"]

    assert told["chunks"] > 0
    assert told["error"] is not None
    assert (told["error"]["kind"], told["error"]["code"]) == ("APIError", "provider_interrupted")
    assert told["calls"] == [1, 0, 0]
    assert told["connection"] != "close"


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("name", UNREADABLE)
def test_node_event_that_is_not_json_throws(node: Told, name: str, connection: str) -> None:
    """An event that went through unread and is not JSON throws in the SDK."""
    told = node["broken"][f"{name}, {connection}"]

    assert told["chunks"] > 0
    assert told["error"] is not None


def test_node_stream_helper_throws_when_the_stream_breaks(node: Told) -> None:
    """The SDK's accumulator never takes a part of an answer for the whole."""
    assert node["broken_helper"]["kind"] is not None
    assert "broke off" in node["broken_helper"]["message"]


@pytest.mark.parametrize("case", ["left_by_break", "left_by_abort", "left_by_timeout"])
def test_node_left_call_is_cancelled_upstream(node: Told, case: str) -> None:
    """However an application leaves a call, the provider's work stops within a second."""
    assert node[case]["cancelled_ms"] is not None


@pytest.mark.parametrize("case", ["labels_in_body", "labels_in_headers"])
def test_node_labels_reach_the_rules_and_nobody_else(node: Told, case: str) -> None:
    """In the body's `routing` or in headers; the provider gets neither."""
    told = node[case]

    assert set(json.loads(told["sent"])) == {"model", "messages"}
    assert "workload=code; sensitivity=regulated" in told["decision"]
    assert told["target"] == "second/medium"


def test_node_unknown_label_is_a_bad_request(node: Told) -> None:
    """With the field's path, and the known words in its message."""
    told = node["unknown_label"]

    assert (told["kind"], told["param"]) == ("BadRequestError", "routing.workload")
    assert "synthesis" in told["message"]


def test_node_refusal_by_a_rule_is_permission_denied(node: Told) -> None:
    """The SDK's exception names the rule, and no provider was called."""
    told = node["policy_refusal"]["told"]

    assert (told["kind"], told["status"], told["code"]) == (
        "PermissionDeniedError", 403, "policy_refused"
    )  # fmt: skip
    assert "no-weapons" in told["message"]
    assert node["policy_refusal"]["calls"] == [0, 0, 0]


def test_node_secret_never_reaches_the_provider(node: Told) -> None:
    """What the simulated provider received has a placeholder in its place."""
    told = node["redaction"]

    assert KEY not in told["sent"]
    assert "My key is API_KEY_" in told["sent"]
    assert told["redacted"] == "api_key=1"


def test_node_degradation_is_seen_in_the_headers(node: Told) -> None:
    """An application that cares can see that it got less than it asked for."""
    assert node["degradation"] == {
        "finish_reason": "stop",
        "degraded": "from=premium; to=standard; reason=policy",
    }


def test_node_high_risk_gets_the_error(node: Told) -> None:
    """The same request, of which the application says that much depends on it."""
    told = node["high_risk"]

    assert (told["kind"], told["code"]) == ("PermissionDeniedError", "policy_refused")
