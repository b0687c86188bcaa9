"""The way back from what is shown to what was written."""

import pytest

from proxy.wire.trail import GAP, Trail, shown_of

PAIRS = [("left", None), ("ab", "ab"), ("é", "xyz"), ("\u200b", ""), ("mid", None), ("", "")]
PAIRS += [("c", "c"), ("end", None)]


def test_gap_stands_only_between_what_is_shown() -> None:
    """What is left out at either end leaves nothing."""
    assert shown_of(PAIRS) == f"abxyz{GAP}c"
    assert shown_of([]) == ""


@pytest.mark.parametrize(
    ("span", "back"),
    [
        ((0, 1), (4, 5, False)),
        ((1, 2), (5, 6, True)),
        ((1, 3), (5, 8, True)),
        ((3, 4), (6, 8, True)),
        ((4, 5), (6, 8, False)),
        ((1, 7), (5, 15, False)),
        ((6, 7), (14, 15, False)),
        ((6, 99), (14, 15, False)),
    ],
)
def test_spans_are_led_back(span: tuple[int, int], back: tuple[int, int, bool]) -> None:
    """Into a piece that is the same, to the whole of one that is not; bytes, not signs."""
    assert Trail(PAIRS).back(*span) == back


def test_all_that_is_shown_is_whole() -> None:
    """Where nothing is left out."""
    assert Trail([("a", "a"), ("\u200b", ""), ("b", "b")]).back(0, 2) == (0, 5, True)
