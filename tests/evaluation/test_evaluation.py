"""The bars of classification, on the half that no rule was tuned on; and that the page is true."""

import re
from collections import Counter

import pytest

from proxy.domain.labels import Kind, Workload
from tests.architecture.trees import ROOT
from tests.evaluation.detections import halves
from tests.evaluation.figures import (
    STRUCTURED,
    confusion,
    detected,
    f1_of,
    macro_f1,
    prompts,
)

ASKED = [each for each in Workload if each is not Workload.EMBEDDINGS]
PAGE = (ROOT / "docs" / "classification.md").read_text("utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """The rows of the table below *heading*, without its head."""
    _, found, rest = PAGE.partition(f"\n### {heading}\n")
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


def test_page_names_every_word() -> None:
    """Workloads, kinds and what a caller can say are described."""
    words = set(re.findall(r"`([^`]+)`", PAGE))
    assert {each.value for each in (*Workload, *Kind)} <= words
