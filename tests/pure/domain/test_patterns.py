"""Patterns from a config: RE2 takes them within caps, and says where and which."""

import pytest

from proxy.domain.patterns import (
    MAX_PATTERN_CHARS,
    MAX_TOGETHER,
    BytePattern,
    PatternSet,
    TermPattern,
    byte_set,
    check_together,
    text_pattern,
)


def test_byte_pattern_sees_what_stands_around_its_bounds() -> None:
    """Bounds say what may match; a word's boundary is still the text's."""
    pattern = BytePattern(rb"\bfoo\b")

    assert pattern.search(b"xfoo foo", 1) == (5, 8)
    assert pattern.search(b"foob foo", 0, 3) is None
    assert pattern.match(b"a foo", 2) == (2, 5)
    assert pattern.match(b"a foo", 0) is None
    assert pattern.fits(b"foo")
    assert not pattern.fits(b"foo ")


def test_byte_pattern_takes_bounds_beyond_the_text() -> None:
    """An end behind the text is the text's; a start behind it matches nothing."""
    pattern = BytePattern(rb"o+", fold=True)

    assert pattern.search(b"fOo", 0, 99) == (1, 3)
    assert pattern.search(b"foo", 4) is None


def test_byte_set_says_which_patterns_fit_at_the_start() -> None:
    """One match answers for all patterns of a set."""
    assert sorted(byte_set([rb"a", rb"ab", rb"b"]).Match(b"abc")) == [0, 1]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "must be a pattern of 1 to"),
        ("x" * (MAX_PATTERN_CHARS + 1), "must be a pattern of 1 to"),
        ("(?<=a)b", "is not a pattern that RE2 takes"),
        (r"(a)\1", "is not a pattern that RE2 takes"),
        ("hush(", "is not a pattern that RE2 takes"),
        ("(?:(?:abcdefgh){30}){30}", "is too large once compiled"),
        ("a*", "matches the empty text"),
        ("|x", "matches the empty text"),
    ],
)
def test_pattern_beyond_the_rules_is_refused(written: str, why: str) -> None:
    """Each refusal says why, and never what was written."""
    with pytest.raises(ValueError, match=why) as refusal:
        text_pattern(written)
    assert "hush" not in str(refusal.value)


def test_patterns_may_be_too_large_together() -> None:
    """Many fine patterns can make an automaton that would not fit."""
    check_together(["a", "b"])
    with pytest.raises(ValueError, match=f"of {MAX_TOGETHER}"):
        check_together(["(?:abcdefgh){40}"] * 100)


def test_pattern_set_finds_all_that_match_in_either_case() -> None:
    """What the entries stand for, in their order; letters beyond ASCII fold too."""
    found = PatternSet.of([("über", 1), ("zwei", 2), ("x", 3)])

    assert found.matching("ZWEI ÜBER".encode()) == [1, 2]
    assert found.matching(b"") == []
    assert bool(found)


def test_empty_pattern_set_matches_nothing() -> None:
    """No entries cost nothing and find nothing."""
    assert PatternSet().matching(b"x") == []
    assert not PatternSet.of([])


def test_pattern_sets_are_equal_by_what_was_written() -> None:
    """Two configs that write the same are the same."""
    assert PatternSet.of([("a", 1)]) == PatternSet.of([("a", 1)])
    assert PatternSet.of([("a", 1)]) != PatternSet.of([("a", 2)])
    assert TermPattern.of(["a"]) == TermPattern.of(["a"])


def test_terms_are_found_where_they_begin_within_bounds() -> None:
    """A term counts for the stretch in which it begins, even if it ends behind it."""
    terms = TermPattern.of(["project falcon", r"acme\d+"])
    text = b"Project Falcon and ACME42"

    assert terms.spans(text, 0, len(text), len(text)) == [(0, 14), (19, 25)]
    assert terms.spans(text, 0, 5, len(text)) == [(0, 14)]
    assert terms.spans(text, 5, len(text), len(text)) == [(19, 25)]
    assert bool(terms)


def test_no_terms_are_found_without_any() -> None:
    """The empty pattern finds nothing."""
    assert not TermPattern.of([])
    assert TermPattern().spans(b"x", 0, 1, 1) == []


def test_patterns_print_no_automaton() -> None:
    """What is printed of a set is what was written, so that a snapshot stays legible."""
    assert repr(TermPattern.of(["a"])) == "TermPattern(written=('a',))"
