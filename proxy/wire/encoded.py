"""Tells data that cannot be read here, though it stands in a string: a file in base64, or in a URL.
Pure.
"""

import re
from typing import Final

MIN_ENCODED_CHARS: Final = 256
"""As long as a row of signs of base64 must be, white space within not counted."""

_LOOKED_AT: Final = 4 * MIN_ENCODED_CHARS
_WORDS_CHARS: Final = 24
"""No word of an ordinary text is longer."""

_BLANK: Final = r"[\s\x00-\x20\ufeff\u200b]*"
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_=\-]+")
_LOWER: Final = re.compile(r"[a-z]")
_LEAD: Final = re.compile(_BLANK)
_DATA_URL: Final = re.compile(
    _BLANK.join(("", *"data", ":")) + _BLANK + r"(?:[\w.+\-]+\s*/[\w.+\-\s]+)?(?:;[^,]{0,1000})?,",
    re.I,
)


def is_data_url(text: str) -> bool:
    """Whether *text* is a URL that holds what it points to, as lenient readers take it."""
    first = text[:1]
    return (first in "dD" or not first.isalnum()) and _DATA_URL.match(text) is not None


def is_encoded(text: str) -> bool:
    """Whether *text* begins like something encoded, in lines or not, and unlike words."""
    lead = _LEAD.match(text)
    start = 0 if lead is None else lead.end()
    runs = text[start : start + _LOOKED_AT].split()
    row = "".join(runs)[:MIN_ENCODED_CHARS]
    if len(row) < MIN_ENCODED_CHARS or _ENCODED.fullmatch(row) is None:
        return False
    of_words = len(_LOWER.findall(row)) * 4 >= len(row) * 3
    return not (of_words and max(map(len, runs)) <= _WORDS_CHARS)
