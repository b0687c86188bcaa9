"""The bytes that the scripted upstream answers with, made once. Pure.

The load clients compare what came through a proxy with the same bytes.
"""

import json
from dataclasses import dataclass
from typing import Final

CHUNKS: Final = 50
"""Data events with text in one stream; the usage event and `[DONE]` follow the last at once."""

CHUNK_GAP_MS: Final = 10

PACED_GAP_MS: Final = 20
"""Between two chunks of a stream at 50 tokens a second, as quick models write."""

PACED_CHUNKS: Final = 100
"""Data events of a paced stream: two seconds of it, so that opening is a small part."""

LARGE_BODY_BYTES: Final = 1_000_000

HELD_CHUNKS: Final = 5
"""So many events does a held stream send before it falls silent."""

MARKER: Final = b"quartz"
"""Stands once in the text of every data event, so that rewritten streams can be counted too."""

STREAM_FLAGS: Final = (b'"stream":true', b'"stream": true')
HOLD_FLAG: Final = b"hold this stream"
PACED_FLAG: Final = b"a long stream"

_ID: Final = "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"
_CREATED: Final = 1_741_569_952
_MODEL: Final = "bench-model"
_USAGE: Final = {"prompt_tokens": 19, "completion_tokens": CHUNKS, "total_tokens": 19 + CHUNKS}

_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _event(choices: list[object], usage: object) -> bytes:
    """One server-sent event of about 250 bytes, its fields in OpenAI's order."""
    chunk = {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": _MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + _compact(chunk) + b"\n\n"


def _text_event(index: int) -> bytes:
    delta = {"content": " " + MARKER.decode()}
    if index == 0:
        delta = {"role": "assistant", **delta}
    finish = "stop" if index == CHUNKS - 1 else None
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event([choice], None)


def _framed(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


_EVENTS: Final = tuple(_text_event(index) for index in range(CHUNKS))
_TAIL: Final = (_event([], _USAGE), b"data: [DONE]\n\n")

STREAM_BODY: Final = b"".join(_EVENTS + _TAIL)
"""The whole body of a stream, without HTTP framing."""

STREAM_WRITES: Final = (
    _STREAM_HEAD + _framed(_EVENTS[0]),
    *map(_framed, _EVENTS[1:-1]),
    b"".join(map(_framed, (_EVENTS[-1], *_TAIL))) + b"0\r\n\r\n",
)
"""What the upstream writes, one item every `CHUNK_GAP_MS`; the head travels with the first."""

_PACED_EVENTS: Final = (_EVENTS[0], *[_EVENTS[1]] * (PACED_CHUNKS - 2), _EVENTS[-1])

PACED_WRITES: Final = (
    STREAM_WRITES[0],
    *[STREAM_WRITES[1]] * (PACED_CHUNKS - 2),
    STREAM_WRITES[-1],
)
"""The same for a paced stream."""


@dataclass(frozen=True, slots=True)
class Script:
    """A kind of stream: the question that asks for it, and what its whole answer is.

    `chunks`: data events in it; `length_s`: how long the upstream takes for all of them.
    """

    ask: str | None
    body: bytes
    chunks: int
    length_s: float


SHORT: Final = Script(None, STREAM_BODY, CHUNKS, CHUNKS * CHUNK_GAP_MS / 1e3)
PACED: Final = Script(
    PACED_FLAG.decode(),
    b"".join(_PACED_EVENTS + _TAIL),
    PACED_CHUNKS,
    PACED_CHUNKS * PACED_GAP_MS / 1e3,
)


def _plain(value: object) -> bytes:
    body = _compact(value)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


CHAT_REPLY: Final = _plain(
    {
        "id": _ID,
        "object": "chat.completion",
        "created": _CREATED,
        "model": _MODEL,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello! How can I help you today?",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
        "service_tier": "default",
    }
)

MODELS_REPLY: Final = _plain({"object": "list", "data": [{"id": _MODEL, "object": "model"}]})


def chat_body(model: str, *, stream: bool = False, ask: str | None = None) -> bytes:
    """A chat request's body for *model*, of a size that a short support question has."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant of a web shop."},
            {"role": "user", "content": ask or "Where is my order, and when will it come?"},
        ],
        "max_tokens": 200,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return _compact(body)


def large_chat_body(model: str, size_bytes: int = LARGE_BODY_BYTES) -> bytes:
    """A plain request of *size_bytes*: lines of prose with the escapes that prose has in JSON."""
    line = 'The customer said "where is my order?", and the clerk looked it up once more.\n'
    room = size_bytes - len(chat_body(model, ask="x")) + 1
    count, rest = divmod(room, len(_compact(line)) - 2)
    return chat_body(model, ask=line * count + "x" * rest)
