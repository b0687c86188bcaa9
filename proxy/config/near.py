"""Which known word somebody may have meant. Pure."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from proxy.config.document import shown

MAX_WORDS: Final = 500
"""More are not searched: comparing costs time, and a config may be hostile."""


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A clause that suggests one of *known*, to be appended to a message; empty if none is near."""
    if len(known) > MAX_WORDS or len(word) > MAX_WORDS:
        return ""
    written = {each.lower(): each for each in known}
    near = get_close_matches(word.lower(), written, n=1, cutoff=0.6)
    return f"; did you mean {shown(written[near[0]])}?" if near else ""
