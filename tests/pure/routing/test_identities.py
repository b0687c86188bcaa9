"""National ids: form, check digits, and a word where the form is common."""

import pytest
from hunting import scan_of, values_in

from proxy.domain.labels import Kind
from tests.evaluation.detections import ids


@pytest.mark.parametrize(("word", "number"), list(ids()))
def test_each_country_is_known(word: str, number: str) -> None:
    """Behind the word that its people use, each is found whole."""
    assert values_in(f"{word} {number}, please", Kind.NATIONAL_ID) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "536-22-12345",
        "000-22-1234",
        "order 536-22-1234",
        "943 476 5919",
        "44051401359",
        "BG 12 34 56 C",
        "AB123456C",
        "11010519491331002X",
        "110105194912310029",
        "12345678A",
        "x54362315K",
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    """A wrong digit, a number of something else, or a common form without a word."""
    assert values_in(text, Kind.NATIONAL_ID) == []


def test_chinese_ids_are_checked_without_a_look_into_a_file() -> None:
    """Birth date and check digit suffice."""
    assert values_in("ID 11010519491231002X", Kind.NATIONAL_ID) == ["11010519491231002X"]


def test_ids_of_one_run_are_all_found() -> None:
    """Two ids with a space between them are two."""
    assert values_in("536-22-1234 219-09-1234", Kind.NATIONAL_ID) == ["536-22-1234", "219-09-1234"]
    assert len(scan_of("536-22-1234 219-09-1234", every=False).spans) == 1
