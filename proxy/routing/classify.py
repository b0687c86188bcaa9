"""Step 3: all labels of a request, from what it says, its shape, its words and its caller. Pure.

The only reader of text. `Scan` finds what is sensitive, in as many steps as the loop allows;
`classify` makes the labels of that and of the rest.
"""

from typing import Final

from proxy.domain.classing import ClassifyRules
from proxy.domain.findings import Findings
from proxy.domain.labels import (
    Label,
    Labels,
    LatencyClass,
    Origin,
    OutputType,
    Risk,
    Sensitivity,
    Workload,
)
from proxy.domain.reading import Form, Reading, ToolChoice
from proxy.domain.said import Said
from proxy.routing.language import language_of
from proxy.routing.workload import Hint, hints_of, workload_of

_ORDINARY_TEXT: Final = Label(OutputType.TEXT, Origin.DEFAULT, 0.7)
_ORDINARY_RISK: Final = Label(Risk.NORMAL, Origin.DEFAULT, 0.5)
_SOMEBODY_WAITS: Final = Label(LatencyClass.INTERACTIVE, Origin.DEFAULT, 0.8)
"""Labels of most requests, made once."""

_RISKS: Final = tuple(Risk)
"""The lowest first."""

_RANK: Final = {
    Sensitivity.PUBLIC: 0,
    Sensitivity.INTERNAL: 1,
    Sensitivity.REGULATED: 2,
    Sensitivity.UNKNOWN: 3,
}


def classify(reading: Reading, said: Said, rules: ClassifyRules, findings: Findings) -> Labels:
    """The labels of a request; *findings* are those of its `Scan`, taken as far as it got."""
    hints = hints_of(reading, rules)
    workload = (
        workload_of(reading, hints)
        if said.workload is None
        else Label(said.workload, Origin.CALLER, 1.0)
    )
    sensitivity, lowering_ignored = _sensitivity(reading, said, rules, findings)
    return Labels(
        workload,
        sensitivity,
        findings.kinds,
        language_of(reading),
        _output_type(reading, workload, hints),
        _risk(reading, said, rules, findings),
        _latency_class(said),
        said.user_type,
        findings.disallowed,
        lowering_ignored,
    )


def _sensitivity(
    reading: Reading, said: Said, rules: ClassifyRules, findings: Findings
) -> tuple[Label[Sensitivity], bool]:
    """How sensitive the text is, and whether the caller said less and was not believed."""
    if reading.unread or not findings.complete:  # the rest may hold other kinds than were found
        found = Label(Sensitivity.UNKNOWN, Origin.STRUCTURE, 1.0)
    elif findings.kinds:
        found = Label(Sensitivity.REGULATED, Origin.RULE, 0.95)
    else:
        found = Label(rules.default_sensitivity, Origin.DEFAULT, 0.6)
    claimed = said.sensitivity
    if claimed is None:
        return found, False
    if _RANK[claimed] >= _RANK[found.value]:
        return Label(claimed, Origin.CALLER, 1.0), False
    return found, claimed is not Sensitivity.REGULATED  # unknown is regulated, and more


def _output_type(
    reading: Reading, workload: Label[Workload], hints: list[Hint]
) -> Label[OutputType]:
    if reading.form is not Form.FREE:
        return Label(OutputType.JSON, Origin.STRUCTURE, 1.0)
    if reading.tools and reading.tool_choice is ToolChoice.FORCED:
        return Label(OutputType.TOOL_CALL, Origin.STRUCTURE, 1.0)
    for says, _ in hints:
        if isinstance(says, OutputType):
            return Label(says, Origin.RULE, 0.8)
    if workload.value is Workload.TOOL_USE and not reading.answers_tools:
        return Label(OutputType.TOOL_CALL, Origin.STRUCTURE, 0.6)
    if workload.value is Workload.CODE:
        return Label(OutputType.CODE, workload.origin, round(workload.confidence * 0.8, 2))
    return _ORDINARY_TEXT


def _risk(reading: Reading, said: Said, rules: ClassifyRules, findings: Findings) -> Label[Risk]:
    """What the caller says or a rule finds, whichever is higher. What was not read counts as high
    where a rule could have found that in it.
    """
    found = None if findings.risk is None else Label(findings.risk, Origin.RULE, 0.9)
    unread = reading.unread or not findings.complete
    if unread and any(risk is Risk.HIGH for _, risk in rules.risks.entries):
        found = Label(Risk.HIGH, Origin.STRUCTURE, 1.0)
    if said.risk is None:
        return found or _ORDINARY_RISK
    if found is not None and _RISKS.index(found.value) > _RISKS.index(said.risk):
        return found
    return Label(said.risk, Origin.CALLER, 1.0)


def _latency_class(said: Said) -> Label[LatencyClass]:
    if said.latency_class is not None:
        return Label(said.latency_class, Origin.CALLER, 1.0)
    if said.max_latency_ms is not None:
        return Label(LatencyClass.INTERACTIVE, Origin.CALLER, 1.0)
    return _SOMEBODY_WAITS
