"""Step 4: where in the strings of the body that stands which a scan found. Pure.

A passage may show others once more: without what hides something in them, or as if they were one.
What is found in it is led back to each of them, so that it can be replaced where it was written.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from proxy.domain.findings import Finding
from proxy.domain.labels import Kind
from proxy.domain.reading import Reading, Role
from proxy.errors import GatewayError
from proxy.wire.joined import Seams
from proxy.wire.shown import trails_of


class _Source(NamedTuple):
    found: list[Finding]
    is_whole: bool


def sources_of(reading: Reading, found: Iterable[Finding], kinds: frozenset[Kind]) -> list[Finding]:
    """What of *kinds* was *found* in *reading*, in order, each where the body says it, but for
    what is a part of something else of its kind. Each is of a text that the body holds.

    Raises:
        GatewayError: not_redactable; more may belong to something than is shown.
    """
    wanted = sorted([each for each in found if each.kind in kinds], key=lambda each: each.passage)
    joined = [at for at, each in enumerate(reading.passages) if each.role is Role.JOINED]
    joins = dict(zip(joined, reading.joins, strict=True))
    sources: list[Finding] = []
    cut_off: list[Finding] = []
    for passage, group in groupby(wanted, key=lambda each: each.passage):
        for source in _led_back(reading, joins, passage, list(group)):
            (sources if source.is_whole else cut_off).extend(source.found)
    kept = _outermost(sources)
    if cut_off and len(_outermost([*kept, *cut_off])) > len(kept):
        raise GatewayError(
            "not_redactable", reason="it has such text that may go on where it is not seen whole"
        )
    return kept


def _led_back(
    reading: Reading, joins: dict[int, tuple[int, ...]], passage: int, found: list[Finding]
) -> list[_Source]:
    """The stretches of each that was *found* in one passage."""
    role, text = reading.passages[passage]
    sources = [_Source([each], is_whole=True) for each in found]
    if role is Role.PLAIN:
        passage -= 1
        role, text = reading.passages[passage]
        for trail in trails_of(role, text):
            sources = [
                _Source([Finding(each.kind, passage, start, end)], whole and is_whole)
                for (each,), whole in sources
                for start, end, is_whole in (trail.back(each.start, each.end),)
            ]
    if role is not Role.JOINED:
        return sources
    parts = joins[passage]
    seams = Seams([reading.passages[part].text for part in parts])
    return [
        _Source(
            [Finding(each.kind, parts[part], start, end) for part, start, end in stretches],
            whole and is_whole,
        )
        for (each,), whole in sources
        for stretches, is_whole in (seams.back(each.start, each.end),)
    ]


def _outermost(found: Iterable[Finding]) -> list[Finding]:
    """*found* in order, each once, but for what another one of its kind and passage covers."""
    kept: list[Finding] = []
    ordered = sorted(found, key=lambda each: (each.passage, each.kind, each.start, -each.end))
    for _, group in groupby(ordered, key=lambda each: each[:2]):
        reached = -1
        for each in group:
            if each.end > reached:
                kept.append(each)
                reached = each.end
    return sorted(kept, key=lambda each: (each.passage, each.start, -each.end, each.kind))
