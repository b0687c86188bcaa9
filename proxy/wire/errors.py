"""Errors to bytes for the client, and upstream errors from bytes. Pure.

The only place that turns a refusal into OpenAI's shape. What a provider says of a client's own
mistake is passed on as far as `mask` finds it presentable; anything else of it is dropped.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import orjson

from proxy.domain.outcome import UpstreamComplaint
from proxy.errors import GatewayError, UpstreamRefusal
from proxy.wire.mask import MAX_MESSAGE_CHARS, presentable, token_of

CONTEXT_CODE: Final = "context_length_exceeded"
MAX_UPSTREAM_RETRY_AFTER_S: Final = 60
MAX_COMPLAINT_BYTES: Final = 64 * 1024
MAX_PARAM_CHARS: Final = 128
MAX_PATH_STEPS: Final = 16

_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|context_window_exceeded"
    r"|(?:maximum|max|available|model'?s) context (?:length|size|window)"
    r"|(?:prompt|input|request|message)s? (?:is|are) too long"
    r"|input tokens exceed|input token count .{0,40}exceeds"
    r"|(?:exceed(?:s|ed)?|longer than|larger than|beyond) .{0,40}context (?:length|size|window)"
    r"|reduce the length of the (?:messages|prompt|input)",
    re.IGNORECASE,
)
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def error_body(error: GatewayError, request_id: str) -> bytes:
    """The JSON body: OpenAI's four keys and the request id in one `error` object."""
    code = error.code
    if isinstance(error, UpstreamRefusal) and error.upstream_code:
        code = error.upstream_code
    return orjson.dumps(
        {
            "error": {
                "message": error.message,
                "type": error.kind.type,
                "param": error.param,
                "code": code,
                "request_id": request_id,
            }
        }
    )


def error_event(error: GatewayError, request_id: str) -> bytes:
    """The same as an event of a stream that has begun; SDKs raise on it."""
    return b"data: " + error_body(error, request_id) + b"\n\n"


def error_headers(error: GatewayError) -> dict[str, str]:
    """Headers that tell SDKs whether, when, and by which method to send the request again."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if error.allowed is not None:
        headers["allow"] = error.allowed
    if not error.kind.may_retry:
        headers["x-should-retry"] = "false"
    return headers


def complaint_of(status: int, body: bytes) -> UpstreamComplaint:
    """What a provider's 4xx *body* explains. Nothing is taken from what is not JSON (HTML pages).

    A prompt too long for the model, in any of its phrasings, becomes a 400 with the code
    context_length_exceeded and a message that has this word, which clients look for.
    """
    error = _error_object(body[:MAX_COMPLAINT_BYTES])
    text = _message_in(error)
    message = presentable(text) if text else None
    code = token_of(error.get("code"))
    if _is_overflow(text, code, error.get("type")):
        return UpstreamComplaint(400, _overflow_message(message), CONTEXT_CODE, _param_in(error))
    return UpstreamComplaint(status, message or None, code, _param_in(error))


def retry_after_of(headers: Mapping[str, str], now_unix_s: float) -> int | None:
    """How long an upstream asks to wait, in whole seconds from 1 to 60, rounded up.

    *headers* by lower-case name: `retry-after-ms`, else `retry-after` in seconds or as an HTTP
    date. None for none, for a moment that has passed, and for garbage.
    """
    wait_s = _number(headers.get("retry-after-ms", "")) / 1000
    if math.isnan(wait_s):
        text = headers.get("retry-after", "")
        wait_s = _number(text)
        if math.isnan(wait_s):
            wait_s = _date_s(text) - now_unix_s
    if not wait_s > 0:  # also for NaN
        return None
    return math.ceil(min(wait_s, MAX_UPSTREAM_RETRY_AFTER_S))


def _error_object(body: bytes) -> dict[str, object]:
    """The object that holds message, code and param, whatever the provider wraps it in."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(decoded, list) and decoded:
        decoded = decoded[0]
    if not isinstance(decoded, dict):
        return {}
    error = decoded.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error, **{key: decoded.get(key) for key in ("code", "type", "param")}}
    if "detail" in decoded:
        return _from_detail(decoded["detail"])
    return decoded


def _from_detail(detail: object) -> dict[str, object]:
    """FastAPI's shape: a text, or a list of problems of which the first is taken."""
    if isinstance(detail, list) and detail:
        detail = detail[0]
    if isinstance(detail, dict):
        return {"message": detail.get("msg"), "param": _path_of(detail.get("loc"))}
    return {"message": detail}


def _path_of(location: object) -> str | None:
    if not isinstance(location, Iterable) or isinstance(location, str):
        return None
    path = ""
    for step in islice(location, MAX_PATH_STEPS):
        if isinstance(step, int):
            path += f"[{step}]"
        elif isinstance(step, str):
            path += f".{step}"
    return path.removeprefix(".body").removeprefix(".") or None


def _message_in(error: Mapping[str, object]) -> str | None:
    for name in ("message", "msg"):
        if isinstance(text := error.get(name), str) and text.strip():
            return text
    return None


def _param_in(error: Mapping[str, object]) -> str | None:
    param = error.get("param")
    return presentable(param)[:MAX_PARAM_CHARS] or None if isinstance(param, str) else None


def _is_overflow(*texts: object) -> bool:
    return any(isinstance(text, str) and _OVERFLOW.search(text) for text in texts)


def _overflow_message(message: str | None) -> str:
    if message is None:
        return f"The prompt is longer than the model's context window ({CONTEXT_CODE})."
    if CONTEXT_CODE in message:
        return message
    suffix = f" ({CONTEXT_CODE})"
    return message[: MAX_MESSAGE_CHARS - len(suffix)] + suffix


def _number(text: str) -> float:
    """The number in *text*; NaN for none."""
    try:
        return float(text) if len(text) <= 32 else math.nan
    except ValueError:
        return math.nan


def _date_s(text: str) -> float:
    """The Unix time of an HTTP date; NaN for none."""
    if len(text) > 32 or (found := _HTTP_DATE.fullmatch(text)) is None or found[2] not in _MONTHS:
        return math.nan
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    month = _MONTHS.index(found[2]) + 1
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return math.nan
