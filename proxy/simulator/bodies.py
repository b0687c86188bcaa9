"""The bodies of plain answers, embeddings and errors. Pure."""

import base64
import hashlib
import math
from array import array
from typing import Any, Final

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.usage import Usage
from proxy.simulator.answers import Answer, Choice
from proxy.simulator.asks import Ask, Refused
from proxy.simulator.events import Stamp, usage_fields
from proxy.simulator.script import ErrorReply, Script

_TYPES: Final = {401: "invalid_request_error", 403: "permission_error", 429: "requests"}

_PAGE: Final = (
    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n"
    "<center><h1>{status}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


def plain_body(answer: Answer, ask: Ask, script: Script, stamp: Stamp) -> bytes:
    """*answer* as one JSON object."""
    chat = ask.endpoint is Endpoint.CHAT
    speak = _message if chat else _text
    fields: dict[str, Any] = {
        "id": stamp.id,
        "object": "chat.completion" if chat else "text_completion",
        "created": stamp.created_unix_s,
        "model": stamp.model,
        "choices": [
            {
                "index": index,
                **speak(choice, script),
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answer.choices)
        ],
        **extra_fields(script),
    }
    if script.usage != "never":
        fields["usage"] = usage_fields(answer.usage, script)
    return orjson.dumps(fields)


def extra_fields(script: Script) -> dict[str, Any]:
    """What *script* adds to a plain answer beyond OpenAI's own fields."""
    extra: dict[str, Any] = {}
    if script.extra_fields:
        extra["x_groq"] = {"id": "req_simulated"}
        extra["timings"] = {"prompt_ms": 1.5, "predicted_ms": 1e2}
    if script.huge_body_bytes:
        extra["padding"] = "x" * script.huge_body_bytes
    return extra


def vector_of(text: str, dimensions: int) -> "array[float]":
    """A vector of length 1, as float32; equal texts have equal vectors."""
    noise = array("i", hashlib.shake_128(text.encode()).digest(4 * dimensions))
    scale = 1 / (math.hypot(*noise) or 1.0)
    return array("f", [value * scale for value in noise])


def embeddings_body(ask: Ask, dimensions: int, usage: Usage, extra: dict[str, Any]) -> bytes:
    """The whole answer to *ask*, in the encoding it asked for."""
    vectors = (vector_of(text, dimensions) for text in ask.inputs)
    return orjson.dumps(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _encoded(vector, ask)}
                for index, vector in enumerate(vectors)
            ],
            "model": ask.model,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "total_tokens": usage.prompt_tokens,
            },
            **extra,
        }
    )


def error_body(error: ErrorReply) -> tuple[bytes, str]:
    """The body of *error*, and its content type."""
    message = error.message or f"The simulated provider answers {error.status}, as scripted."
    match error.body:
        case "plain":
            return message.encode(), "text/plain; charset=utf-8"
        case "html":
            return _PAGE.format(status=error.status).encode(), "text/html"
        case "empty":
            return b"", "text/plain"
        case "openai":
            return orjson.dumps({"error": _error_fields(error, message)}), "application/json"


def error_of(refused: Refused) -> ErrorReply:
    """*refused* as the reply it gets."""
    return ErrorReply(
        status=refused.status, code=refused.code, message=refused.message, param=refused.param
    )


def _error_fields(error: ErrorReply, message: str) -> dict[str, Any]:
    usual = "server_error" if error.status >= 500 else "invalid_request_error"
    return {
        "message": message,
        "type": error.type or _TYPES.get(error.status, usual),
        "param": error.param,
        "code": error.code,
    }


def _message(choice: Choice, script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.content,
        "refusal": "".join(choice.refusal) or None,
        "annotations": [],
    }
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in choice.calls
        ]
    if script.extra_fields:
        message["reasoning_content"] = "Thinking."
    return {"message": message}


def _text(choice: Choice, _script: Script) -> dict[str, Any]:
    return {"text": "".join(choice.pieces)}


def _encoded(vector: "array[float]", ask: Ask) -> str | list[float]:
    if not ask.base64:
        return vector.tolist()
    return base64.b64encode(_little_endian(vector).tobytes()).decode()


def _little_endian(vector: "array[float]") -> "array[float]":
    if array("H", [1]).tobytes()[0] == 1:
        return vector
    swapped = array("f", vector)
    swapped.byteswap()
    return swapped
