"""API keys and private keys: by the prefixes that vendors give theirs, or by being assigned. Pure.

What follows a prefix must look made by chance: letters and digits mixed, no words, no row of
one sign, so that `sk-your-key-here` in a manual is none.
"""

from typing import Final, NamedTuple

from proxy.domain.labels import Kind
from proxy.domain.patterns import BytePattern
from proxy.routing.hunt import Hunt, start_of_sign

PEM_LEAD: Final = rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY"
ASSIGNED_LEAD: Final = (
    rb"(?:api[_-]?key|apikey|secret(?:[_-]?(?:access)?[_-]?key)?|access[_-]?key|auth[_-]?token|"
    rb"access[_-]?token|client[_-]?secret|token|password|passwd|pwd|passwort|accountkey|"
    rb"connection[_-]?string)\\?[\"']? ?[:=]"
)
BEARER_LEAD: Final = rb"bearer [a-z0-9]"

_MAX_PEM_BYTES = 16 * 1024
_JUDGED_KEY_BYTES = 400
_JUDGED_TOKEN_BYTES = 8192
_MAX_VALUE_BYTES = 200
"""By so many bytes it is told whether something is a key. One that is goes on to its own end."""

_NEVER_WORDY_BYTES = 32


class _Vendor(NamedTuple):
    """How a vendor's keys begin, and what they consist of in whole."""

    lead: bytes
    whole: bytes


VENDORS: Final = (
    _Vendor(rb"sk-", rb"sk-(?:ant-|proj-|svcacct-|admin-|or-v1-|lf-)?[A-Za-z0-9_\-]{20,}"),
    _Vendor(rb"pk-lf-", rb"pk-lf-[a-f0-9\-]{36}"),
    _Vendor(rb"[srp]k_(?:live|test)_", rb"[srp]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _Vendor(rb"whsec_", rb"whsec_[A-Za-z0-9+/=]{24,}"),
    _Vendor(rb"(?:AKIA|ASIA|ABIA|ACCA)", rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _Vendor(rb"gh[pousr]_", rb"gh[pousr]_[A-Za-z0-9]{36,}"),
    _Vendor(rb"github_pat_", rb"github_pat_[A-Za-z0-9_]{22,}"),
    _Vendor(rb"glpat-", rb"glpat-[A-Za-z0-9_\-]{20,}"),
    _Vendor(rb"xox[abeoprs]-", rb"xox[abeoprs]-[A-Za-z0-9\-]{10,}"),
    _Vendor(rb"xapp-", rb"xapp-[A-Za-z0-9\-]{20,}"),
    _Vendor(rb"AIza", rb"AIza[A-Za-z0-9_\-]{35}"),
    _Vendor(rb"ya29\.", rb"ya29\.[A-Za-z0-9_\-]{20,}"),
    _Vendor(rb"GOCSPX-", rb"GOCSPX-[A-Za-z0-9_\-]{28}"),
    _Vendor(rb"SG\.", rb"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,}"),
    _Vendor(rb"hf_", rb"hf_[A-Za-z0-9]{30,}"),
    _Vendor(rb"gsk_", rb"gsk_[A-Za-z0-9]{32,}"),
    _Vendor(rb"xai-", rb"xai-[A-Za-z0-9]{40,}"),
    _Vendor(rb"pplx-", rb"pplx-[A-Za-z0-9]{32,}"),
    _Vendor(rb"r8_", rb"r8_[A-Za-z0-9]{30,}"),
    _Vendor(rb"nvapi-", rb"nvapi-[A-Za-z0-9_\-]{40,}"),
    _Vendor(rb"fw_", rb"fw_[A-Za-z0-9]{20,}"),
    _Vendor(rb"npm_", rb"npm_[A-Za-z0-9]{36}"),
    _Vendor(rb"pypi-", rb"pypi-[A-Za-z0-9_\-]{40,}"),
    _Vendor(rb"dckr_pat_", rb"dckr_pat_[A-Za-z0-9_\-]{20,}"),
    _Vendor(rb"do[opr]_v1_", rb"do[opr]_v1_[a-f0-9]{64}"),
    _Vendor(rb"shp(?:at|ca|pa|ss)_", rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _Vendor(rb"sq0(?:atp|csp)-", rb"sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,}"),
    _Vendor(rb"lin_api_", rb"lin_api_[A-Za-z0-9]{32,}"),
    _Vendor(rb"hv[sb]\.", rb"hv[sb]\.[A-Za-z0-9_\-]{24,}"),
    _Vendor(rb"ATATT3", rb"ATATT3[A-Za-z0-9_\-=]{40,}"),
    _Vendor(rb"secret_", rb"secret_[A-Za-z0-9]{40,50}"),
    _Vendor(rb"ntn_", rb"ntn_[A-Za-z0-9]{40,}"),
    _Vendor(rb"key-[0-9a-f]{4}", rb"key-[0-9a-f]{32}"),
    _Vendor(rb"EAA[A-Za-z0-9]{4}", rb"EAA[A-Za-z0-9]{60,}"),
    _Vendor(rb"pm_", rb"pm_[A-Za-z0-9]{6,40}_[A-Za-z0-9]{20,}_[A-Za-z0-9]{4,12}"),
    _Vendor(rb"AGE-SECRET-KEY-1", rb"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    _Vendor(
        rb"eyJ[A-Za-z0-9_\-]{6}",
        rb"eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]{10,}",
    ),
)

KEY_LEADS: Final = b"|".join(vendor.lead for vendor in VENDORS)

_JWT = BytePattern(rb"eyJ[A-Za-z0-9_\-]+\.eyJ[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)?")
_WHOLE = BytePattern(
    b"|".join(vendor.whole for vendor in VENDORS if not vendor.lead.startswith(b"eyJ"))
)
_PRIVATE = b"AGE-SECRET-KEY-1"
_ASSIGNED = BytePattern(ASSIGNED_LEAD + rb" {0,2}(?:\\?[\"'])?", fold=True)
_BEARER = BytePattern(rb"bearer ", fold=True)
_OF_VALUE = rb"[A-Za-z0-9_\-+/=.~!@#$%^&*]"
_VALUE = BytePattern(_OF_VALUE + rb"{12,200}")
_REST_OF_VALUE = BytePattern(_OF_VALUE + rb"+")
_REST_OF_PEM = BytePattern(rb"[A-Za-z0-9+/=\\\r\n\t]*(?:-----END [A-Z0-9 ]{0,48}-----)?")
_WORDY = BytePattern(
    rb"your|example|xxxx|placeholder|replace|insert|changeme|dummy|sample|redacted|\*\*\*|\.\.\.|"
    rb"<|my[_-]|here|process\.env|os\.environ|getenv|secrets?\.|\$\{|null|undefined",
    fold=True,
)
_ORDINARY = BytePattern(
    rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9.,:\-/]+|[a-zA-Z]+|[a-z_\-.]+"
)
_MIN_DIFFERENT = 8


def read_pem(hunt: Hunt, start: int, end: int) -> int:
    """Add the private key whose first line is at *start*, up to its last; where it ends."""
    text = hunt.text
    stop = text.find(b"-----END", end, start + _MAX_PEM_BYTES)
    if stop >= 0 and (last := text.find(b"-----", stop + 8, stop + 64)) >= 0:
        end = last + 5
    else:
        stop = text.find(b"\x00", end, start + _MAX_PEM_BYTES)  # cut off: all that is left of it
        end = start_of_sign(text, start + _MAX_PEM_BYTES) if stop < 0 else stop
        end = _end_of(_REST_OF_PEM, text, end)
    hunt.add(Kind.PRIVATE_KEY, start, end)
    return end


def read_key(hunt: Hunt, start: int) -> int | None:
    """Add the vendor's key at *start*, if it is one; where it ends."""
    text = hunt.text
    is_token = text.startswith(b"eyJ", start)
    pattern, judged = (_JWT, _JUDGED_TOKEN_BYTES) if is_token else (_WHOLE, _JUDGED_KEY_BYTES)
    span = pattern.match(text, start, start + judged)
    if span is None or not _looks_random(text[start : span[1]], long=_NEVER_WORDY_BYTES):
        return None
    if span[1] == start + judged:
        span = pattern.match(text, start) or span
    private = text.startswith(_PRIVATE, start)
    hunt.add(Kind.PRIVATE_KEY if private else Kind.API_KEY, *span)
    return span[1]


def read_assigned(hunt: Hunt, start: int) -> int | None:
    """Add the value that is assigned to a name of a secret at *start*; where it ends."""
    text = hunt.text
    lead = _ASSIGNED.match(text, start, start + 64) or _BEARER.match(text, start, start + 8)
    if lead is None:
        return None
    span = _VALUE.match(text, lead[1], lead[1] + _MAX_VALUE_BYTES)
    if span is None or not _looks_random(text[span[0] : span[1]]):
        return lead[1]
    if _ORDINARY.fits(text, *span):
        return span[1]
    end = span[1]
    if end == lead[1] + _MAX_VALUE_BYTES:
        end = _end_of(_REST_OF_VALUE, text, end)
    hunt.add(Kind.API_KEY, span[0], end)
    return end


def _end_of(rest: BytePattern, text: bytes, at: int) -> int:
    """Where the *rest* of a value that goes on at *at* ends."""
    span = rest.match(text, at)
    return at if span is None else span[1]


def _looks_random(key: bytes, long: int | None = None) -> bool:
    """Whether *key* holds digits and letters, enough different ones, and no word of a manual: in
    one of at least *long* bytes a word may stand by chance.
    """
    if len(set(key)) < _MIN_DIFFERENT:
        return False
    if (long is None or len(key) < long) and _WORDY.search(key) is not None:
        return False
    return any(48 <= byte <= 57 for byte in key) and any(byte > 64 for byte in key)
