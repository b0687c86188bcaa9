"""An answer of the gateway's own: the operators' message for when no target may answer. Pure.

It has the shape that was asked for, a whole answer or a stream, and names the route as its model,
so that applications need no case of their own for it.
"""

from typing import Any

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.request import Request

_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def message_answer(request: Request, message: str, request_id: str, created_s: int) -> bytes:
    """The body of an answer that says *message*: JSON, or SSE where a stream was asked for."""
    if request.stream:
        return b"".join(_events(request, message, request_id, created_s))
    chat = request.endpoint is Endpoint.CHAT
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    choice |= {"message": {"role": "assistant", "content": message}} if chat else {"text": message}
    kind = "chat.completion" if chat else "text_completion"
    return orjson.dumps(
        {**_head(request, request_id, created_s, kind), "choices": [choice], "usage": _NO_USAGE}
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
        head | {"choices": [{"index": 0, **said, "finish_reason": None}]},
        head | {"choices": [{"index": 0, **ended, "finish_reason": "stop"}]},
    ]
    if request.wants_usage:
        chunks.append(head | {"choices": [], "usage": _NO_USAGE})
    return [b"data: %b\n\n" % orjson.dumps(chunk) for chunk in chunks] + [b"data: [DONE]\n\n"]


def _head(request: Request, request_id: str, created_s: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request_id}",
        "object": kind,
        "created": created_s,
        "model": request.route_id,
    }
