"""Step 6: the body as a target must get it, by changing the few bytes that differ. Pure.

Changed are the value of `model`, `routing` (taken out with its comma) and `stream_options`
(usage asked for, or taken out where the target does not know it); every other byte stays, so
that 1e2 does not become 100.0. Most requests change in `model` alone, whose place a search finds;
the others are scanned for where their members stand. The slow path decodes and encodes; it is
taken only where one of these keys, or `stream`, is written with escapes: upstreams disagree on
whether such a key is the one it spells, and encoding settles it.
"""

import re
from collections.abc import Iterable, Mapping

import orjson

from proxy.domain.catalog import Target, UsageInStream
from proxy.domain.request import Member, Request, Span
from proxy.wire.limits import DEPTH_CEILING
from proxy.wire.scan import mask_escapes, scan_members

_TOUCHED = ("model", "routing", "stream", "stream_options")
_ASK = b'"include_usage":true'
_MODEL = re.compile(rb'"model"[ \t\n\r]*+:[ \t\n\r]*+("[^"\\]*+")')


Edit = tuple[int, int, bytes]
"""Replace `body[start:end]` by these bytes."""


def asks_usage(request: Request, target: Target) -> bool:
    """Whether the gateway asks *target* for a usage event that the client did not ask for.

    That event is then the gateway's and is taken out of the answer.
    """
    return (
        request.stream and not request.wants_usage and target.usage_in_stream is UsageInStream.ASK
    )


def rewrite(request: Request, target: Target) -> bytes:
    """The body to send to *target*."""
    body = request.body
    if (
        "routing" not in request.decoded
        and "stream_options" not in request.decoded
        and (at := body.find(b'"model"')) == body.rfind(b'"model"')
        and b"\\u00" not in body
        and (model := _MODEL.match(body, at)) is not None
    ):
        # Written once and without escapes, it can be nothing but the member of that name.
        start, end = model.span(1)
        return b"".join((body[:start], _named(request, target), body[end:]))
    return rewrite_members(request, target)


def rewrite_members(request: Request, target: Target) -> bytes:
    """The same by where the body's members stand."""
    body = request.body
    members = scan_members(body, mask_escapes(body), DEPTH_CEILING)
    if any(_is_escaped(body, members, name) for name in _TOUCHED):
        return rewrite_decoded(request, target)
    edits = _cuts(members, _dropped(request, target))
    options = members.get("stream_options")
    if options is not None and asks_usage(request, target):
        edits.append(_asking(body, options.value))
    model = members["model"]
    edits.append((model.start, model.end, _named(request, target)))
    return apply(body, edits)


def _named(request: Request, target: Target) -> bytes:
    """The target's model, and behind it what asks for usage where the client says nothing of it."""
    named = orjson.dumps(target.model)
    if "stream_options" not in request.decoded and asks_usage(request, target):
        named += b',"stream_options":{' + _ASK + b"}"
    return named


def rewrite_decoded(request: Request, target: Target) -> bytes:
    """The same body by decoding and encoding: same meaning, other spelling."""
    decoded = orjson.loads(request.body)
    decoded["model"] = target.model
    for name in _dropped(request, target):
        del decoded[name]
    if asks_usage(request, target):
        decoded["stream_options"] = (decoded.get("stream_options") or {}) | {"include_usage": True}
    return orjson.dumps(decoded)


def _dropped(request: Request, target: Target) -> list[str]:
    names = ["routing"]
    if target.usage_in_stream is UsageInStream.NEVER:
        names.append("stream_options")
    return [name for name in names if name in request.decoded]


def _is_escaped(body: bytes, members: Mapping[str, Member], name: str) -> bool:
    member = members.get(name)
    return member is not None and body.find(b"\\", member.key_start, member.key_end) >= 0


def _cuts(members: Mapping[str, Member], names: Iterable[str]) -> list[Edit]:
    """Edits that take members out, each with one comma.

    A member goes with the comma after it; at the object's end, where none follows that stays,
    with the one before it. `model` always stays, so there is a neighbour on one side.
    """
    gone = set(names)
    if not gone:
        return []
    edits: list[Edit] = []
    kept_end: int | None = None
    open_cut: int | None = None
    last_end = 0
    for name, member in members.items():
        last_end = member.end
        if name in gone:
            open_cut = member.key_start if open_cut is None else open_cut
            continue
        if open_cut is not None:
            edits.append((open_cut, member.key_start, b""))
        open_cut, kept_end = None, member.end
    if open_cut is not None and kept_end is not None:
        edits.append((kept_end, last_end, b""))
    return edits


def _asking(body: bytes, span: Span) -> Edit:
    """The edit that makes the `stream_options` in *span* (an object or null) ask for usage."""
    options = body[span.start : span.end]
    if options == b"null":
        return span.start, span.end, b"{" + _ASK + b"}"
    members = scan_members(options, mask_escapes(options), DEPTH_CEILING)
    if (asked := members.get("include_usage")) is not None:
        return span.start + asked.start, span.start + asked.end, b"true"
    return span.start + 1, span.start + 1, _ASK + (b"," if members else b"")


def apply(body: bytes, edits: list[Edit]) -> bytes:
    """*body* with each stretch replaced; no two of them overlap."""
    pieces: list[bytes] = []
    at = 0
    for start, end, replacement in sorted(edits):
        pieces += (body[at:start], replacement)
        at = end
    pieces.append(body[at:])
    return b"".join(pieces)
