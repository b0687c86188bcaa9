"""What a run of digits may be: an IP address, a payment card, a national id, a phone. Pure.

A run goes on over the spaces and signs that people put between digits. Each meaning is verified
(check digits, number plans); where the form says little, words before it must.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import phonenumbers
from stdnum import luhn

from proxy.domain.labels import Kind
from proxy.domain.patterns import BytePattern
from proxy.routing.hunt import CHECK_COST, MATCH_COST, PARSE_COST, Hunt
from proxy.routing.identities import DIGIT_FORMS, read_identities

MAX_RUN_BYTES: Final = 96
DATE_BYTES: Final = 10
MAX_SIGNS_BETWEEN: Final = 9
LONGEST_BYTES: Final = 36
MIN_CARD_BYTES: Final = 13
MIN_PHONE_BYTES: Final = 7
MAX_TRIES: Final = 3

SIGNS_BETWEEN: Final = rb"[ ().\-/]|\xc2\xa0|\xe2\x80(?:[\x90-\x95]|\xaf)"
"""What people put between digits: the spaces that do not break and every dash are among it."""

_RUN = BytePattern(rb"[+(]?[0-9(](?:" + SIGNS_BETWEEN + rb"|[0-9])*")
_IPV4 = BytePattern(rb"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_IPV6 = BytePattern(rb"[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}", fold=True)
_NO_ADDRESS = BytePattern(
    rb"(?:\b(?:v|ver|version|release|firmware|build|section|chapter|clause|step|oid|schema|asn|"
    rb"rev|revision|patch|update|article|figure|fig|table|paragraph|page|kapitel|abschnitt|"
    rb"abbildung|tabelle|chapitre|cap[i\xc3\xad]*tulo|appendix|annex|"
    rb"\xc2\xa7)\.?[ :=v]{0,3}|[/_-][a-z]*|[a-z]/)\z",
    fold=True,
)
_GAP = rb"(?:[ \-]|\xc2\xa0|\xe2\x80(?:[\x90-\x95]|\xaf)){1,2}"
_CARD = BytePattern(
    rb"[0-9]{13,19}|[0-9]{4}(?:(?:" + _GAP + rb")?[0-9]{4}){3}|"
    rb"[0-9]{4}" + _GAP + rb"[0-9]{6}" + _GAP + rb"[0-9]{4,5}"
)
_NETWORK = BytePattern(
    rb"4[0-9]{12}(?:[0-9]{3}(?:[0-9]{3})?)?|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|"
    rb"27[01][0-9]|2720)[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|"
    rb"6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12,15}|35(?:2[89]|[3-8][0-9])[0-9]{12}|62[0-9]{14,17}|"
    rb"(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"
)
_CARD_WORD = BytePattern(
    rb"\b(?:card|visa|master ?card|amex|american express|maestro|credit|debit|pan|karte\w*|"
    rb"kreditkart\w*|carte|tarjeta|carta|cc|kaart)\b", fold=True
)  # fmt: skip
_INTERNATIONAL = BytePattern(rb"(?:\+|\b00)[1-9](?:(?:" + SIGNS_BETWEEN + rb"){0,3}[0-9]){6,14}")
_US_SHAPE = BytePattern(rb"\([0-9]{3}\) ?[0-9]{3}[ .-][0-9]{4}|[0-9]{3}[.-][0-9]{3}[.-][0-9]{4}")
_NATIONAL = BytePattern(rb"\(?0?[0-9](?:(?:" + SIGNS_BETWEEN + rb"){0,3}[0-9]){6,12}")
_PHONE_WORD = BytePattern(
    rb"(?:\b(?:phone|tel|telephone|call|ring|mobile|cell|fax|whatsapp|sms|text|telefon\w*|handy\w*|"
    rb"mobil\w*|ruf\w*|portable|appel\w*|tel[e\xc3\xa9]*fono|movil|m\xc3\xb3vil|cellulare|numero|"
    rb"llam\w*|hotline|dial|contact|reach|bel|nummer|telefoon|my number|number is)\b|"
    rb"t\xc3\xa9l\b)", fold=True
)  # fmt: skip
_ANY_REGION = "ZZ"
_NEEDS_ZERO = frozenset({"GB", "DE", "FR", "NL", "AT", "CH", "BE", "SE", "AU", "ZA"})
_HAS_NO_ZERO = frozenset({"US", "CA", "ES", "PT", "PL", "DK", "NO"})


def read_run(hunt: Hunt, start: int) -> int:
    """Add what the run of digits at *start* holds; where to search on."""
    text = hunt.text
    end = _end_of_run(text, start)
    if _is_date(text, start, end):
        return start + DATE_BYTES
    before = len(hunt.found)
    if hunt.wants(Kind.IP_ADDRESS) and text.count(b".", start, end) >= 3:
        _read_addresses(hunt, start, end)
    if end - start >= MIN_CARD_BYTES and hunt.wants(Kind.PAYMENT_CARD):
        _read_cards(hunt, start, end)
    rest = start
    for _, first, last in sorted(hunt.found[before:], key=lambda each: each[1]):
        _read_rest(hunt, rest, first)
        rest = last
    _read_rest(hunt, rest, end)
    return max([_next(text, start, end), *(last for _, _, last in hunt.found[before:])])


def _end_of_run(text: bytes, start: int) -> int:
    """Where the run at *start* ends: behind a digit."""
    found = _RUN.match(text, start, start + MAX_RUN_BYTES)
    end = start + 1 if found is None else found[1]
    while end > start + 1 and not 48 <= text[end - 1] <= 57:
        end -= 1
    return end


def _next(text: bytes, start: int, end: int) -> int:
    """Where to go on: behind the run; where it was cut, what its last bytes began comes again."""
    if end - start < MAX_RUN_BYTES - MAX_SIGNS_BETWEEN:
        return end
    space = text.rfind(b" ", start, end - LONGEST_BYTES)
    return end if space <= start else space


def _read_rest(hunt: Hunt, start: int, end: int) -> None:
    """Add the ids, or else the phone numbers, of a run's part that is no card and no address."""
    if end - start < MIN_PHONE_BYTES:
        return
    before = len(hunt.found)
    hunt.cost += 3 * MATCH_COST
    if hunt.wants(Kind.NATIONAL_ID) and hunt.text[start] != 0x2B:
        read_identities(hunt, start, end, DIGIT_FORMS)
    if len(hunt.found) > before or not hunt.wants(Kind.PHONE):
        return
    while end - start >= MIN_PHONE_BYTES:
        start = _read_phone(hunt, start, end)


def _is_date(text: bytes, start: int, end: int) -> bool:
    """Whether a run is a date, 2026-11-26, alone or with a time after a space."""
    behind = start + DATE_BYTES
    if end < behind or not text[start + 4] == text[start + 7] == 0x2D:
        return False
    return end == behind or text[behind] == 0x20


def read_ipv6(hunt: Hunt, start: int) -> int:
    """Add the IPv6 address at *start* if it is one; where it ends."""
    found = _IPV6.match(hunt.text, start, start + 40)
    hunt.cost += CHECK_COST
    end = start + 4 if found is None else found[1]
    try:
        address = IPv6Address(hunt.text[start:end].decode())
    except ValueError:
        return end
    if not address.is_loopback and hunt.is_free(start, end):
        hunt.add(Kind.IP_ADDRESS, start, end)
    return end


def _read_addresses(hunt: Hunt, start: int, end: int) -> None:
    text, stop = hunt.text, start
    while (span := _IPV4.search(text, stop, end)) is not None:
        at, stop = span
        hunt.cost += CHECK_COST
        if not hunt.is_free(at, stop) or _NO_ADDRESS.search(hunt.before(at, 16)) is not None:
            continue
        try:
            address = IPv4Address(text[at:stop].decode())
        except ValueError:  # above 255, or with leading zeros
            continue
        if not (address.is_loopback or address.is_unspecified or int(address) >= 0xE0000000):
            hunt.add(Kind.IP_ADDRESS, at, stop)
            if not hunt.every:
                return


def _read_cards(hunt: Hunt, start: int, end: int) -> None:
    text, at = hunt.text, start
    while (span := _CARD.search(text, at, end)) is not None:
        first, last = span
        hunt.cost += CHECK_COST
        digits = bytes(byte for byte in text[first:last] if 48 <= byte <= 57)
        if _is_card(digits) and hunt.is_free(first, last) and not _is_other(hunt, first):
            hunt.add(Kind.PAYMENT_CARD, first, last)
            at = last
            continue
        at = first + 1
        while at < end and 48 <= text[at] <= 57:
            at += 1


def _is_card(digits: bytes) -> bool:
    return (
        _NETWORK.fits(digits)
        and digits.count(digits[:1]) < len(digits)
        and luhn.is_valid(digits.decode())
    )


def _is_other(hunt: Hunt, start: int) -> bool:
    return hunt.is_numbered(start) and _CARD_WORD.search(hunt.before(start)) is None


def _read_phone(hunt: Hunt, start: int, end: int) -> int:
    """Add the first phone number from *start* to *end*; where the next one may begin."""
    text = hunt.text
    if text.find(b"+", start, end) >= 0 or text.startswith(b"00", start):
        span = _INTERNATIONAL.search(text, start, end)
        return end if span is None else _international_end(hunt, *span)
    if (span := _US_SHAPE.search(text, start, end)) is not None:
        if "US" in hunt.regions and not hunt.is_numbered(span[0]):
            _is_added(hunt, *span, ("US",))
        return span[1]
    span = _NATIONAL.match(text, start, end)
    if span is None or _PHONE_WORD.search(hunt.before(start)) is None or hunt.is_numbered(start):
        return end
    _is_added(hunt, *span, _regions_of(hunt.regions, text[start : span[1]]))
    return span[1]


def _international_end(hunt: Hunt, start: int, end: int) -> int:
    """Add the number, without the digits behind it if only so it is one; where it ends."""
    stop = end
    for _ in range(MAX_TRIES):
        if _is_added(hunt, start, stop, (_ANY_REGION,)):
            return stop
        stop = max(hunt.text.rfind(b" ", start, stop), hunt.text.rfind(b"/", start, stop))
        if stop - start < MIN_PHONE_BYTES:
            break
    return end


def _is_added(hunt: Hunt, start: int, end: int, regions: tuple[str, ...]) -> bool:
    """Whether what stands there is a number of one of *regions*; it is added then."""
    written = hunt.text[start:end].decode("utf-8", "replace")
    if written.startswith("00"):
        written = "+" + written[2:]
    if not hunt.is_free(start, end):
        return False
    for region in regions:
        hunt.cost += PARSE_COST
        try:
            number = phonenumbers.parse(written, None if region == _ANY_REGION else region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            hunt.add(Kind.PHONE, start, end)
            return True
    return False


def _regions_of(regions: tuple[str, ...], written: bytes) -> tuple[str, ...]:
    other = _HAS_NO_ZERO if written.lstrip(b"(").startswith(b"0") else _NEEDS_ZERO
    return tuple(region for region in regions if region not in other)
