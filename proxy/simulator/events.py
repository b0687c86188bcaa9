"""The events of a streamed answer, as JSON and as bytes. Pure.

The order is OpenAI's: a role event for each choice, the tokens of all choices in turn, a finish
event for each choice, the usage event where there is one, `[DONE]`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.usage import Usage
from proxy.simulator.answers import Answer, Choice
from proxy.simulator.asks import Ask
from proxy.simulator.script import Script

DONE: Final = b"[DONE]"
LINE_ENDS: Final = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}

_STREAM_ERROR: Final = {
    "error": {
        "message": "The simulated provider failed in the middle of its answer.",
        "type": "server_error",
        "param": None,
        "code": "server_error",
    }
}


@dataclass(frozen=True, slots=True)
class Event:
    """The data of one event, and how many tokens it brings."""

    payload: bytes
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all events, or the plain body, of one answer share."""

    id: str
    created_unix_s: int
    model: str


def error_event() -> bytes:
    """The payload of an error in the middle of a stream."""
    return orjson.dumps(_STREAM_ERROR)


def frame(payload: bytes, line_end: Literal["lf", "crlf", "cr"]) -> bytes:
    """*payload* as the bytes of an event."""
    end = LINE_ENDS[line_end]
    return b"data: " + payload + end + end


def usage_fields(usage: Usage, script: Script) -> dict[str, Any]:
    """OpenAI's usage object."""
    if script.usage == "zero":
        usage = Usage()
    fields: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens:
        fields["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens:
        fields["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return fields


def events_of(answer: Answer, ask: Ask, script: Script, stamp: Stamp) -> Iterator[Event]:
    """The events of *answer*, made one by one."""
    reports, nulls = _usage_manner(ask, script)
    usage = usage_fields(answer.usage, script)
    stem: dict[str, Any] = {
        "id": stamp.id,
        "object": "chat.completion.chunk" if ask.endpoint is Endpoint.CHAT else "text_completion",
        "created": stamp.created_unix_s,
        "model": stamp.model,
    }
    if script.extra_fields:
        stem["x_groq"] = {"id": f"req_{stamp.id}"}
    trailer = {"usage": None} if nulls else {}
    for chunk, tokens in _chunks(answer, ask, script):
        yield Event(orjson.dumps({**stem, "choices": [chunk], **trailer}), tokens)
    last = len(answer.choices) - 1
    for index, choice in enumerate(answer.choices):
        ending = _ending(index, choice, ask)
        told = {"usage": usage} if reports and script.usage_on_last_chunk and index == last else {}
        yield Event(orjson.dumps({**stem, "choices": [ending], **trailer, **told}))
    if reports and not script.usage_on_last_chunk:
        yield Event(orjson.dumps({**stem, "choices": [], "usage": usage}))
    if not script.no_done:
        yield Event(DONE)


def _usage_manner(ask: Ask, script: Script) -> tuple[bool, bool]:
    """Whether usage is reported, and whether the chunks before it say `usage: null`."""
    match script.usage:
        case "auto":
            return ask.include_usage, ask.include_usage
        case "never":
            return False, False
        case "null_until_end":
            return True, True
        case _:
            return True, False


def _chunks(answer: Answer, ask: Ask, script: Script) -> Iterator[tuple[dict[str, Any], int]]:
    """The choice object of each chunk, with its tokens; the choices of n > 1 take turns."""
    if ask.endpoint is Endpoint.COMPLETIONS:
        turns = zip_longest(*(choice.pieces for choice in answer.choices))
        for turn in turns:
            for index, piece in enumerate(turn):
                if piece is not None:
                    yield {"text": piece, "index": index, **_OPEN}, 1
        return
    for index, choice in enumerate(answer.choices):
        yield {"index": index, "delta": _first_delta(choice), **_OPEN}, 0
    if script.extra_fields:
        yield {"index": 0, "delta": {"reasoning_content": "Thinking."}, **_OPEN}, 0
    for deltas in zip_longest(*map(_deltas, answer.choices)):
        for index, delta in enumerate(deltas):
            if delta is not None:
                yield {"index": index, "delta": delta, **_OPEN}, 1


_OPEN: Final = {"logprobs": None, "finish_reason": None}


def _first_delta(choice: Choice) -> dict[str, Any]:
    content = None if choice.content is None else ""
    return {"role": "assistant", "content": content, "refusal": None}


def _deltas(choice: Choice) -> Iterator[dict[str, Any]]:
    for piece in choice.pieces:
        yield {"content": piece}
    for piece in choice.refusal:
        yield {"refusal": piece}
    for index, call in enumerate(choice.calls):
        opening = {"name": call.name, "arguments": ""}
        yield {
            "tool_calls": [{"index": index, "id": call.id, "type": "function", "function": opening}]
        }
        for piece in call.pieces:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _ending(index: int, choice: Choice, ask: Ask) -> dict[str, Any]:
    said: dict[str, Any] = {"text": ""} if ask.endpoint is Endpoint.COMPLETIONS else {"delta": {}}
    return {"index": index, **said, "logprobs": None, "finish_reason": choice.finish_reason}
