"""Makes a provider's words fit to be shown to a client: no credentials, no control bytes. Pure."""

import re
from typing import Final

MAX_MESSAGE_CHARS: Final = 1000
MAX_READ_CHARS: Final = 8 * MAX_MESSAGE_CHARS
MASK: Final = "[masked]"

_SECRET = re.compile(
    r"""
    \b(?:sk|pk|rk|pm|gsk|hf|xai|pplx|ghp|org|proj)[-_]              # prefixed keys and accounts
      (?:[\w*.-]{16,}|(?=[\w*.-]{0,15}[0-9*])[\w*.-]{4,})
    | \bAIza[\w-]{20,} | \bAKIA[A-Z0-9]{12,}                        # Google, AWS
    | \beyJ[\w-]{8,}(?:\.[\w-]*)*                                   # JSON web tokens
    | (?i:\bbearer\s+[\w+/=.*~-]{6,})
    | (?i:\b(?:x-)?api[ _-]?key(?:\ provided)?["']?\s*[:=]\s*["']?[^\s"',}]+)
    | (?<![\w+/=-])(?=[\w+/=-]*[0-9])(?=[\w+/=-]*[A-Za-z])[\w+/=-]{32,}   # anything long and random
    """,
    re.VERBOSE | re.ASCII,
)
_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def presentable(text: str) -> str:
    """*text* on one line, what looks like a credential masked, at most 1,000 characters.

    Masked before it is cut, so that no key is shown because only half of it fits.
    """
    printable = "".join(char if char.isprintable() else " " for char in text[:MAX_READ_CHARS])
    return _SECRET.sub(MASK, printable).strip()[:MAX_MESSAGE_CHARS]


def token_of(value: object) -> str | None:
    """A short machine-readable word such as an error code; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) < 10**6:
        return str(value)
    if isinstance(value, str) and _TOKEN.fullmatch(value) and not _SECRET.search(value):
        return value
    return None
