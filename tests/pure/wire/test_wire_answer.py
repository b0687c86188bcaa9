"""Reading answers: usage in its dialects and its nonsense, plain bodies, tails of large ones."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.usage import Usage
from proxy.wire.answer import error_of, finish_reason_of, usage_of
from proxy.wire.plain import PlainReading, read_plain, usage_in_tail


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, Usage(3, 2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8, 0)),
        ({"prompt_tokens": 8.0, "completion_tokens": None}, Usage(8, 0)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4},
            Usage(9, 1, cached_tokens=4),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1,
             "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 6},
             "completion_tokens_details": {"reasoning_tokens": 50}},
            Usage(9, 1, cached_tokens=6, cache_write_tokens=3, reasoning_tokens=1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 30,
             "completion_tokens_details": {"reasoning_tokens": 20}},
            Usage(9, 21, reasoning_tokens=20),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None,
             "completion_tokens_details": [], "total_tokens": "lots"},
            Usage(9, 1),
        ),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 2}, None),
        ({"prompt_tokens": "9", "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 2}, None),
        ({"total_tokens": 7}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)  # fmt: skip
def test_usage_is_read_or_nothing(usage: Any, read: Usage | None) -> None:
    """Figures that make sense are taken, parts cut to their whole; nonsense is no usage."""
    assert usage_of({"usage": usage}) == read


def test_usage_of_groq_is_found_where_groq_puts_it() -> None:
    """`x_groq.usage` counts where there is no `usage`."""
    inside = {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    assert usage_of({"x_groq": inside, "usage": None}) == Usage(1, 2)
    assert usage_of({"x_groq": "?"}) is None


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["usage", "prompt_tokens", "completion_tokens", "total_tokens", "choices", "error",
             "prompt_tokens_details", "cached_tokens", "cache_write_tokens", "finish_reason",
             "completion_tokens_details", "reasoning_tokens", "x_groq", "code", "object"]
        ),
        children,
        max_size=5,
    ),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["usage", "x_groq", "choices", "error"]), json_like))
def test_readers_never_raise_and_parts_never_exceed_their_whole(answer: dict[str, Any]) -> None:
    """Whatever an upstream sends, usage adds up."""
    finish_reason_of(answer)
    error_of(answer)
    usage = usage_of(answer)
    if usage is not None:
        assert 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.prompt_tokens
        assert 0 <= usage.reasoning_tokens <= usage.completion_tokens


CHAT = {
    "id": "c",
    "choices": [{"index": 0, "message": {"content": 'a "usage": {} b'}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def test_plain_answer_is_read() -> None:
    """Usage and finish reason of a whole answer, keep-alive newlines before it or not."""
    reading = PlainReading(True, False, Usage(3, 2), "stop")
    assert read_plain(orjson.dumps(CHAT)) == reading
    assert read_plain(b"\n\n \r\n" + orjson.dumps(CHAT) + b"\n") == reading


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", orjson.dumps(CHAT)[:-1]])
def test_plain_answer_that_is_no_whole_object_is_not_valid(body: bytes) -> None:
    """Half a body, a page, or a bare value is no answer."""
    assert not read_plain(body).valid


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"m","code":500}}',
        b'{"error":"overloaded"}',
        b'{"choices":[],"error":{"code":502}}',
        b'{"object":"error","message":"m","code":400}',
        b'[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]',
    ],
)
def test_error_under_a_success_status_is_seen(body: bytes) -> None:
    """A 200 does not make an error an answer."""
    assert read_plain(body).is_error


def test_null_error_is_no_error() -> None:
    """`"error": null` stands on many a good answer."""
    assert not read_plain(b'{"choices":[],"error":null}').is_error


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps(CHAT),
        orjson.dumps(CHAT, option=orjson.OPT_INDENT_2),
        b'{"data":[{"embedding":"' + b"A" * 100_000 + b'"}],"model":"usage",'
        b'"usage" : { "prompt_tokens":3,"completion_tokens":2, "prompt_tokens_details":{"x":[]}},'
        b'"system_fingerprint":null}',
        b'xx"usage":{"prompt_tokens":3,"completion_tokens":2},"usage":null,"usage":{"prompt_t',
    ],
)
def test_usage_is_found_in_the_tail_of_a_large_body(body: bytes) -> None:
    """The last whole usage object in the last 4 KiB counts; text that quotes one does not."""
    assert usage_in_tail(body) == Usage(3, 2)


@pytest.mark.parametrize(
    "tail",
    [b"", b'"usage"', b'"usage":{', b'"usage":{bad}', b'\\"usage\\":{\\"prompt_tokens\\":1}'],
)
def test_no_usage_in_the_tail_is_none(tail: bytes) -> None:
    """What is not there, or cut, or quoted, is not found."""
    assert usage_in_tail(tail) is None


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(body: bytes) -> None:
    """No body makes a reader raise."""
    read_plain(body)
    usage_in_tail(b'"usage":{' + body)
