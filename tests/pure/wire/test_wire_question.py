"""What `POST /v1/route` takes beside a chat."""

import orjson
import pytest

from proxy.errors import GatewayError
from proxy.wire.limits import Caps
from proxy.wire.question import Question, routing_question


@pytest.mark.parametrize("body", [b'{"messages":[]}', b"[1]", b"{", b""])
def test_chats_and_broken_bodies_are_the_parsers_business(body: bytes) -> None:
    """They pass as they are."""
    assert routing_question(body, Caps()) == Question(body, None)


def test_body_over_the_cap_is_not_decoded() -> None:
    """Neither a long one nor one with more brackets than may be read."""
    for body in (b'{"prompt":"' + b"x" * 2000 + b'"}', b'{"prompt":' + b"[" * 200):
        with pytest.raises(GatewayError) as refusal:
            routing_question(body, Caps(max_body_bytes=1000, max_brackets=100))
        assert refusal.value.code in {"body_too_large", "body_too_complex"}


def test_few_words_become_the_chat_they_stand_for() -> None:
    """Prompt, workload, bound, sensitive and tier each go where a chat would say them."""
    asked = {"prompt": "x", "workload": "code", "max_latency_ms": 900, "sensitive": True,
             "tier": "free", "model": "fast"}  # fmt: skip
    question = routing_question(orjson.dumps(asked), Caps())
    assert question.tier == "free"
    assert orjson.loads(question.chat) == {
        "model": "fast",
        "messages": [{"role": "user", "content": "x"}],
        "routing": {"workload": "code", "max_latency_ms": 900, "sensitivity": "regulated"},
    }


def test_least_question_is_a_prompt() -> None:
    """The route is `auto` unless said otherwise."""
    question = routing_question(b'{"prompt":"x","sensitive":false}', Caps())
    assert orjson.loads(question.chat)["model"] == "auto"
    assert orjson.loads(question.chat)["routing"] == {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"workload":"code"}', "prompt"),
        (b'{"prompt":7}', "prompt"),
        (b'{"prompt":"x","tier":"gold"}', "tier"),
        (b'{"prompt":"x","tier":[]}', "tier"),
        (b'{"prompt":"x","workload":"embeddings"}', "workload"),
        (b'{"prompt":"x","max_latency_ms":0}', "max_latency_ms"),
        (b'{"prompt":"x","max_latency_ms":"9"}', "max_latency_ms"),
        (b'{"prompt":"x","prompt":"y"}', "prompt"),
        (b'{"prompt":"x","\\u0070rompt":"y"}', "prompt"),
        (b'{"prompt":"x","sensitive":"no"}', "sensitive"),
        (b'{"prompt":"x","temperature":1}', None),
    ],
)
def test_wrong_questions_are_refused_by_name(body: bytes, param: str | None) -> None:
    """As a chat's fields are, by the name that was written; one that is none of ours is told, but
    no `param`.
    """
    with pytest.raises(GatewayError) as refusal:
        routing_question(body, Caps())
    assert refusal.value.param == param


def test_deep_question_is_refused_as_a_deep_chat_is() -> None:
    """The parser's library reads deeper than it writes."""
    body = b'{"prompt":"x","workload":' + b"[" * 300 + b"]" * 300 + b"}"

    with pytest.raises(GatewayError) as refusal:
        routing_question(body, Caps())

    assert refusal.value.code == "body_too_deep"
