"""The driver of a scan: short texts at once, long ones with turns for others in between."""

import asyncio

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY
from proxy.domain.labels import Kind
from proxy.domain.reading import Passage, Reading, Role
from proxy.execution.scan import SLICE_BYTES, scanned


def a_reading(text: str) -> Reading:
    """A chat whose user says *text*."""
    return Reading(Endpoint.CHAT, (Passage(Role.USER, text),))


async def test_short_text_is_scanned_without_a_turn_for_others() -> None:
    """Nobody else runs before the findings are there."""
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "ran")

    findings = await scanned(a_reading("bob@x.com ann@x.com"), BUILT_IN_ONLY)

    assert findings.kinds == (Kind.EMAIL,)
    assert len(findings.spans) == 1
    assert others == []


async def test_long_text_lets_others_run() -> None:
    """The loop is held for a slice at a time."""
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "ran")

    findings = await scanned(a_reading("x " * SLICE_BYTES + "bob@x.com"), BUILT_IN_ONLY)

    assert findings.kinds == (Kind.EMAIL,)
    assert findings.complete
    assert others == ["ran"]


async def test_every_stretch_is_found_where_asked() -> None:
    """For redaction one of each kind is not enough."""
    findings = await scanned(a_reading("bob@x.com ann@x.com"), BUILT_IN_ONLY, every=True)
    assert len(findings.spans) == 2
