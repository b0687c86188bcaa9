"""Errors: OpenAI's shape out, every provider's shape in, and nothing secret through."""

import math
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.catalog import Provider, Route, Target
from proxy.domain.outcome import UpstreamComplaint
from proxy.errors import CATALOGUE, GatewayError, UpstreamRefusal
from proxy.wire.errors import (
    complaint_of,
    error_body,
    error_event,
    error_headers,
    retry_after_of,
)
from proxy.wire.models import model_body, models_body

NOW_S = 1_764_000_000  # Mon, 24 Nov 2025 16:00:00 GMT


def test_error_body_has_openais_four_keys_and_the_request_id() -> None:
    """SDKs read message, type, param and code; the request id helps the operator."""
    error = GatewayError("missing_field", param="model", field="model")
    assert orjson.loads(error_body(error, "req-1")) == {
        "error": {
            "message": "The field 'model' is required.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "missing_field",
            "request_id": "req-1",
        }
    }


def test_error_event_is_one_data_line() -> None:
    """In a stream an error is an `error` object in a data line, on which SDKs raise."""
    error = GatewayError("invalid_body")
    event = error_event(error, "r")
    assert event == b"data: " + error_body(error, "r") + b"\n\n"
    assert event.count(b"\n") == 2


def test_provider_refusal_bears_the_providers_code() -> None:
    """A client's own mistake is told in the provider's words."""
    told = orjson.loads(error_body(UpstreamRefusal(422, "Bad n", "bad_n", "n"), "r"))["error"]
    assert (told["message"], told["code"], told["param"]) == ("Bad n", "bad_n", "n")
    untold = orjson.loads(error_body(UpstreamRefusal(400, None, None, None), "r"))["error"]
    assert untold["code"] == "request_refused_by_provider"
    assert untold["message"]


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_headers_forbid_a_retry_exactly_where_it_is_pointless(code: str) -> None:
    """`x-should-retry: false` where the row says so, nothing where a retry may help."""
    placeholders = dict.fromkeys(re.findall(r"{(\w+)}", CATALOGUE[code].message), "x")
    headers = error_headers(GatewayError(code, **placeholders))
    assert ("x-should-retry" in headers) is not CATALOGUE[code].may_retry
    assert "retry-after" not in headers


def test_retry_after_is_sent_where_known() -> None:
    """Seconds, as text."""
    error = GatewayError("provider_rate_limited", retry_after_s=7, route="r", attempts=1)
    assert error_headers(error) == {"retry-after": "7"}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            {"error": {"message": "Bad n", "type": "t", "param": "n", "code": "bad"}},
            UpstreamComplaint(400, "Bad n", "bad", "n"),
        ),
        ({"error": {"message": "m", "code": 400}}, UpstreamComplaint(400, "m", "400", None)),
        ({"error": "plain"}, UpstreamComplaint(400, "plain", None, None)),
        ({"detail": "Not valid"}, UpstreamComplaint(400, "Not valid", None, None)),
        (
            {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Field required"}]},
            UpstreamComplaint(400, "Field required", None, "messages[0].role"),
        ),
        (
            {"object": "error", "message": "m", "code": 40303, "param": None},
            UpstreamComplaint(400, "m", "40303", None),
        ),
        ([{"error": {"message": "g", "code": 400}}], UpstreamComplaint(400, "g", "400", None)),
        ({"error": {"message": ["a"], "code": {}, "param": 7}},
         UpstreamComplaint(400, None, None, None)),
        ({}, UpstreamComplaint(400, None, None, None)),
        ([], UpstreamComplaint(400, None, None, None)),
    ],
)  # fmt: skip
def test_complaints_are_read_in_every_shape(body: Any, complaint: UpstreamComplaint) -> None:
    """OpenAI, plain strings, FastAPI, vLLM, Gemini, and nothing."""
    assert complaint_of(400, orjson.dumps(body)) == complaint


def test_complaint_of_a_page_is_empty() -> None:
    """Of what is not JSON nothing is passed on."""
    assert complaint_of(413, b"<html>nginx") == UpstreamComplaint(413, None, None, None)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop1234",
        "sk-abc***********wxyz",
        "Bearer abcdefghijk",
        "api_key=hunter2hunter2",
        "API key provided: hunter2hunter2",
        "AIzaSyA1234567890abcdefghijklmnopqrst",
        "gsk_aaaabbbbccccdddd",
        "org-AbCdEf123456",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef0123456789abcdef",
        "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==",
        "pm_demo_0123456789",
    ],
)
def test_credentials_in_a_complaint_are_masked(secret: str) -> None:
    """What looks like a key never reaches the client."""
    text = f"Incorrect: {secret}, see docs."
    complaint = complaint_of(400, orjson.dumps({"error": {"message": text, "param": secret}}))
    shown = f"{complaint.message}{complaint.param}"
    assert "[masked]" in shown
    for part in re.findall(r"[A-Za-z0-9]{7,}", secret.removeprefix("API key provided")):
        if part not in ("Bearer",):
            assert part not in shown
    assert complaint.message is not None
    assert complaint.message.startswith("Incorrect")


@pytest.mark.parametrize(
    "text",
    [
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        "The sk-learn pipeline and org-wide defaults: basic settings are wrong.",
        "Invalid schema for function 'get_weather': 'additionalProperties' is required.",
        "max_tokens is too large: 99999. This model supports at most 16384 completion tokens.",
    ],
)
def test_ordinary_complaints_pass_unmasked(text: str) -> None:
    """A developer reads the provider's explanation as it was."""
    assert complaint_of(400, orjson.dumps({"error": {"message": text}})).message == text


def test_complaint_is_capped_and_on_one_line() -> None:
    """No control characters, at most 1,000 characters, no key cut in half at the cap."""
    text = "a\x1b[31m\r\n" + "b " * 490 + "sk-abcdefghijklmnopqrstuvwxyz" + "c" * 5000
    message = complaint_of(400, orjson.dumps({"error": {"message": text}})).message
    assert message is not None
    assert message.isprintable()
    assert len(message) <= 1000
    assert "sk-abc" not in message


@pytest.mark.parametrize(
    "error",
    [
        {"message": "m", "code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 8192 tokens."},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        {"message": "m", "type": "exceed_context_size_error", "code": 400},
        {"message": "the request exceeds the available context size, try increasing it"},
        {"message": "Input is too long for requested model."},
        {"message": "Input tokens exceed the configured limit of 272000 tokens."},
        {"message": "The input token count (1200000) exceeds the maximum number of tokens"},
        {"message": "Please reduce the length of the messages or completion."},
        {"code": "context_length_exceeded"},
        {"message": "x" * 3000 + " maximum context length"},
    ],
)
def test_context_overflow_is_one_code_in_all_phrasings(error: dict[str, Any]) -> None:
    """Clients look for context_length_exceeded in the code or in the message."""
    complaint = complaint_of(413, orjson.dumps({"error": error}))
    assert (complaint.status, complaint.code) == (400, "context_length_exceeded")
    assert complaint.message is not None
    assert "context_length_exceeded" in complaint.message
    assert len(complaint.message) <= 1000


@given(st.binary(max_size=100) | st.builds(lambda text: orjson.dumps({"error": text}), st.text()))
def test_any_complaint_can_be_read(body: bytes) -> None:
    """No upstream body makes the reader raise."""
    complaint_of(400, body)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.2 "}, 2),
        ({"retry-after-ms": "300"}, 1),
        ({"retry-after-ms": "2500", "retry-after": "50"}, 3),
        ({"retry-after-ms": "soon", "retry-after": "50"}, 50),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, 60),
        ({"retry-after": "inf"}, 60),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "9" * 1_000_000}, None),
        ({"retry-after": "Mon, 24 Nov 2025 16:00:09 GMT"}, 9),
        ({"retry-after": "Mon, 24 Nov 2025 15:59:59 GMT"}, None),
        ({"retry-after": "Mon, 24 Nov 2035 16:00:00 GMT"}, 60),
        ({"retry-after": "Mon, 99 Nov 2025 16:00:00 GMT"}, None),
        ({"retry-after": "Mon, 24 Foo 2025 16:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٧"}, 7),
    ],
)
def test_retry_after_is_read_and_bounded(headers: dict[str, str], wait_s: int | None) -> None:
    """Seconds, milliseconds or a date; garbage and the past are nothing, more than 60 s is 60."""
    assert retry_after_of(headers, NOW_S) == wait_s


@given(st.text(max_size=40) | st.floats().map(str), st.floats(0, 4e9))
def test_retry_after_is_none_or_from_1_to_60(text: str, now_s: float) -> None:
    """Whatever an upstream asks for."""
    for name in ("retry-after", "retry-after-ms"):
        wait_s = retry_after_of({name: text}, now_s)
        assert wait_s is None or (1 <= wait_s <= 60 and not math.isnan(wait_s))


def test_models_are_the_routes() -> None:
    """The list and the single model in OpenAI's shape."""
    target = Target("p/m", Provider("p", "openai", "http://127.0.0.1/v1"), "m", None)
    routes = [Route("auto", (target,)), Route("vendor/m:free", (target,))]
    auto = {"id": "auto", "object": "model", "created": 5, "owned_by": "pointsman"}
    listed = orjson.loads(models_body(routes, 5))
    assert listed == {"object": "list", "data": [auto, auto | {"id": "vendor/m:free"}]}
    assert orjson.loads(model_body(routes[0], 5)) == auto


def test_path_that_nests_without_end_is_no_crash() -> None:
    """What a provider names as the place of a mistake is read as far as it is one."""
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    body = orjson.dumps({"detail": [{"msg": "bad", "loc": ["body", deep, 0]}]})

    assert complaint_of(422, body).param == "[0]"
