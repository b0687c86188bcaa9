"""A chat with its oldest turns left out, for when no window is large enough. Pure.

What stays: every system and developer message, the last turn, and of the others the latest that
fit. A turn is a user's message with all that follows up to the next one, so a tool's result stays
with its call; where a result answers a call of another turn, both go or both stay. The bytes of
what stays are not touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proxy.domain.request import Request, Span
from proxy.wire.chat import message_bytes
from proxy.wire.limits import DEPTH_CEILING
from proxy.wire.scan import mask_escapes, scan_members, value_at

_KEPT_ROLES: Final = frozenset({"system", "developer"})

MOST_MESSAGES: Final = 10_000
"""A chat of more is left as it is: no talk has so many, and all of them are looked at here, in
0.1 to 0.2 s on the reference machine, while nobody else is served.
"""

Message = Mapping[str, Any]


def shortened(request: Request, max_prompt_bytes: int) -> bytes | None:
    """The body of *request*, a chat, with at most that much text; None where what must stay is
    more than that, or there are too many messages. It has to be parsed anew: its members stand
    elsewhere.
    """
    messages = request.decoded["messages"]
    assert isinstance(messages, list)
    if len(messages) > MOST_MESSAGES:
        return None
    dropped = _dropped(messages, request.prompt_bytes - max_prompt_bytes)
    if dropped is None:
        return None
    body, masked = request.body, mask_escapes(request.body)
    span = scan_members(body, masked, DEPTH_CEILING)["messages"].value
    kept = [text for at, text in enumerate(_items(body, masked, span)) if at not in dropped]
    return b"".join((body[: span.start], b"[", b",".join(kept), b"]", body[span.end :]))


def _items(body: bytes, masked: bytes, span: Span) -> Iterator[bytes]:
    # As they are written. All are objects, so between two of them only a comma and space stand.
    at = span.start
    while (at := masked.find(b"{", at, span.end)) >= 0:
        found = value_at(masked, at, DEPTH_CEILING)
        assert found is not None, "the body was accepted"
        yield body[found.start : found.end]
        at = found.end


def _dropped(messages: Sequence[Message], excess_bytes: int) -> set[int] | None:
    """Which messages to leave out so that *excess_bytes* go; None where it cannot be done."""
    turns = _turns(messages)
    answered_in = {
        str(messages[at].get("tool_call_id")): turn
        for turn, span in enumerate(turns)
        for at in span
    }
    dropped: set[int] = set()
    reach = -1  # the last turn with a result for a call that is dropped
    for turn, span in enumerate(turns[:-1]):
        if excess_bytes <= 0 and reach < turn:
            return dropped
        dropped.update(span)
        for at in span:
            excess_bytes -= message_bytes(messages[at])
            reach = max(reach, *(answered_in.get(id_, -1) for id_ in _calls(messages[at])), -1)
    return dropped if excess_bytes <= 0 and reach < len(turns) - 1 else None


def _turns(messages: Sequence[Message]) -> list[list[int]]:
    turns: list[list[int]] = [[]]
    for at, message in enumerate(messages):
        if message["role"] in _KEPT_ROLES:
            continue
        if message["role"] == "user" and turns[-1]:
            turns.append([])
        turns[-1].append(at)
    return turns


def _calls(message: Message) -> list[str]:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return []
    return [str(call.get("id")) for call in calls if isinstance(call, dict)]
