"""What was found in the texts of a request, and where. Pure values, free of text."""

from typing import NamedTuple

from proxy.domain.labels import Kind, Risk
from proxy.values import value


class Finding(NamedTuple):
    """A stretch of one passage, in bytes of its UTF-8, that is of *kind*."""

    kind: Kind
    passage: int
    start: int
    end: int


@value
class Findings:
    """All that a scan found. `complete`: every text was read to its end; what was not read may
    hold anything. `spans` holds one of each kind, or all of them where the scan was asked to.
    """

    kinds: tuple[Kind, ...] = ()
    spans: tuple[Finding, ...] = ()
    disallowed: tuple[str, ...] = ()
    risk: Risk | None = None
    complete: bool = True


NOTHING_FOUND = Findings()
