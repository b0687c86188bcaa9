"""Step 4, its end: takes what was found out of the body, by splicing placeholders in. Pure.

The rules that make it safe:

1. A stretch is replaced wherever its string stands as a value in the body, be it written with
   escapes or without. Every other byte stays as it was.
2. A placeholder is letters, digits and underscores: it needs no escape in JSON, nor in JSON
   within a string. Its nonce does not occur in the body, so that none can be mistaken for it.
3. In JSON within a string (a tool call's arguments, a tool's result) a number that stands bare
   is replaced with quotes around, so that it stays JSON.
4. What is found but is no stretch of a string (a key, a number) is not replaced: the request is
   refused. `wire/sources` leads what escapes, invisible signs or the parts of a message hide back
   to the strings that it stands in.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from proxy.domain.findings import Finding
from proxy.domain.labels import Kind
from proxy.domain.reading import Reading, Role
from proxy.domain.request import Request
from proxy.errors import GatewayError
from proxy.wire.limits import DEPTH_CEILING
from proxy.wire.scan import mask_escapes, scan_members
from proxy.wire.sources import sources_of

_KEPT: Final = frozenset({"model", "routing"})
_QUOTE: Final = re.compile(b'"')
_STRING: Final = re.compile(rb'"[^"]*+"(?P<key>[ \t\n\r]*+:)?')
_PIECE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\.|[^\\]+"
)
_BLOCK: Final = re.compile(
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\[^u]|"
    rb"[^\\][\x80-\xbf]*+){1,32}+"
)
"""Up to 32 signs, none of them cut: what it spells can be told by itself."""

_OF_NUMBERS: Final = b"0123456789+-.eE"
_NONCE: Final = re.compile(r"[A-Za-z0-9]{4,32}")


class _Cut(NamedTuple):
    """A stretch of one text, in bytes of its UTF-8, and what goes in its place."""

    start: int
    end: int
    placeholder: bytes


def count_of(
    reading: Reading, found: Iterable[Finding], kinds: frozenset[Kind]
) -> tuple[tuple[Kind, int], ...]:
    """How many stretches of which of *kinds* `redact` replaces."""
    counts = Counter(each.kind for each in sources_of(reading, found, kinds))
    return tuple(sorted(counts.items()))


def redact(
    request: Request, reading: Reading, found: Iterable[Finding], kinds: frozenset[Kind], nonce: str
) -> bytes:
    """The body of *request* with each stretch of *kinds* replaced by a placeholder such as
    `EMAIL_k3f9_1`. It has to be parsed anew, but must not be classified again.

    *found* are the spans of a scan of *reading* that was asked for all of them. The same value
    gets the same placeholder. *nonce* is made of the request's id: 4 to 32 letters and digits.

    Raises:
        GatewayError: not_redactable, where something of *kinds* cannot be taken out.
    """
    assert _NONCE.fullmatch(nonce)
    body = request.body
    sources = sources_of(reading, found, kinds)
    if any(reading.passages[each.passage].role is Role.NAME for each in sources):
        raise GatewayError("not_redactable", reason="it has such text in a key or a number")
    cuts = _cuts(reading, sources, _free(nonce, body))
    if not cuts:
        return body
    masked = mask_escapes(body)
    pieces: list[bytes] = []
    at = 0
    for name, member in scan_members(body, masked, DEPTH_CEILING).items():
        if name in _KEPT:
            continue
        for token in _STRING.finditer(masked, member.start, member.end):
            if token["key"] is not None:
                continue
            start = token.start() + 1
            end = token.end() - 1
            if (spliced := _spliced(body[start:end], cuts)) is not None:
                pieces += (body[at:start], spliced)
                at = end
    pieces.append(body[at:])
    return b"".join(pieces)


def _free(nonce: str, body: bytes) -> str:
    """*nonce*, made longer until *body* does not hold it."""
    while nonce.encode() in body:
        nonce += "x"
    return nonce


def _cuts(reading: Reading, found: list[Finding], nonce: str) -> dict[str, list[_Cut]]:
    """What to cut out of which text, in order and without overlaps."""
    numbers: dict[tuple[Kind, bytes], int] = {}
    cuts: dict[str, list[_Cut]] = {}
    calls = {each.text for each in reading.passages if each.role is Role.CALL}
    by_text: dict[str, set[Finding]] = {}
    for each in found:
        by_text.setdefault(reading.passages[each.passage].text, set()).add(each._replace(passage=0))
    for written, group in by_text.items():
        text = written.encode()
        of_text = cuts[written] = []
        strings = _strings_of(text) if written in calls and _is_json(text) else None
        for kind, _, start, end in sorted(group, key=_order):
            start = max(start, of_text[-1].end if of_text else 0)
            if start >= end:
                continue
            number = numbers.setdefault((kind, text[start:end]), len(numbers) + 1)
            cut = _Cut(start, end, f"{kind.upper()}_{nonce}_{number}".encode())
            of_text.append(cut if strings is None else _quoted(cut, text, strings))
    return cuts


def _order(found: Finding) -> tuple[int, int, int]:
    return found.passage, found.start, -found.end


def _strings_of(text: bytes) -> list[int]:
    """Where strings start and end in JSON: an odd number of these before a place is within."""
    return [each.start() for each in _QUOTE.finditer(mask_escapes(text))]


def _quoted(cut: _Cut, text: bytes, strings: list[int]) -> _Cut:
    """*cut*, widened to the whole number and quoted where it stands bare in JSON."""
    if bisect_right(strings, cut.start) % 2:
        return cut
    start, end = cut.start, cut.end
    while start > 0 and text[start - 1] in _OF_NUMBERS:
        start -= 1
    while end < len(text) and text[end] in _OF_NUMBERS:
        end += 1
    return _Cut(start, end, b'"%s"' % cut.placeholder)


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _spliced(raw: bytes, cuts: dict[str, list[_Cut]]) -> bytes | None:
    """A string's bytes between its quotes with its cuts made; None: there are none."""
    escaped = b"\\" in raw
    text = str(orjson.loads(b'"%s"' % raw)) if escaped else raw.decode()
    of_text = cuts.get(text)
    if of_text is None:
        return None
    wanted = [at for cut in of_text for at in (cut.start, cut.end)]
    places = _places(raw, wanted) if escaped else wanted
    pieces: list[bytes] = []
    at = 0
    for cut, first, last in zip(of_text, places[::2], places[1::2], strict=True):
        pieces += (raw[at:first], cut.placeholder.replace(b'"', b'\\"'))
        at = last
    pieces.append(raw[at:])
    return b"".join(pieces)


def _places(raw: bytes, wanted: list[int]) -> list[int]:
    """Where in *raw* those bytes of what it spells stand that are *wanted*, in order; its end may
    be one. A block without one of them costs one decoding: a text of escapes only has too many
    to look at each.
    """
    places: list[int] = []
    spelled = 0
    for block in _BLOCK.finditer(raw):
        if len(places) == len(wanted):
            break
        behind = spelled + _spelled_bytes(block[0])
        if wanted[len(places)] < behind:
            _place(places, raw, block.span(), spelled, wanted)
        spelled = behind
    return places + [len(raw)] * (len(wanted) - len(places))


def _place(
    places: list[int], raw: bytes, block: tuple[int, int], spelled: int, wanted: list[int]
) -> None:
    """Add the *places* of those *wanted* that stand in *block*, which begins at byte *spelled*."""
    for piece in _PIECE.finditer(raw, *block):
        start, end = piece.span()
        is_plain = raw[start] != 0x5C
        behind = spelled + (end - start if is_plain else _escape_bytes(piece[0]))
        while len(places) < len(wanted) and wanted[len(places)] < behind:
            places.append(start + wanted[len(places)] - spelled if is_plain else start)
        spelled = behind


def _spelled_bytes(raw: bytes) -> int:
    return len(str(orjson.loads(b'"%s"' % raw)).encode())


def _escape_bytes(escape: bytes) -> int:
    """How many bytes of UTF-8 one *escape* of JSON spells; a pair of them is one sign of four."""
    if len(escape) != len(b"\\u0000"):
        return 1 if len(escape) == len(b"\\n") else 4
    code = int(escape[2:], 16)
    return 1 + (code >= 0x80) + (code >= 0x800)
