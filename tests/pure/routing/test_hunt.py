"""The state of a hunt: what it still wants, and what stands around a place."""

import pytest

from proxy.domain.labels import Kind
from proxy.routing.hunt import Hunt, start_of_sign


def a_hunt(text: str, *, every: bool = False) -> Hunt:
    """A hunt in *text*."""
    return Hunt(text.encode(), ("US",), every=every)


def test_one_of_each_kind_is_wanted_unless_all_are() -> None:
    """What was found is not wanted again, but where every stretch is."""
    hunt, thorough = a_hunt("x"), a_hunt("x", every=True)
    for each in (hunt, thorough):
        assert each.wants(Kind.EMAIL)
        each.add(Kind.EMAIL, 0, 1)

    assert not hunt.wants(Kind.EMAIL)
    assert thorough.wants(Kind.EMAIL)
    assert hunt.found == [(Kind.EMAIL, 0, 1)]


def test_what_stands_before_ends_at_the_passage() -> None:
    """Another passage's words give a number no meaning."""
    assert a_hunt("order\x00no 12").before(9) == b"no "
    assert a_hunt("abc").before(3, 2) == b"bc"


@pytest.mark.parametrize(
    ("before", "numbered"),
    [("order ", True), ("Order no. ", True), ("ticket #", True), ("my card ", False), ("", False)],
)
def test_words_before_say_that_it_is_a_number_of_something(before: str, numbered: bool) -> None:
    """An order or a ticket is numbered; a card is not."""
    assert a_hunt(before + "4111").is_numbered(len(before)) is numbered


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("<12>", True), (" 12 ", True), ("a12 ", False), ("_12 ", False), (" 12b", False),
        (" 12-b", False), (" 12. B", True), (" 12.b", False), (" 12-", True), ("-12 ", True),
        ("\\n12 ", True), ("xn12 ", False), ("n12", False), ("a-12 ", False), (" -12 ", True),
        ("1.12 ", False), ("a.12 ", True),
    ],
)  # fmt: skip
def test_free_is_what_is_no_part_of_a_code(text: str, free: bool) -> None:
    """Letters, digits and underscores tie; so do a hyphen or a dot with more behind it."""
    at = text.index("12") if "1.12" not in text else 2
    assert a_hunt(text).is_free(at, at + 2) is free


@pytest.mark.parametrize(("at", "start"), [(0, 0), (1, 1), (2, 1), (3, 3), (4, 3), (5, 3), (9, 6)])
def test_signs_are_not_cut(at: int, start: int) -> None:
    """A sign of several bytes goes whole or not at all."""
    assert start_of_sign("aé€".encode(), at) == start


def test_start_of_the_text_is_free() -> None:
    """Nothing stands before it; nor two places before its second sign."""
    assert a_hunt("12").is_free(0, 2)
    assert a_hunt("12").may_begin(0)
