"""The bars of classification and of estimates, on the half that nothing was tuned on; and that the
pages are true.
"""

import re
from collections import Counter

import pytest

from proxy.domain.catalog import Endpoint
from proxy.domain.labels import Kind, Workload
from proxy.domain.reading import Role
from proxy.domain.standing import Standing
from proxy.wire.passages import reading_of
from tests.architecture.trees import ROOT
from tests.evaluation.detections import halves
from tests.evaluation.estimates import calibrated, measured, ratios
from tests.evaluation.figures import (
    STRUCTURED,
    confusion,
    detected,
    detected_in_disguise,
    f1_of,
    macro_f1,
    prompts,
)

ASKED = [each for each in Workload if each is not Workload.EMBEDDINGS]
PAGE = (ROOT / "docs" / "classification.md").read_text("utf-8")
ROUTING_PAGE = (ROOT / "docs" / "routing.md").read_text("utf-8")


def rows_below(heading: str, page: str = PAGE) -> list[list[str]]:
    """The rows of the table below *heading* of *page*, without its head."""
    _, found, rest = page.partition(f"\n### {heading}\n")
    assert found, heading
    lines = [line for line in rest.partition("\n#")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_set_is_what_it_claims() -> None:
    """At least 36 requests of each workload, half of each held out, none twice."""
    tuned, held_out = prompts("tuned"), prompts("held_out")
    everything = tuned + held_out

    assert len({str(row["request"]) for row in everything}) == len(everything) >= 360
    for half in (tuned, held_out):
        counts = Counter(row["workload"] for row in half)
        assert set(counts) == set(ASKED)
        assert min(counts.values()) >= 18


def test_workloads_are_told_on_the_held_out_half() -> None:
    """The bar: a macro-F1 of 0.85."""
    assert macro_f1(confusion(prompts("held_out"))) >= 0.85


def test_structured_kinds_are_found_on_the_held_out_half() -> None:
    """The bars: recall 0.95, precision 0.9."""
    result = detected(halves()["held_out"])

    assert result.recall >= 0.95
    assert result.precision >= 0.9


def shifted(text: str, by: dict[str, int]) -> str:
    """*text* with its signs of each range, `A..Z`, moved to the one that begins there."""
    moved = {
        code: start + code - ord(first)
        for (first, last), start in ((each.split(".."), to) for each, to in by.items())
        for code in range(ord(first), ord(last) + 1)
    }
    return text.translate(moved)


def cut(text: str, size: int) -> list[dict[str, str]]:
    """*text* in text parts of *size*."""
    return [{"type": "text", "text": text[at : at + size]} for at in range(0, len(text), size)]


DISGUISES = {
    "none": str,
    "an unseen sign behind each": "\u200b".join,
    "a control behind each": "\0".join,
    "an unseen sign before spaces": lambda text: text.replace(" ", "\u2060 "),
    "spaces that do not break": lambda text: text.replace(" ", "\u00a0"),
    "thin spaces": lambda text: text.replace(" ", "\u2009"),
    "full width": lambda text: shifted(text, {"!..~": 0xFF01}),
    "arabic digits": lambda text: shifted(text, {"0..9": 0x660}),
    "mathematical": lambda text: shifted(text, {"0..9": 0x1D7CE, "A..Z": 0x1D400, "a..z": 0x1D41A}),
    "two parts": lambda text: cut(text, len(text) // 2 + 1),
    "many parts": lambda text: cut(text, 7),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("half", ["tuned", "held_out"])
def test_kinds_are_found_in_disguise(disguise: str, half: str) -> None:
    """The same bars, for what a reader sees though it is written otherwise."""
    result = detected_in_disguise(halves()[half], DISGUISES[disguise])

    assert result.recall >= 0.95
    assert result.precision >= 0.9


def test_requests_in_many_languages_hide_nothing() -> None:
    """What a scan finds in any is found in what it says, and next to none is read twice."""
    rows = prompts("tuned") + prompts("held_out")
    readings = [reading_of(Endpoint.CHAT, row["request"]) for row in rows]

    assert sum(any(each.role is Role.PLAIN for each in one.passages) for one in readings) <= 2


def test_page_has_the_confusion_matrix() -> None:
    """Each row a true workload, each column what it was taken for."""
    pairs = confusion(prompts("held_out"))

    assert rows_below("Confusion matrix") == [
        [
            of.value,
            *(str(pairs[of.value, taken.value] or "") for taken in ASKED),
            f"{f1_of(of, pairs):.2f}",
        ]
        for of in ASKED
    ]


@pytest.mark.parametrize("half", ["tuned", "held_out"])
def test_page_has_the_scores(half: str) -> None:
    """Macro-F1, recall and precision of both halves, to three places."""
    (row,) = [row for row in rows_below("Scores") if row[0] == half]
    found = detected(halves()[half])

    assert row[1:] == [
        f"{macro_f1(confusion(prompts(half))):.3f}",
        f"{found.recall:.3f}",
        f"{found.precision:.3f}",
    ]


def test_page_has_the_hits_of_each_kind() -> None:
    """Found rightly, wrongly and missed, on the held-out half."""
    by_kind = detected(halves()["held_out"]).by_kind

    assert rows_below("Detections") == [
        [kind.value, str(hits.right), str(hits.wrong), str(hits.missed)]
        for kind, hits in by_kind.items()
        if kind in STRUCTURED
    ]


@pytest.mark.parametrize("length", ["short", "long"])
def test_page_has_how_far_estimates_are_off(length: str) -> None:
    """Before and after calibration, on prompts that it has not seen."""
    known = calibrated(measured("tuned", "long"))
    asked = measured("held_out", length)

    found = {"4": ratios(asked, Standing()), "calibrated": ratios(asked, known)}

    rows = rows_below("How far estimates of prompts are off", ROUTING_PAGE)
    assert [row[1:] for row in rows if row[0] == length] == [
        [name, *(f"{each:.2f}" for each in found[name])] for name in found
    ]


def test_estimates_of_long_prompts_are_near() -> None:
    """The bar: a tenth off all together, and none of twenty by half, once it is calibrated."""
    known = calibrated(measured("tuned", "long"))

    found = ratios(measured("held_out", "long"), known)

    assert abs(found.together - 1) <= 0.1
    assert found.low >= 0.75
    assert found.high <= 1.5


def test_page_names_every_word() -> None:
    """Workloads, kinds and what a caller can say are described."""
    words = set(re.findall(r"`([^`]+)`", PAGE))
    assert {each.value for each in (*Workload, *Kind)} <= words
