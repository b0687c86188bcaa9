"""Every way in which a stream that began ends badly, as scripts of the simulated provider.

Asked for by the route `hasty`, which waits for silence only briefly.
"""

from typing import Any, Final

_EVENT = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]}'
_SAID = '{"index":0,"delta":{"content":"%s"},"finish_reason":null}'
_UNFINISHED = "".join(_EVENT % (_SAID % word) + "\n\n" for word in ("Half", " an", " answer"))
_LONG = _EVENT % (_SAID % ("word " * 8000)) + "\n\n"

BROKEN: Final[dict[str, dict[str, Any]]] = {
    "closed between events": {"cut_at_event": 4},
    "closed right after the first event": {"cut_at_event": 1},
    "reset between events": {"cut_at_event": 4, "cut_with": "reset", "tokens_per_second": 200},
    "closed within an event": {"cut_mid_event": 4},
    "closed within an event, bytes one by one": {"cut_mid_event": 4, "split": "bytes"},
    "closed, where closing ends the body": {"cut_at_event": 4, "framing": "close"},
    "a clean end that nobody told": {"raw": _UNFINISHED},
    "a clean end within an event": {"raw": _UNFINISHED + _EVENT[:40]},
    "silence": {"stall_at_event": 4},
    "an error event": {"error_event_at": 4},
}
"""The gateway sees these, so the client is told: an error event, then a cut."""

UNREADABLE: Final[dict[str, dict[str, Any]]] = {
    "an event of broken JSON": {"malformed_at_event": 4},
    "closed within an event too long to be held": {
        "raw": _UNFINISHED + _LONG,
        "truncate_bytes": 100,
    },
}
"""These went through unread; what the client cannot parse raises there."""
