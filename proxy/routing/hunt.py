"""The state of a search for sensitive stretches in one text. Pure.

The text of a hunt is all passages in UTF-8 with a NUL between them: patterns do not match
across it, and what stands before and after a stretch is looked up within its passage.
"""

from typing import Final

from proxy.domain.labels import Kind
from proxy.domain.patterns import BytePattern

SEPARATOR: Final = b"\x00"
BEFORE_BYTES: Final = 48
"""How far back a word that gives a number its meaning may stand."""

LOOK_COST: Final = 3000
WORD_COST: Final = 5000
MATCH_COST: Final = 1000
CHECK_COST: Final = 5000
PARSE_COST: Final = 18_000
"""What a closer look costs, and on top of it: one at a word, one more pattern, a check of
digits, a phone number looked up in its plan. In bytes of plain text that would take as long,
rounded up; 700 of them are a microsecond of the reference machine."""

_NEGATIVE = BytePattern(
    rb"\b(?:order|invoice|inv|ref|reference|ticket|case|sku|part|isbn|ean|upc|tracking|batch|lot|"
    rb"serial|version|build|model|item|product|article|commit|job|run|bestell\w*|rechnung\w*|"
    rb"auftrag\w*|commande|facture|pedido|factura|po|rma|no|nr|bug|issue|pr)"
    rb"[ .:#=\-]{0,4}(?:no|nr|number|num|id|#)?[ .:#=\-]{0,4}\z",
    fold=True,
)
_ESCAPED = b"nrtbf"


def start_of_sign(text: bytes, at: int) -> int:
    """*at*, or before it where the sign of UTF-8 begins that it would cut; at most the end."""
    if at >= len(text):
        return len(text)
    while text[at] & 0xC0 == 0x80:
        at -= 1
    return at


class Hunt:
    """What has been found so far, and what it cost.

    `every`: all stretches are wanted, not just one of each kind. `cost` is in bytes of plain
    text, by what reading as many would take.
    """

    __slots__ = ("cost", "every", "found", "kinds", "regions", "text", "weak")

    def __init__(self, text: bytes, regions: tuple[str, ...], *, every: bool) -> None:
        self.text = text
        self.regions = regions
        self.every = every
        self.kinds: set[Kind] = set()
        self.found: list[tuple[Kind, int, int]] = []
        self.weak: dict[bytes, list[tuple[int, int]]] = {}
        self.cost = 0

    def wants(self, kind: Kind) -> bool:
        """Whether one more of *kind* would say anything new."""
        return self.every or kind not in self.kinds

    def add(self, kind: Kind, start: int, end: int) -> None:
        """Keep what stands from *start* to *end* as *kind*."""
        self.kinds.add(kind)
        self.found.append((kind, start, end))

    def before(self, start: int, length: int = BEFORE_BYTES) -> bytes:
        """What stands before *start* in its passage, at most *length* bytes."""
        return self.text[max(0, start - length) : start].rpartition(SEPARATOR)[2]

    def is_numbered(self, start: int) -> bool:
        """Whether words right before *start* say that a mere number of something follows."""
        return _NEGATIVE.search(self.before(start, 28)) is not None

    def is_free(self, start: int, end: int) -> bool:
        """Whether what stands from *start* to *end* is no part of a longer word or code."""
        text = self.text
        if end < len(text):
            after = text[end]
            if _joins(after):
                return False
            if after in b"-." and end + 1 < len(text) and _joins(text[end + 1]):
                return False
        return self.may_begin(start)

    def may_begin(self, start: int) -> bool:
        """Whether nothing before *start* ties it to a longer word or code."""
        text = self.text
        if start == 0:
            return True
        before = text[start - 1]
        if _joins(before):
            return self._is_escape(start)
        if start == 1 or before not in b"-.":
            return True
        further = text[start - 2]
        return not (_joins(further) if before == 0x2D else 48 <= further <= 57)

    def _is_escape(self, start: int) -> bool:
        """Whether the letter before *start* belongs to an escape of JSON within the text."""
        text = self.text
        return start > 1 and text[start - 2] == 0x5C and text[start - 1] in _ESCAPED


def _joins(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 0x5F
