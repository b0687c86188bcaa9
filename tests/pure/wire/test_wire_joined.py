"""Parts of a message as one: where they meet, and back."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.joined import REACH_CHARS, Seams, joined


def test_short_parts_are_joined_whole() -> None:
    """With nothing between, as providers do."""
    assert joined(["a", "", "bé", "c"]) == "abéc"


def test_long_parts_are_shown_where_they_meet() -> None:
    """The end of the first, both ends of those between, the beginning of the last."""
    long = "x" * 1000
    reach = "x" * REACH_CHARS

    assert joined([f"{long}1", f"2{long}3", f"4{long}"]) == (
        f"{reach[1:]}12{reach[1:]}\0{reach[1:]}34{reach[1:]}"
    )


PARTS = st.lists(
    st.lists(st.sampled_from(["ab", "é" * 300, "x" * 700, "\0", "c"]), max_size=4).map("".join),
    min_size=2,
    max_size=5,
)


@given(PARTS, st.integers(0, 10**6), st.integers(1, 400))
def test_way_back_leads_to_the_same_bytes(texts: list[str], start: int, size: int) -> None:
    """Of each part its own, in order."""
    made = joined(texts)
    span = made[start % max(1, len(made)) :][:size].partition("\0")[0]
    if not span:
        return
    begin = len(made[: start % len(made)].encode())

    stretches, _ = Seams(texts).back(begin, begin + len(span.encode()))

    found = [texts[part].encode()[first:last] for part, first, last in stretches]
    assert b"".join(found).decode() == span
    assert [each.part for each in stretches] == sorted({each.part for each in stretches})


def test_span_at_a_gap_is_not_whole() -> None:
    """More may belong to it than is shown."""
    seams = Seams(["x" * 1000, "y"])

    assert seams.back(0, 4) == ([(0, 744, 748)], False)
    assert seams.back(1, REACH_CHARS + 1) == ([(0, 745, 1000), (1, 0, 1)], True)
