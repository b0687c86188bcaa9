"""Labels: each with where it came from; the caller may raise the sensitivity only."""

import pytest
from hunting import a_reading

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY, ClassifyRules
from proxy.domain.findings import Findings
from proxy.domain.labels import (
    Kind,
    Label,
    Labels,
    LatencyClass,
    Origin,
    OutputType,
    Risk,
    Sensitivity,
    Workload,
)
from proxy.domain.patterns import PatternSet
from proxy.domain.reading import Form, Passage, Reading, Role, ToolChoice
from proxy.domain.said import SAID_NOTHING, Said
from proxy.routing.classify import classify


def labels(
    text: str = "hi",
    said: Said = SAID_NOTHING,
    found: Findings | None = None,
    rules: ClassifyRules = BUILT_IN_ONLY,
    **shape: object,
) -> Labels:
    """The labels of a chat in which the user says *text*."""
    reading = Reading(Endpoint.CHAT, (Passage(Role.USER, text),), **shape)  # type: ignore[arg-type]  # a test's
    return classify(reading, said, rules, found or Findings())


def test_caller_names_the_workload() -> None:
    """Its word counts, whatever the text."""
    found = labels("Summarize this.", Said(workload=Workload.CODE))
    assert found.workload == Label(Workload.CODE, Origin.CALLER, 1.0)
    assert labels("Summarize this.").workload.value is Workload.SUMMARIZATION


def test_what_is_found_makes_it_regulated() -> None:
    """Kinds, and what the config disallows, are told."""
    found = labels(found=Findings(kinds=(Kind.EMAIL,), disallowed=("weapons",)))

    assert found.sensitivity == Label(Sensitivity.REGULATED, Origin.RULE, 0.95)
    assert found.kinds == (Kind.EMAIL,)
    assert found.disallowed == ("weapons",)


@pytest.mark.parametrize("unread", [True, False])
def test_what_was_not_read_is_unknown(unread: bool) -> None:
    """A file, or text beyond the cap, may hold anything, whatever was found before."""
    found = labels(found=Findings(kinds=(Kind.EMAIL,), complete=unread), unread=unread)

    assert found.sensitivity == Label(Sensitivity.UNKNOWN, Origin.STRUCTURE, 1.0)
    assert found.kinds == (Kind.EMAIL,)


def test_what_holds_nothing_is_what_the_config_says() -> None:
    """The default is the operator's."""
    rules = ClassifyRules(default_sensitivity=Sensitivity.PUBLIC)

    assert labels().sensitivity == Label(Sensitivity.INTERNAL, Origin.DEFAULT, 0.6)
    found = classify(a_reading("hi"), SAID_NOTHING, rules, Findings())
    assert found.sensitivity.value is Sensitivity.PUBLIC


@pytest.mark.parametrize(
    ("claimed", "found", "counts", "ignored"),
    [
        (Sensitivity.REGULATED, Findings(), Sensitivity.REGULATED, False),
        (Sensitivity.INTERNAL, Findings(), Sensitivity.INTERNAL, False),
        (Sensitivity.PUBLIC, Findings(), Sensitivity.INTERNAL, True),
        (Sensitivity.PUBLIC, Findings(kinds=(Kind.IBAN,)), Sensitivity.REGULATED, True),
        (Sensitivity.REGULATED, Findings(kinds=(Kind.IBAN,)), Sensitivity.REGULATED, False),
        (Sensitivity.INTERNAL, Findings(complete=False), Sensitivity.UNKNOWN, True),
        (Sensitivity.REGULATED, Findings(complete=False), Sensitivity.UNKNOWN, False),
    ],
)
def test_caller_can_only_raise_the_sensitivity(
    claimed: Sensitivity, found: Findings, counts: Sensitivity, ignored: bool
) -> None:
    """Lowering is ignored, and recorded."""
    result = labels(said=Said(sensitivity=claimed), found=found)

    assert result.sensitivity.value is counts
    assert result.lowering_ignored is ignored
    assert (result.sensitivity.origin is Origin.CALLER) is (claimed is counts)


@pytest.mark.parametrize(
    ("text", "shape", "output"),
    [
        ("x", {"form": Form.JSON}, OutputType.JSON),
        ("x", {"tools": 1, "tool_choice": ToolChoice.FORCED}, OutputType.TOOL_CALL),
        ("x", {"tools": 1}, OutputType.TOOL_CALL),
        ("x", {"tools": 1, "answers_tools": True}, OutputType.TEXT),
        ("Return valid JSON with the names.", {}, OutputType.JSON),
        ("List the cities as a table.", {}, OutputType.TABLE),
        ("Write a Python function that sorts.", {}, OutputType.CODE),
        ("Tell me more.", {}, OutputType.TEXT),
    ],
)
def test_output_type_follows_form_tools_words_and_workload(
    text: str, shape: dict[str, object], output: OutputType
) -> None:
    """In that order."""
    assert labels(text, **shape).output_type.value is output


def test_risk_is_the_callers_or_a_rules_whichever_is_higher() -> None:
    """Else it is normal."""
    high = Findings(risk=Risk.HIGH)

    low = Said(risk=Risk.LOW)
    assert labels(said=low).risk == Label(Risk.LOW, Origin.CALLER, 1.0)
    assert labels(said=low, found=high).risk == Label(Risk.HIGH, Origin.RULE, 0.9)
    assert labels(said=Said(risk=Risk.HIGH), found=high).risk.origin is Origin.CALLER
    assert labels(found=high).risk == Label(Risk.HIGH, Origin.RULE, 0.9)
    assert labels().risk == Label(Risk.NORMAL, Origin.DEFAULT, 0.5)


@pytest.mark.parametrize("said", [SAID_NOTHING, Said(risk=Risk.LOW)])
def test_risk_of_what_was_not_read_is_what_a_rule_could_find(said: Said) -> None:
    """Length or a file is no way around a rule; without one that says high, nothing changes."""
    rules = ClassifyRules(risks=PatternSet.of([("dosage", Risk.HIGH), ("joke", Risk.LOW)]))
    harmless = ClassifyRules(risks=PatternSet.of([("joke", Risk.LOW)]))
    cut, joke = Findings(complete=False), Findings(risk=Risk.LOW, complete=False)
    high = Label(Risk.HIGH, Origin.STRUCTURE, 1.0)

    assert labels(said=said, found=cut, rules=rules).risk == high
    assert labels(said=said, found=joke, rules=rules).risk == high
    assert labels(said=said, unread=True, rules=rules).risk == high
    assert labels(said=said, found=cut, rules=harmless).risk.value is (said.risk or Risk.NORMAL)


def test_latency_class_is_interactive_unless_said() -> None:
    """A bound means that somebody waits."""
    batch = Said(latency_class=LatencyClass.BATCH, max_latency_ms=5)

    assert labels(said=batch).latency_class == Label(LatencyClass.BATCH, Origin.CALLER, 1.0)
    assert labels(said=Said(max_latency_ms=5)).latency_class == Label(
        LatencyClass.INTERACTIVE, Origin.CALLER, 1.0
    )
    assert labels().latency_class == Label(LatencyClass.INTERACTIVE, Origin.DEFAULT, 0.8)


def test_user_type_and_language_stand_beside() -> None:
    """One is said, the other is told from the text."""
    found = labels("Was ist das für ein Wetter?", Said(user_type="agent"))
    assert (found.user_type, found.language.value) == ("agent", "de")
