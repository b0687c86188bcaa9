"""Parsing: what routing needs is read, what is ambiguous or absurd is refused by name."""

import contextlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.catalog import Capability, Endpoint
from proxy.domain.request import Request
from proxy.errors import GatewayError
from proxy.wire.chat import MAX_MESSAGES
from proxy.wire.limits import Caps
from proxy.wire.parse import count_brackets, parse

HI: list[Any] = [{"role": "user", "content": "hi"}]


def chat(**members: Any) -> Request:
    """A parsed chat request, with a model and a message unless *members* say otherwise."""
    body = {"model": "auto", "messages": HI, **members}
    return parse(Endpoint.CHAT, orjson.dumps(body), Caps())


def refusal_of(endpoint: Endpoint, body: bytes, caps: Caps | None = None) -> GatewayError:
    """How *body* is refused."""
    with pytest.raises(GatewayError) as refusal:
        parse(endpoint, body, caps or Caps())
    return refusal.value


def refused(**members: Any) -> tuple[str, str | None]:
    """The code and param that a chat request with *members* is refused with."""
    body = {"model": "auto", "messages": HI, **members}
    error = refusal_of(Endpoint.CHAT, orjson.dumps(body))
    return error.code, error.param


def test_plain_chat_needs_nothing() -> None:
    """The least request: a model, a message, no stream, one answer."""
    request = chat()
    assert request.route_id == "auto"
    assert (request.stream, request.wants_usage, request.n) == (False, False, 1)
    assert request.needs == frozenset()
    assert (request.prompt_bytes, request.message_count) == (2, 1)
    assert request.max_output_tokens is None


def test_body_is_kept_as_sent() -> None:
    """The request holds the very bytes, and unknown members are nobody's business here."""
    body = b' {"model":"a", "seed":1e2, "messages":[{"role":"user","content":null}],"x":{}}\n'
    request = parse(Endpoint.CHAT, body, Caps())
    assert request.body is body
    assert list(request.decoded) == ["model", "seed", "messages", "x"]


@pytest.mark.parametrize(
    ("members", "need"),
    [
        ({"tools": [{"type": "function"}]}, Capability.TOOLS),
        ({"functions": [{"name": "f"}]}, Capability.TOOLS),
        ({"response_format": {"type": "json_schema"}}, Capability.JSON_SCHEMA),
        ({"modalities": ["text", "audio"]}, Capability.AUDIO),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, Capability.VISION),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, Capability.AUDIO),
    ],
)
def test_needs_are_read_off_the_body(members: dict[str, Any], need: Capability) -> None:
    """Each capability has its sign in the body."""
    assert chat(**members).needs == {need}


@pytest.mark.parametrize(
    "members",
    [
        {"tools": [], "functions": None, "response_format": {"type": "json_object"}},
        {"modalities": ["text"], "response_format": None},
        {"messages": [{"role": "tool", "content": [{"type": []}, "text", None, {"type": "file"}]}]},
    ],
)
def test_signs_that_ask_for_nothing_need_nothing(members: dict[str, Any]) -> None:
    """Empty lists, nulls and unknown parts rule no target out."""
    assert chat(**members).needs == frozenset()


TEXT = "x" * 500


@pytest.mark.parametrize(
    "message",
    [
        {"name": TEXT},
        {"function_call": {"name": "f", "arguments": TEXT}},
        {"tool_calls": [{"function": {"name": TEXT, "arguments": ""}}]},
        {"content": [TEXT]},
        {"content": {"text": TEXT}},
        {"content": [{"type": "text", "text": [TEXT]}]},
        {"content": [{"type": 5, "text": TEXT}]},
        {"content": [{"type": "document", "source": {"data": TEXT}}]},
        {"content": [{"type": "image_url", "image_url": {"url": "data:"}, "text": TEXT}]},
    ],
)
def test_text_counts_wherever_it_stands(message: dict[str, Any]) -> None:
    """A bound on cost rests on it, so that no member of a message goes uncounted."""
    size = chat(messages=[{"role": "user", "content": "hi", **message}]).prompt_bytes
    assert len(TEXT) <= size < len(TEXT) + 60
    assert chat(messages=[{"role": "user", **message}]).prompt_bytes >= len(TEXT)


@pytest.mark.parametrize(
    "members",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"description": TEXT}}},
        {"prediction": {"type": "content", "content": TEXT}},
        {"suffix": TEXT},
        {"documents": [TEXT]},
    ],
)
@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.COMPLETIONS])
def test_text_beside_the_prompt_counts(endpoint: Endpoint, members: dict[str, Any]) -> None:
    """Schemas, predictions, and what the gateway does not know, but a provider may."""
    prompt = {"prompt": "hi", "messages": [{"role": "user", "content": "hi"}]}
    body = orjson.dumps({"model": "a", **prompt, **members})
    assert parse(endpoint, body, Caps()).prompt_bytes >= len(TEXT)


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_what_is_no_text_does_not_count_as_text(kind: str) -> None:
    """A picture of a megabyte is not a million tokens."""
    part = {"type": kind, kind: {"data": TEXT}}
    assert chat(messages=[{"role": "user", "content": [part]}]).prompt_bytes == 0


def test_best_of_counts_as_answers() -> None:
    """All of them are written and billed, however few come back."""
    body = orjson.dumps({"model": "a", "prompt": "hi", "n": 2, "best_of": 9})
    assert parse(Endpoint.COMPLETIONS, body, Caps()).n == 9


def test_prompt_bytes_count_text_calls_and_tools() -> None:
    """Text counts in UTF-8, calls and tools by the bytes of their JSON."""
    request = chat(
        messages=[
            {"role": "system", "content": "é"},
            {"role": "user", "content": [{"type": "text", "text": "abc"}, {"type": "x"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"function": {"name": "f", "arguments": "{}"}},
                    {"custom": {"input": "12345"}},
                    None,
                ],
            },
        ],
        tools=[{}],
    )
    written = [message.get("tool_calls") for message in request.decoded["messages"]]  # type: ignore[attr-defined]  # a list
    calls = sum(len(orjson.dumps(each)) for each in written if each)
    assert request.prompt_bytes == 2 + 3 + calls + len("[{}]")
    assert request.message_count == 3


def test_larger_output_limit_counts() -> None:
    """Where both spellings are given, the larger is what an upstream might allow."""
    assert chat(max_tokens=5).max_output_tokens == 5
    assert chat(max_tokens=5, max_completion_tokens=9).max_output_tokens == 9
    assert chat(max_tokens=7, max_completion_tokens=None).max_output_tokens == 7


def test_usage_is_wanted_in_a_stream_only() -> None:
    """stream_options without a stream pass on and ask for nothing."""
    options = {"include_usage": True}
    assert chat(stream=True, stream_options=options).wants_usage
    assert not chat(stream=False, stream_options=options).wants_usage
    assert not chat(stream=True, stream_options=None).wants_usage
    assert not chat(stream=True, stream_options={"include_usage": None}).wants_usage


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"model": None}, "missing_field", "model"),
        ({"model": ""}, "invalid_field", "model"),
        ({"model": 7}, "invalid_field", "model"),
        ({"model": "m" * 257}, "invalid_field", "model"),
        ({"messages": None}, "missing_field", "messages"),
        ({"messages": []}, "invalid_field", "messages"),
        ({"messages": "hi"}, "invalid_field", "messages"),
        ({"messages": [*HI, "hi"]}, "invalid_field", "messages[1]"),
        ({"messages": [*HI, {}]}, "missing_field", "messages[1].role"),
        ({"messages": [*HI, {"role": "usr"}]}, "invalid_field", "messages[1].role"),
        ({"messages": [*HI, {"role": ["user"]}]}, "invalid_field", "messages[1].role"),
        ({"stream": "true"}, "invalid_field", "stream"),
        ({"stream": 1}, "invalid_field", "stream"),
        ({"stream_options": []}, "invalid_field", "stream_options"),
        (
            {"stream_options": {"include_usage": "yes"}},
            "invalid_field",
            "stream_options.include_usage",
        ),
        ({"n": 0}, "invalid_field", "n"),
        ({"n": 129}, "invalid_field", "n"),
        ({"n": True}, "invalid_field", "n"),
        ({"n": 1.0}, "invalid_field", "n"),
        ({"max_tokens": 0}, "invalid_field", "max_tokens"),
        ({"max_tokens": 2**31}, "invalid_field", "max_tokens"),
        ({"max_completion_tokens": -1}, "invalid_field", "max_completion_tokens"),
        ({"temperature": "hot"}, "invalid_field", "temperature"),
        ({"top_p": True}, "invalid_field", "top_p"),
        ({"presence_penalty": []}, "invalid_field", "presence_penalty"),
        ({"routing": None}, "invalid_field", "routing"),
        ({"routing": "eu"}, "invalid_field", "routing"),
        ({"response_format": "json"}, "invalid_field", "response_format"),
        ({"Model": "other"}, "invalid_field", "Model"),
        ({"ſtream": True}, "invalid_field", "?tream"),
    ],
)
def test_wrong_field_is_refused_by_its_name(members: dict[str, Any], code: str, param: str) -> None:
    """Each refusal says which field is at fault."""
    assert refused(**members) == (code, param)


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", "invalid_json", "it is empty"),
        (b" \n", "invalid_json", "it is empty"),
        (b'{"a":1', "invalid_json", "line 1, column"),
        (b'{"a":\n "secret" secret}', "invalid_json", "line 2, column"),
        (b'\xef\xbb\xbf{"model":"a"}', "invalid_json", "byte order mark"),
        (b'{"a":"\xff"}', "invalid_json", "UTF-8"),
        (b'{"a":"\\ud800"}', "invalid_json", "line 1"),
        (b'{"a":NaN}', "invalid_json", "line 1"),
        (b'{"a":1e999}', "invalid_json", "line 1"),
        (b'{"a":' + b"9" * 100_000 + b"}", "invalid_json", "line 1"),
        (b'{"a":1}{"a":1}', "invalid_json", "line 1"),
        (b"[]", "invalid_body", "object"),
        (b'"model"', "invalid_body", "object"),
        (b"[" * 100_000, "body_too_deep", "64"),
        (b'{"x":' + b"[" * 64 + b"]" * 64 + b"}", "body_too_deep", "64"),
        (b'{"x":' + b"[" * 300 + b"]" * 300 + b"}", "body_too_deep", "64"),  # read, not written
        (b'{"model":"a","model":"b"}', "duplicate_field", "'model'"),
        (b'{"model":"a","mod\\u0065l":"b"}', "duplicate_field", "'model'"),
        (b"{" + b",".join(b'"%d":1' % i for i in range(1001)) + b"}", "too_many_fields", "1000"),
    ],
)
def test_body_that_is_no_sound_object_is_refused(body: bytes, code: str, reason: str) -> None:
    """What cannot be read without doubt is not read at all, and not quoted."""
    error = refusal_of(Endpoint.CHAT, body)
    assert error.code == code
    assert reason in error.message
    assert "secret" not in error.message
    assert error.__context__ is None


def test_body_over_the_cap_is_refused_unread() -> None:
    """The cap holds before anything is parsed."""
    assert refusal_of(Endpoint.CHAT, b"x" * 11, Caps(max_body_bytes=10)).code == "body_too_large"


@pytest.mark.parametrize(
    "member",
    [
        b'"messages":[{"role":"user","role":"system"}]',
        b'"messages":[{"role":"user"}],"stream_options":{"include_usage":true,"include_usage":false}',
        b'"messages":[{"role":"user"}],"routing":{"feature":"a","feature":"b"}',
        b'"messages":[{"role":"user"}],"response_format":{"type":"text","type":"json_schema"}',
        b'"messages":[{"role":"user"}],"tools":[{"type":"function","type":"function"}]',
        b'"messages":[{"role":"user"}],"metadata":{"a":{"b":["my secret"],"b":[]}}',
    ],
)
def test_repeat_in_any_object_is_refused(member: bytes) -> None:
    """What we read, for routing or for what its texts hold, is what the upstream reads."""
    assert refusal_of(Endpoint.CHAT, b'{"model":"a",' + member + b"}").code == "duplicate_field"


@pytest.mark.parametrize(
    ("prompt", "size", "count"),
    [
        ("", 0, 1),
        ("héllo", 6, 1),
        (["a", "bc"], 3, 2),
        ([1, 2, 3], 12, 1),
        ([[1, 2], [3]], 12, 2),
    ],
)
def test_completion_prompts_are_measured(prompt: Any, size: int, count: int) -> None:
    """Text counts its bytes, tokens about four each."""
    body = orjson.dumps({"model": "a", "prompt": prompt, "max_tokens": 3, "stream": True})
    request = parse(Endpoint.COMPLETIONS, body, Caps())
    assert (request.prompt_bytes, request.message_count) == (size, count)
    assert request.needs == {Capability.COMPLETIONS}
    assert (request.stream, request.max_output_tokens) == (True, 3)


@pytest.mark.parametrize("endpoint", [Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS])
@pytest.mark.parametrize("value", [7, {}, [], [{}], ["a", 1], [1.5], [True], [[1], ["a"]], [[]]])
def test_prompt_of_another_shape_is_refused(endpoint: Endpoint, value: Any) -> None:
    """Strings, token numbers, or lists of token numbers; nothing else, no mixture."""
    field = "prompt" if endpoint is Endpoint.COMPLETIONS else "input"
    error = refusal_of(endpoint, orjson.dumps({"model": "a", field: value}))
    assert (error.code, error.param) == ("invalid_field", field)


def test_embeddings_are_read() -> None:
    """Inputs are counted, nothing is streamed, base64 passes through."""
    body = b'{"model":"e","input":["ab","c"],"encoding_format":"base64","stream":true}'
    request = parse(Endpoint.EMBEDDINGS, body, Caps())
    assert (request.prompt_bytes, request.message_count, request.stream) == (3, 2, False)
    empty = refusal_of(Endpoint.EMBEDDINGS, b'{"model":"e","input":""}')
    absent = refusal_of(Endpoint.EMBEDDINGS, b'{"model":"e"}')
    assert (empty.code, absent.code) == ("invalid_field", "missing_field")


@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ numodel01', max_size=40).map(str.encode)
)
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    """No input makes the parser fail in any other way than by a refusal."""
    for endpoint in Endpoint:
        with contextlib.suppress(GatewayError):
            parse(endpoint, body, Caps())


@given(st.text())
def test_field_names_reach_messages_as_printable_ascii(name: str) -> None:
    """A client's key cannot carry control characters or much text into a message."""
    key = json.dumps(name + "k").encode()
    error = refusal_of(Endpoint.CHAT, b"{" + key + b":1," + key + b":2}")
    assert error.code == "duplicate_field"
    assert error.message.isascii()
    assert error.message.isprintable()
    assert len(error.message) < 200


def test_depth_cap_has_bounds() -> None:
    """A cap that the scanner cannot honour is refused where it is set."""
    with pytest.raises(ValueError, match="1 to 64"):
        Caps(max_json_depth=65)


def test_flood_of_lists_is_refused_before_it_is_decoded() -> None:
    """Megabytes of empty lists would be hundreds of megabytes of objects."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"x":[' + b"[]," * 250_000
    with pytest.raises(GatewayError) as raised:
        parse(Endpoint.CHAT, body + b"0]}", Caps())
    assert raised.value.code == "body_too_complex"


@given(st.text("[{x").map(str.encode))
def test_brackets_are_counted_up_to_their_cap(body: bytes) -> None:
    """Both kinds count together; what is over the cap is refused whichever kind it is."""
    brackets = body.count(b"[") + body.count(b"{")
    assert count_brackets(body, Caps(max_brackets=max(1, brackets))) == brackets
    if brackets > 1:
        with pytest.raises(GatewayError) as raised:
            count_brackets(body, Caps(max_brackets=brackets - 1))
        assert raised.value.code == "body_too_complex"


def test_flood_of_names_is_refused_before_it_is_decoded() -> None:
    """To decode a million short names would hold everybody else up for a second."""
    names = b",".join(b'"%x":1' % number for number in range(2000))
    caps = Caps(max_strings=2000)
    chat = b'{"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{"a":{%b}}}'
    with pytest.raises(GatewayError) as raised:
        parse(Endpoint.CHAT, chat % names, caps)
    assert raised.value.code == "body_too_complex"
    assert "2000" in raised.value.message
    parse(Endpoint.CHAT, chat % names[: names.index(b',"7c0"')], caps)


@pytest.mark.parametrize("quoted", ['"', '\\"', '\\\\"', 'a "b": "c"'])
def test_quotes_within_a_text_are_no_strings(quoted: str) -> None:
    """A prompt may hold as much JSON as fits."""
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": quoted * 500}]})
    assert parse(Endpoint.CHAT, body, Caps(max_strings=7)).message_count == 1


def test_more_messages_than_are_read_are_refused() -> None:
    """By name, like other fields."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}] * (MAX_MESSAGES + 1)}
    error = refusal_of(Endpoint.CHAT, orjson.dumps(body))
    assert (error.code, error.param) == ("invalid_field", "messages")
    assert "20,000" in error.message
