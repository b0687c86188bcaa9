"""Reads a plain (not streamed) answer: is it whole, is it an error, what did it cost. Pure."""

from typing import Final

import orjson

from proxy.domain.usage import Usage
from proxy.values import value
from proxy.wire.answer import error_of, finish_reason_of, usage_from, usage_of
from proxy.wire.scan import value_at

TAIL_BYTES: Final = 4096
_USAGE_DEPTH = 4


@value
class PlainReading:
    """`valid`: a whole JSON object. `is_error`: an error that came with a success status."""

    valid: bool
    is_error: bool = False
    usage: Usage | None = None
    finish_reason: str | None = None


NOT_READ: Final = PlainReading(valid=False)


def read_plain(body: bytes) -> PlainReading:
    """Read a whole *body*; white space around it (DeepSeek's keep-alive) does not matter."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return NOT_READ
    is_error = error_of(answer) is not None
    if not isinstance(answer, dict):
        return PlainReading(valid=False, is_error=is_error)
    return PlainReading(True, is_error, usage_of(answer), finish_reason_of(answer))


def usage_in_tail(tail: bytes) -> Usage | None:
    """The usage that stands last in the last 4 KiB of a body too large to be held."""
    tail = tail[-TAIL_BYTES:]
    at = len(tail)
    while (at := tail.rfind(b'"usage"', 0, at)) >= 0:
        colon, _, value = tail[at + 7 :].partition(b":")
        if colon.strip() or not (value := value.lstrip()).startswith(b"{"):
            continue
        if (span := value_at(value, 0, _USAGE_DEPTH)) is None:
            continue
        try:
            usage = orjson.loads(value[: span.end])
        except orjson.JSONDecodeError:
            continue
        if (found := usage_from(usage)) is not None:
            return found
    return None
