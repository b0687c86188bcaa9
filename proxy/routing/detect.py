"""Finds sensitive stretches: one pass of one pattern for what may begin one, then a closer look.

Rules of the pattern: what it matches is short and bounded, so that a piece of the text can be
searched with a little more behind it and gives what the whole text gives. What begins with a
letter is matched with the sign before it, a JSON escape within the text (`\\n`) counting as one;
so are the minus signs before a digit.
Pure.
"""

from typing import Final

from stdnum import iban

from proxy.domain.labels import Kind
from proxy.domain.patterns import BytePattern
from proxy.routing import keys, numbers
from proxy.routing.hunt import CHECK_COST, LOOK_COST, WORD_COST, Hunt
from proxy.routing.identities import LETTER_FORMS, read_identities

REACH_BYTES: Final = 256
"""No match of the pattern is longer, with room to spare."""

_BOUNDARY = rb"(?:\A|[^A-Za-z0-9_\\]|\\[nrtbf\"/]|\\u[0-9a-fA-F]{4})"
_BEFORE_DIGITS = rb"(?:\A|[^A-Za-z0-9_\\\-]|\\[nrtbf\"/]|\\u[0-9a-fA-F]{4})-{0,3}"
_DIGITS = (
    rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",  # IPv4
    rb"[(]?[0-9](?:(?:" + numbers.SIGNS_BETWEEN + rb"){0,3}[0-9]){8}",
    rb"[+][0-9](?:(?:" + numbers.SIGNS_BETWEEN + rb"){0,3}[0-9]){6}",
    rb"[0-9]{7,8}-?[A-Z]",  # DNI, PPS
    rb"[0-9]{6}A[0-9]{3}",  # hetu
)
"""How what begins with a digit may go on. A date alone has fewer digits than any of it."""

_STRONG_HEALTH = (
    rb"diagnosed with|diagnosis:|medical records?|patient (?:name|id|record|history|file)|"
    rb"hiv[ -]positive|health record|mental health history|icd-?10|discharge summary|"
    rb"lab results?|blood test results?|krankenakte|patientenakte|diagnostiziert|"
    rb"dossier m\xc3\xa9dical|historia cl\xc3\xadnica|cartella clinica|"
    rb"prescribed|my (?:doctor|therapist|psychiatrist)"
)
_WEAK_HEALTH = (
    rb"patient|diagnos[ei]s|diabet\w{1,4}|cancer|chemotherapy|hiv|aids|hepatitis|depression|"
    rb"antidepressants?|bipolar|schizophrenia|insulin|metformin|atorvastatin|asthma|epilepsy|"
    rb"pregnan(?:t|cy)|miscarriage|abortion|tumou?r|biopsy|symptoms?|blood pressure|hba1c|"
    rb"prescription|dosage|medication|mg (?:daily|twice)|surgery|allerg(?:y|ic)|therapy|"
    rb"psychotherapy|addiction|rehab|overdose|vaccin\w{2,7}|hypertension|migraine|amoxicillin|"
    rb"krebs|schwanger\w{0,8}|krankheit|erkrankung|blutdruck|medikament\w{0,2}|patientin|"
    rb"grossesse|maladie|ordonnance|m\xc3\xa9dicament\w{0,1}|c\xc3\xa1ncer|embarazad[ao]|enfermedad|"
    rb"paziente|malattia|farmac[io]|ziekte|zwanger|pati\xc3\xabnt|doen\xc3\xa7a|gr\xc3\xa1vida"
)
_WORDS_NEEDED = 2


def _trigger(*, health: bool) -> bytes:
    words = [
        rb"(?i:" + keys.ASSIGNED_LEAD + rb"|" + keys.BEARER_LEAD + rb")",
        keys.KEY_LEADS,
        rb"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",  # IBAN
        rb"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",  # NINO
        rb"[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z]",  # codice fiscale
        rb"[XYZ]-?[0-9]{7}",  # NIE
        rb"[A-Z]{4,5}[0-9]{4}[0-9A-Z]",  # PAN, CURP
        rb"(?i:[0-9a-f]{3,4}:[0-9a-f]{0,4}:)",  # IPv6
    ]
    if health:
        words.append(rb"(?i:" + _STRONG_HEALTH + rb"|" + _WEAK_HEALTH + rb")\b")
    return b"|".join(
        [
            rb"[A-Za-z0-9_\x80-\xff.%+\-][.]?@[A-Za-z0-9]",
            keys.PEM_LEAD,
            _BOUNDARY + rb"(?:" + b"|".join(words) + rb")",
            _BEFORE_DIGITS + rb"(?:" + b"|".join(_DIGITS) + rb")",
        ]
    )


TRIGGER: Final = BytePattern(_trigger(health=True))
TRIGGER_WITHOUT_HEALTH: Final = BytePattern(_trigger(health=False))

_BOUNDARY_AT = BytePattern(_BOUNDARY.replace(rb"\A|", b""))
_STRONG_AT = BytePattern(rb"(?:" + _STRONG_HEALTH + rb")\b", fold=True)
_WEAK_AT = BytePattern(rb"(?:" + _WEAK_HEALTH + rb")\b", fold=True)
_IPV6_AT = BytePattern(rb"[0-9a-f]{3,4}:[0-9a-f]{0,4}:", fold=True)
_IBAN_AT = BytePattern(rb"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?")
_LABEL = rb"(?:[A-Za-z0-9_]|\xc3[\x80-\xbf])"
_LOCAL = BytePattern(_LABEL + rb"+(?:['.%+\-]+" + _LABEL + rb"+)*[.\-+]?\z")
_DOMAIN = BytePattern(
    rb"(?:(?:[A-Za-z0-9]|\xc3[\x80-\xbf])(?:[A-Za-z0-9\-]|\xc3[\x80-\xbf])*\.)+[A-Za-z]{2,24}"
)
_NO_DOMAIN = BytePattern(
    rb"[0-9.\-]+\.[a-z]+|.*\.(?:png|jpe?g|gif|svg|webp|css|js|ts|html?|json|ya?ml|exe|zip|rc)",
    fold=True,
)
_SECRET_OF_URL = BytePattern(rb"://[^/\s:@]{0,40}:[^/\s@]{0,40}\z")


def look_closer(hunt: Hunt, start: int, end: int) -> int:
    """Add what begins at *start*, where a trigger matched up to *end*; where to search on."""
    hunt.cost += LOOK_COST
    text = hunt.text
    if text[end - 2] == 0x40:  # x@y
        return _read_email(hunt, end - 2)
    if text.startswith(b"-----BEGIN", start):
        return keys.read_pem(hunt, start, end)
    word = _word_at(text, start, end)
    lead = text[word]
    if (48 <= lead <= 57 or lead in b"+(") and b":" not in text[word:end]:
        return numbers.read_run(hunt, word)
    return max(end, _read_word(hunt, word, end))


def _word_at(text: bytes, start: int, end: int) -> int:
    """Where what was matched begins: behind the sign before it, but at the start of the text."""
    if start == 0:
        opens = text[0] == 0x28 and 48 <= text[1] <= 57 and b":" not in text[:end]
        if opens or _is_sign(text[0]):
            return 0
    boundary = _BOUNDARY_AT.match(text, start, end)
    word = start if boundary is None else boundary[1]
    while text[word] == 0x2D:
        word += 1
    return word


def _is_sign(byte: int) -> bool:
    """Whether *byte* is a letter, a digit or a plus: what is looked for begins with these."""
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 0x2B


def _read_word(hunt: Hunt, start: int, end: int) -> int:
    """Add what the word at *start* begins; where to search on."""
    hunt.cost += WORD_COST
    if hunt.wants(Kind.API_KEY):
        read = keys.read_key(hunt, start) or keys.read_assigned(hunt, start)
        if read is not None:
            return read
    text = hunt.text
    span = _IBAN_AT.match(text, start, start + 42)
    if span is not None and (stop := _iban_end(hunt, *span)) is not None:
        return stop
    if hunt.wants(Kind.IP_ADDRESS) and _IPV6_AT.match(text, start, start + 12) is not None:
        return numbers.read_ipv6(hunt, start)
    if hunt.wants(Kind.NATIONAL_ID):
        read_identities(hunt, start, start + 1, LETTER_FORMS)
    _read_health(hunt, start, end)
    return end


def _iban_end(hunt: Hunt, start: int, end: int) -> int | None:
    """Add the IBAN at *start*; digits after it that its spacing may have taken are let go."""
    while end - start >= 15:
        hunt.cost += CHECK_COST
        if hunt.is_free(start, end) and _is_iban(hunt.text[start:end]):
            hunt.add(Kind.IBAN, start, end)
            return end
        end = hunt.text.rfind(b" ", start, end)
    return None


def _is_iban(written: bytes) -> bool:
    # The check of a country's own rules would import its module here, on first use.
    return iban.is_valid(written.decode(), check_country=False)


def _read_email(hunt: Hunt, at: int) -> int:
    text = hunt.text
    begin = max(0, at - 64)
    may_be_url = b"://" in text[begin:at]
    if not (hunt.wants(Kind.EMAIL) or may_be_url):
        return at
    hunt.cost += WORD_COST
    local = _LOCAL.search(text[begin:at])
    domain = _DOMAIN.match(text, at + 1, at + 254)
    if local is None or domain is None or _NO_DOMAIN.fits(text, *domain):
        return at
    start, end = _after_escape(text, begin + local[0]), domain[1]
    if may_be_url and _SECRET_OF_URL.search(hunt.before(at, 90)) is not None:
        if hunt.wants(Kind.API_KEY) and start < at:
            hunt.add(Kind.API_KEY, text.rfind(b":", 0, at) + 1, at)
        return end
    is_remote = text[start:at] == b"git" and text[end : end + 1] in (b":", b"/")
    if start < at and not is_remote and hunt.wants(Kind.EMAIL):
        hunt.add(Kind.EMAIL, start, end)
    return end


def _after_escape(text: bytes, start: int) -> int:
    """*start*, or behind the escape of JSON within the text that it falls into."""
    if start == 0 or text[start - 1] != 0x5C:
        return start
    if text[start] in b"nrtbf":
        return start + 1
    return start + 5 if text[start] == 0x75 else start


def _read_health(hunt: Hunt, start: int, end: int) -> None:
    if not hunt.wants(Kind.HEALTH):
        return
    if _STRONG_AT.match(hunt.text, start, end) is not None:
        hunt.add(Kind.HEALTH, start, end)
        return
    if _WEAK_AT.match(hunt.text, start, end) is None:
        return
    if Kind.HEALTH in hunt.kinds:
        hunt.add(Kind.HEALTH, start, end)
        return
    hunt.weak.setdefault(hunt.text[start:end].lower(), []).append((start, end))
    if len(hunt.weak) >= _WORDS_NEEDED:
        for spans in hunt.weak.values():
            for span in spans if hunt.every else spans[:1]:
                hunt.add(Kind.HEALTH, *span)
