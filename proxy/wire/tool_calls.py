"""The ids of tool calls: those that a request answers, and those that an answer makes. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

_ID: Final = re.compile(rb'"id"\s*+:\s*+"([^"\\]{1,128})"\s*+,\s*+"(?:type|function|index)"')
_TOOL_CALLS: Final = b'"tool_calls"'


def answered_calls(body: Mapping[str, object]) -> Iterator[str]:
    """The ids of the calls whose results a chat *body* brings, in its order."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "tool":
            call_id = message.get("tool_call_id")
            if isinstance(call_id, str):
                yield call_id


def calls_in(data: bytes) -> list[str]:
    """The ids of the calls that *data*, a plain answer or whole events of a stream, makes.

    Only the first fragment of a call has its id, with its type beside it.
    """
    if data.find(_TOOL_CALLS) < 0:  # `in` costs twice as much
        return []
    return [found.decode("utf-8", "replace") for found in _ID.findall(data)]
