"""Step 6: takes what was found out of the body, by splicing placeholders into its bytes. Pure.

The rules that make it safe:

1. A stretch is replaced wherever its string stands as a value in the body, be it written with
   escapes or without. Every other byte stays as it was.
2. A placeholder is letters, digits and underscores: it needs no escape in JSON, nor in JSON
   within a string. Its nonce does not occur in the body, so that none can be mistaken for it.
3. In JSON within a string (a tool call's arguments, a tool's result) a number that stands bare
   is replaced with quotes around, so that it stays JSON.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import groupby
from typing import Final, NamedTuple

import orjson

from proxy.domain.findings import Finding
from proxy.domain.labels import Kind
from proxy.domain.reading import Reading, Role
from proxy.domain.request import Request
from proxy.wire.limits import DEPTH_CEILING
from proxy.wire.scan import mask_escapes, scan_members

_KEPT: Final = frozenset({"model", "routing"})
_STRING: Final = re.compile(rb'"[^"]*+"(?P<key>[ \t\n\r]*+:)?')
_PIECE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\.|[^\\]+"
)
_OF_NUMBERS: Final = b"0123456789+-.eE"
_NONCE: Final = re.compile(r"[A-Za-z0-9]{4,32}")


class _Cut(NamedTuple):
    """A stretch of one text, in bytes of its UTF-8, and what goes in its place."""

    start: int
    end: int
    placeholder: bytes


def redact(
    request: Request, reading: Reading, found: Iterable[Finding], kinds: frozenset[Kind], nonce: str
) -> bytes:
    """The body of *request* with each stretch of *kinds* replaced by a placeholder such as
    `EMAIL_k3f9_1`. It has to be parsed anew, but must not be classified again.

    *found* are the spans of a scan of *reading* that was asked for all of them. The same value
    gets the same placeholder. *nonce* is made of the request's id: 4 to 32 letters and digits.
    """
    assert _NONCE.fullmatch(nonce)
    cuts = _cuts(
        reading, [each for each in found if each.kind in kinds], _free(nonce, request.body)
    )
    body = request.body
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
    for at, group in groupby(sorted(found, key=_order), key=lambda each: each.passage):
        written = reading.passages[at].text
        if written in cuts:
            continue
        text = written.encode()
        of_text = cuts[written] = []
        strings = _strings_of(text) if written in calls and _is_json(text) else None
        for kind, _, start, end in group:
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
    masked = mask_escapes(text)
    return [at for at, byte in enumerate(masked) if byte == 0x22]


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
    places = _places(raw) if escaped else None
    pieces: list[bytes] = []
    at = 0
    for start, end, placeholder in of_text:
        first, last = (start, end) if places is None else (places[start], places[end])
        pieces += (raw[at:first], placeholder.replace(b'"', b'\\"'))
        at = last
    pieces.append(raw[at:])
    return b"".join(pieces)


def _places(raw: bytes) -> list[int]:
    """For each byte of what *raw* spells, and its end, where that stands in *raw*."""
    places: list[int] = []
    for piece in _PIECE.finditer(raw):
        start, end = piece.span()
        if raw[start] != 0x5C:
            places += range(start, end)
            continue
        spelled = str(orjson.loads(b'"%s"' % piece.group())).encode()
        places += [start] * len(spelled)
    places.append(len(raw))
    return places
