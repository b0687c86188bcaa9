"""What kind of work a request is: its shape first, then votes of patterns on its instructions.

Instructions stand where they usually do: at the start and the end of the last user message, and
in the system prompt. What stands between is material, and counts little. Pure.
"""

import re
from typing import Final, NamedTuple

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import ClassifyRules, Vote
from proxy.domain.labels import Label, Origin, OutputType, Workload
from proxy.domain.reading import Form, Reading, Role, ToolChoice
from proxy.routing.votes import BUILT_IN

HEAD_CHARS: Final = 260
TAIL_CHARS: Final = 160
BODY_CHARS: Final = 1500
SYSTEM_CHARS: Final = 1000

_HEAD_WEIGHT = 1.0
_TAIL_WEIGHT = 0.8
_BODY_WEIGHT = 0.25
_SYSTEM_WEIGHT = 0.8
_LEAST = 1.5
"""Votes below this say nothing."""

_OF_FORM = {
    Form.CHOICE: {Workload.CLASSIFICATION: 3.0, Workload.EXTRACTION: 0.5},
    Form.SCHEMA: {Workload.EXTRACTION: 3.0, Workload.CLASSIFICATION: 0.5},
    Form.JSON: {Workload.EXTRACTION: 1.5, Workload.CLASSIFICATION: 0.5},
}
_NO_VOTE: Final = Label(Workload.CHAT, Origin.DEFAULT, 0.5)
_FEW_VOTES: Final = Label(Workload.CHAT, Origin.DEFAULT, 0.4)
_EXTRACTS = re.compile(r"extract|parse|record|fields|entit|save_|store_|struct", re.IGNORECASE)
_CLASSIFIES = re.compile(r"classif|categor|label|tag|route|intent|sentiment", re.IGNORECASE)


class Hint(NamedTuple):
    """What a pattern said, and what the place where it matched counts."""

    says: Vote | OutputType
    weight: float


def hints_of(reading: Reading, rules: ClassifyRules) -> list[Hint]:
    """What patterns say of the instructions of a request."""
    if reading.endpoint is Endpoint.EMBEDDINGS:
        return []  # nothing is asked for: it is all material
    hints: list[Hint] = []
    own = rules.workloads
    for text, weight in _instructions_of(reading):
        encoded = text.encode()
        hints += [Hint(says, weight) for says in BUILT_IN.matching(encoded)]
        if own.entries:
            hints += [Hint(vote, weight) for vote in own.matching(encoded)]
    return hints


def workload_of(reading: Reading, hints: list[Hint]) -> Label[Workload]:
    """The workload of a request whose caller names none."""
    by_shape = _by_shape(reading)
    if by_shape is not None:
        return by_shape
    votes: dict[Workload, float] = {}
    for says, weight in hints:
        if isinstance(says, Vote):
            votes[says.workload] = votes.get(says.workload, 0.0) + says.weight * weight
    by_form: dict[Workload, float] = {}
    if reading.form is not Form.FREE:
        by_form = _OF_FORM[reading.form]
        for workload, points in by_form.items():
            votes[workload] = votes.get(workload, 0.0) + points
    return _elect(votes, by_form)


def _instructions_of(reading: Reading) -> list[tuple[str, float]]:
    """The parts of a request that may say what is to be done, each with what it counts."""
    parts: list[tuple[str, float]] = []
    if system := reading.first_of(Role.SYSTEM):
        parts.append((system[:SYSTEM_CHARS], _SYSTEM_WEIGHT))
    head, body, tail = _divide(reading.last_of(Role.USER))
    parts.append((head, _HEAD_WEIGHT))
    if tail:
        parts.append((tail, _TAIL_WEIGHT))
    if body:
        parts.append((body, _BODY_WEIGHT))
    return parts


def _divide(text: str) -> tuple[str, str, str]:
    """The start of *text* up to its first blank line, its end likewise, and what is between."""
    blank = text.find("\n\n", 0, HEAD_CHARS)
    if blank < 0 and len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text, "", ""
    head = HEAD_CHARS if blank < 0 else blank
    last = text.rfind("\n\n", max(head, len(text) - TAIL_CHARS))
    tail = max(head, len(text) - TAIL_CHARS if last < 0 and blank < 0 else last)
    if last < 0 and blank >= 0:
        tail = len(text)
    return text[:head], text[head : min(tail, head + BODY_CHARS)], text[tail:]


def _by_shape(reading: Reading) -> Label[Workload] | None:
    """The workload that the shape alone decides."""
    if reading.endpoint is Endpoint.EMBEDDINGS:
        return Label(Workload.EMBEDDINGS, Origin.STRUCTURE, 1.0)
    if not reading.tools or reading.tool_choice is ToolChoice.NONE:
        return None
    if reading.forced_tool is not None and reading.tools == 1:
        # One function that must be called is how answers got a schema before response_format.
        if _CLASSIFIES.search(reading.forced_tool):
            return Label(Workload.CLASSIFICATION, Origin.STRUCTURE, 0.8)
        if _EXTRACTS.search(reading.forced_tool):
            return Label(Workload.EXTRACTION, Origin.STRUCTURE, 0.8)
    sure = reading.answers_tools or reading.tool_choice is ToolChoice.FORCED
    return Label(Workload.TOOL_USE, Origin.STRUCTURE, 0.95 if sure else 0.85)


def _elect(votes: dict[Workload, float], by_form: dict[Workload, float]) -> Label[Workload]:
    if not votes:
        return _NO_VOTE
    *others, most = sorted(votes.values())
    if most < _LEAST:
        return _FEW_VOTES
    second = others[-1] if others else 0.0
    winner = max([each for each, points in votes.items() if points == most])
    sure = round(min(0.95, 0.4 + 0.6 * (most - second) / (most + 1.0)), 2)
    shaped = by_form.get(winner, 0.0) > most / 2
    return Label(winner, Origin.STRUCTURE if shaped else Origin.RULE, sure)
