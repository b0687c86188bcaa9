"""What a text shows to a reader, where it is not what its signs say: the source of PLAIN passages.

Rules of the file:

1. Left out is what nobody sees; put in its place is what a sign looks like: spaces of all kinds a
   plain one, digits and letters in other dress (full-width, mathematical, of other scripts) those
   of ASCII, a letter and its accents one sign. In what tools are sent and send, so are escapes
   of JSON within a string spelled out.
2. Only what stands near such a sign is shown, with a NUL where something is left out between, for
   a text with one emoji must not cost two scans. A sign that is usual where it stands (a joiner
   within a word of Persian, the end of an emoji) is no reason to show anything.
3. All of it is told from each sign by itself, so that what is found in the result can be led back
   to the very bytes that it came from.

Pure.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from proxy.domain.patterns import BytePattern
from proxy.domain.reading import Role
from proxy.wire.trail import GAP, Pair, Trail

REACH_BYTES: Final = 512
"""So far on both sides of what is hidden a text is shown, at least."""

MAX_SHOWN_BYTES: Final = 512 * 1024
"""Of one request; what had to be shown beyond is not. A byte costs up to 60 ns."""

_JOINING = "\u200c\u200d\ufe00-\ufe0f\u034f\U000e0100-\U000e01ef"
_UNSEEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
)
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800"
_BREAKS = "\u0085\u2028\u2029"
_ACCENTS = "\u0300-\u034e\u0350-\u036f"
_DRESSED = (
    "\u00aa\u00b2\u00b3\u00b9\u00ba\u1d2c-\u1d9f\u2024\u2070-\u209c\u2100-\u211f\u2124-\u2188"
    "\u2460-\u24ea\ufb00-\ufb06\ufe4d-\ufe6b\uff01-\uff5e\U0001d400-\U0001d7ff"
    "\U0001f100-\U0001f169\U0001fbf0-\U0001fbf9"
)
"""Where Unicode has signs that are another's only in how they are drawn."""

_DIGITS_FROM, _DIGITS_TO = 0x660, 0x1FC00
"""Where Unicode has digits of other scripts; each zero has an even number."""


def _each(ranges: str) -> Iterator[str]:
    at = 0
    while at < len(ranges):
        last = ranges[at + 2] if ranges[at + 1 : at + 2] == "-" else ranges[at]
        yield from map(chr, range(ord(ranges[at]), ord(last) + 1))
        at += 3 if ranges[at + 1 : at + 2] == "-" else 1


def _looks() -> dict[str, str]:
    """What signs look like; nothing where they are not seen."""
    looks = {}
    for sign in _each(_DRESSED):
        drawn = unicodedata.normalize("NFKC", sign)
        if drawn != sign and drawn.isascii():
            looks[sign] = drawn
    for code in range(_DIGITS_FROM, _DIGITS_TO, 2):
        if unicodedata.decimal(chr(code), -1) == 0:
            looks.update((chr(code + digit), str(digit)) for digit in range(10))
    looks.update((sign, " ") for sign in _each(_SPACES))
    looks.update((sign, "\n") for sign in _each(_BREAKS))
    looks.update((sign, "") for sign in _each(_UNSEEN + _JOINING))
    return looks


_LOOKS: Final = _looks()
_MARKS = "".join(sign for sign, drawn in _LOOKS.items() if drawn > " " and not drawn.isalnum())
_OWN_DIGITS = "".join(
    sign for sign in _LOOKS if sign.isdecimal() and unicodedata.normalize("NFKC", sign) == sign
)
"""Those of other scripts: few of them together are no value."""

_LETTERS = "".join(
    sign for sign, drawn in _LOOKS.items() if drawn.isalnum() and sign not in _OWN_DIGITS
)
"""Digits and letters in other dress."""

_USING_JOINERS = (
    "\u0590-\u1cff\u2190-\u2bff\u2d30-\u2d7f\u3001-\u9fff\ua000-\ua63f\ua800-\uabff"
    "\uac00-\ud7ff\uf900-\ufaff\ufb1d-\ufdff\ufe70-\ufefe\u00a9\u00ae\u203c\u2049\u2122\u2139"
    "\U0001f000-\U0001faff"
)
"""Scripts and pictures that are written with joiners and variants, which hide nothing there."""

_BLANK = _SPACES + _BREAKS
_USUAL_BEFORE = "\\s\u00ab\u3001-\u303f\uff01-\uff65"
_USUAL_BEHIND = "\\s:;!?%\u20ac\u00bb"
"""Where a space that does not break, or a wide one, stands in ordinary French and Chinese."""

_HIDES: Final = BytePattern(
    (
        f"[{_UNSEEN}{_LETTERS}]|[^{_USING_JOINERS}{_JOINING}][{_JOINING}]|[\\pL\\pN][{_ACCENTS}]|"
        f"[^{_USUAL_BEFORE}{_BLANK}] ?[{_BLANK}][ {_BLANK}]{{0,3}}[^{_USUAL_BEHIND}{_BLANK}]|"
        f"[!-~][{re.escape(_MARKS)}][!-~]|"
        f"[A-Za-z0-9@+_\\-][{_OWN_DIGITS}]|[{_OWN_DIGITS}][A-Za-z0-9@+_\\-]|"
        f"[{_OWN_DIGITS}](?:[^\\pL]{{0,3}}[{_OWN_DIGITS}]){{5}}|"
        f"[{_OWN_DIGITS}](?:\\.[{_OWN_DIGITS}]{{1,3}}){{3}}"
    ).encode(),
    utf8=True,
)
_HIDES_IN_ASCII: Final = BytePattern(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPED_CONTROL: Final = BytePattern(rb"\\(?:[bf]|u00(?:[01]|7[fF]))")
_ACCENTED: Final = re.compile(f"[^{_ACCENTS}][{_ACCENTS}]+|.", re.S)
_HAS_ACCENT: Final = re.compile(f"[{_ACCENTS}]")

_ESCAPED: Final = {
    f"{ord(sign):04x}": sign
    for sign in (*map(chr, range(0x80)), *map(chr, range(0x2010, 0x2016)), *_LOOKS)
    if ord(sign) < 0x10000
}
_ESCAPE: Final = re.compile(r"\\\\|\\u([0-9a-fA-F]{4})")
_SPELLED_OUT: Final = frozenset({Role.CALL, Role.TOOL, Role.NAME})
_KNOWN: Final = frozenset(_LOOKS)
_FEW: Final = 16
"""So many different signs are replaced one after the other, more of them together."""


def may_hide(body: bytes) -> bool:
    """Whether escapes in *body*, JSON, may spell what nobody sees, in a text that is ASCII; of all
    that, DEL alone may stand there as it is.
    """
    return _ESCAPED_CONTROL.search(body) is not None


def is_as_shown(role: Role, text: str) -> bool:
    """Whether *text*, ASCII without controls, is what it shows, as most are."""
    return "\\" not in text or role not in _SPELLED_OUT or "\\u" not in text


def plain(role: Role, text: str, limit: int = MAX_SHOWN_BYTES) -> tuple[str | None, bool]:
    """*text* as a reader understands it, and whether that is all, for it has about *limit* bytes
    at most; None: it is no other.
    """
    if _has_escapes(role, text):
        if len(text) > limit:
            return None, False
        spelled = _ESCAPE.sub(_spelling, text)
        return (_redrawn(spelled) if _may_be_redrawn(spelled) else spelled), True
    encoded = text.encode()
    windows, is_all = _windows(encoded, limit)
    if not windows:
        return None, is_all
    return GAP.join([_redrawn(encoded[start:end].decode()) for start, end in windows]), is_all


def trails_of(role: Role, text: str) -> list[Trail]:
    """The way back from what `plain` shows of *text*, if that is all, to *text*, in its steps."""
    if _has_escapes(role, text):
        trails = [Trail(_escapes(text))]
        spelled = _ESCAPE.sub(_spelling, text)
        return [Trail(_pairs(spelled)), *trails] if _may_be_redrawn(spelled) else trails
    encoded = text.encode()
    pairs: list[Pair] = []
    at = 0
    for first, last in _windows(encoded, len(encoded))[0]:
        if first > at:
            pairs.append((encoded[at:first].decode(), None))
        pairs += _pairs(encoded[first:last].decode())
        at = last
    if at < len(encoded):
        pairs.append((encoded[at:].decode(), None))
    return [Trail(pairs)]


def _pairs(text: str) -> Iterator[Pair]:
    """The pieces of *text*, and what each looks like."""
    signs = _signs(text)
    pairs = zip(signs, _drawn(signs), strict=True)
    for is_same, group in groupby(pairs, key=lambda pair: pair[0] == pair[1]):
        if is_same:
            same = "".join([sign for sign, _ in group])
            yield same, same
        else:
            yield from group


def _may_be_redrawn(text: str) -> bool:
    encoded = text.encode()
    return _hides_in(text).search(encoded) is not None


def _hides_in(text: str | bytes) -> BytePattern:
    """The pattern for what hides something in *text*."""
    return _HIDES_IN_ASCII if text.isascii() else _HIDES


def _windows(text: bytes, limit: int) -> tuple[list[tuple[int, int]], bool]:
    """What of *text* is near something hidden, and whether it is all that is."""
    hides = _hides_in(text)
    windows: list[tuple[int, int]] = []
    shown = at = 0
    while (found := hides.search(text, at)) is not None:
        if shown > limit:
            return windows, False
        at = _start_of_sign(text, found[0] + REACH_BYTES)
        start = _start_of_sign(text, max(0, found[0] - REACH_BYTES))
        end = _start_of_sign(text, at + REACH_BYTES)
        if windows and start <= windows[-1][1]:
            start, stop = windows.pop()
            shown -= stop - start
        windows.append((start, end))
        shown += end - start
    return windows, True


def _start_of_sign(text: bytes, at: int) -> int:
    if at >= len(text):
        return len(text)
    while text[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _redrawn(text: str) -> str:
    """What *text* looks like, in as little time as it can be told."""
    looks = _KNOWN & set(text)
    if len(looks) > _FEW or _HAS_ACCENT.search(text) is not None:
        return "".join(_drawn(_signs(text)))
    for sign in looks:
        text = text.replace(sign, _LOOKS[sign])
    return text


def _signs(text: str) -> Sequence[str]:
    """The signs of *text*, a letter with its accents as one."""
    return text if _HAS_ACCENT.search(text) is None else _ACCENTED.findall(text)


def _drawn(signs: Sequence[str]) -> list[str]:
    """What each of *signs* looks like."""
    if isinstance(signs, str):
        return list(map(_LOOKS.get, signs, signs))
    return [
        _LOOKS.get(sign, sign)
        if len(sign) == 1
        else unicodedata.normalize("NFC", _LOOKS.get(sign[0], sign[0]) + sign[1:])
        for sign in signs
    ]


def _has_escapes(role: Role, text: str) -> bool:
    """Whether *text* has escapes of JSON within a string that need none.

    Only those of signs that numbers, keys and addresses are made of or parted by are spelled out:
    others, such as the letters of most languages, hide none of these.
    """
    if is_as_shown(role, text):
        return False
    escapes = {piece[:4] for piece in text.split("\\u")[1:]}
    return any(escape.lower() in _ESCAPED for escape in escapes)


def _spelling(found: re.Match[str]) -> str:
    code = found[1]
    return "  " if code is None else _ESCAPED.get(code.lower(), found[0])


def _escapes(text: str) -> Iterator[tuple[str, str]]:
    """The pieces of *text* beside how they are spelled out."""
    at = 0
    for found in _ESCAPE.finditer(text):
        yield text[at : found.start()], text[at : found.start()]
        yield found[0], _spelling(found)
        at = found.end()
    yield text[at:], text[at:]
