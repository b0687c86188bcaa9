"""The ids of tool calls, in requests and in answers."""

from typing import Any

import orjson
import pytest

from proxy.wire.tool_calls import answered_calls, calls_in

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("messages", "ids"),
    [
        (
            [{"role": "tool", "tool_call_id": "a"}, {"role": "tool", "tool_call_id": "b"}],
            ["a", "b"],
        ),
        ([{"role": "user", "tool_call_id": "a"}], []),
        ([{"role": "tool", "tool_call_id": 7}, "x", {"role": "tool"}], []),
        (None, []),
    ],
)
def test_answered_calls_are_those_of_tool_messages(messages: Any, ids: list[str]) -> None:
    """In the body's order; what is no id is none."""
    assert list(answered_calls({"messages": messages})) == ids


def test_calls_of_a_plain_answer_are_found() -> None:
    """Each with its own id, and not the answer's."""
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"message": {"tool_calls": [CALL, {**CALL, "id": "call_2"}]}}],
    }
    assert calls_in(orjson.dumps(answer)) == ["call_1", "call_2"]


def test_calls_of_a_stream_are_found_in_their_first_fragment() -> None:
    """Later fragments have no id; text that speaks of one has its quotes escaped."""
    first = {"choices": [{"delta": {"tool_calls": [{"index": 0, **CALL}]}}]}
    later = {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]}
    text = {"choices": [{"delta": {"content": '"tool_calls":[{"id":"x","type":"function"'}}]}
    assert calls_in(b"data: %b\n\n" % orjson.dumps(first)) == ["call_1"]
    assert calls_in(b"data: %b\n\n" % orjson.dumps(later)) == []
    assert calls_in(b"data: %b\n\n" % orjson.dumps(text)) == []
