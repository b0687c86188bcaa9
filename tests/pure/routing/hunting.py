"""Scans texts for tests and shows what was found as text."""

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY, ClassifyRules
from proxy.domain.findings import Findings
from proxy.domain.labels import Kind
from proxy.domain.reading import Passage, Reading, Role
from proxy.routing.scan import Scan

A_KEY = "sk-" + "proj-aB3dE5fG7hI9jK1lM3nO5pQ7"
"""Looks like a key; written so that no scanner takes this file for a leak."""


def a_reading(*texts: str) -> Reading:
    """A chat whose user says these *texts*."""
    passages = tuple(Passage(Role.USER, text) for text in texts)
    return Reading(Endpoint.CHAT, passages, turns=len(texts))


def scan_of(
    *texts: str, rules: ClassifyRules = BUILT_IN_ONLY, every: bool = True, step: int = 1 << 20
) -> Findings:
    """What a scan finds in *texts* that goes on by *step*."""
    scan = Scan(a_reading(*texts), rules, every=every)
    while not scan.step(step):
        pass
    return scan.findings()


def found_in(text: str, *, rules: ClassifyRules = BUILT_IN_ONLY) -> list[tuple[Kind, str]]:
    """Kinds and values in *text*."""
    encoded = text.encode()
    spans = scan_of(text, rules=rules).spans
    return [(kind, encoded[start:end].decode()) for kind, _, start, end in spans]


def values_in(text: str, kind: Kind) -> list[str]:
    """The values of one *kind* in *text*."""
    return [value for of, value in found_in(text) if of is kind]
