"""An answer of the gateway's own: the operators' message for when no target may answer. Pure.

It has the shape that was asked for, a whole answer or a stream, and names the route as its model,
so that applications need no case of their own for it.
"""

from typing import Any, Final

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.request import Request
from proxy.wire.sse import DONE_EVENT

MOST_CHOICES: Final = 2048
"""The prompts of a list may be a million, and the message is said to each."""

_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def message_answer(request: Request, message: str, request_id: str, created_s: int) -> bytes:
    """The body of an answer that says *message*: JSON, or SSE where a stream was asked for."""
    if request.stream:
        return b"".join(_events(request, message, request_id, created_s))
    chat = request.endpoint is Endpoint.CHAT
    choice: dict[str, Any] = {"finish_reason": "stop", "logprobs": None}
    choice |= {"message": {"role": "assistant", "content": message}} if chat else {"text": message}
    kind = "chat.completion" if chat else "text_completion"
    return orjson.dumps(
        {
            **_head(request, request_id, created_s, kind),
            "choices": _each(request, choice),
            "usage": _NO_USAGE,
        }
    )


def _events(request: Request, message: str, request_id: str, created_s: int) -> list[bytes]:
    chat = request.endpoint is Endpoint.CHAT
    kind = "chat.completion.chunk" if chat else "text_completion"
    head = _head(request, request_id, created_s, kind)
    said: dict[str, Any] = (
        {"delta": {"role": "assistant", "content": message}} if chat else {"text": message}
    )
    ended: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    chunks: list[dict[str, Any]] = [
        head | {"choices": [choice]}
        for part in ({**said, "finish_reason": None}, {**ended, "finish_reason": "stop"})
        for choice in _each(request, part)
    ]
    if request.wants_usage:
        chunks.append(head | {"choices": [], "usage": _NO_USAGE})
    return [b"data: %b\n\n" % orjson.dumps(chunk) for chunk in chunks] + [DONE_EVENT]


def _each(request: Request, choice: dict[str, Any]) -> list[dict[str, Any]]:
    """*choice* as often as answers were asked for: `n`, for each of a completion's prompts."""
    n = request.decoded.get("n")
    answers = n if isinstance(n, int) else 1  # `request.n` counts what `best_of` throws away
    if request.endpoint is Endpoint.COMPLETIONS:
        answers *= request.message_count
    return [{"index": index, **choice} for index in range(min(answers, MOST_CHOICES))]


def _head(request: Request, request_id: str, created_s: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"{'chatcmpl' if request.endpoint is Endpoint.CHAT else 'cmpl'}-{request_id}",
        "object": kind,
        "created": created_s,
        "model": request.route_id,
    }
