"""What a request is expected to come to, told beside its decision: how long, how many attempts,
whether tools are called. Pure.
"""

from typing import NamedTuple

from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.labels import OutputType
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import History
from proxy.routing.cost import all_answers, completion_tokens

_NOTHING_KNOWN = History()


class Expected(NamedTuple):
    """What the last answers of the route and workload lead to expect; None: nothing is known.

    `samples` is how many answers it rests on. `completion_tokens`, and what one answer in twenty
    goes beyond, are of all answers of the request together, within its limit. `attempts` is for
    each success, at least 1. `tool_calls` is the share, from 0 to 1, that end in tool calls.
    """

    samples: int
    completion_tokens: int
    completion_tokens_p95: int | None
    attempts: float | None
    tool_calls: float | None


def expected_of(decision: Decision, facts: Facts, snapshot: Snapshot) -> Expected:
    """What the request with *facts* is expected to come to, as *decision* sends it."""
    key = (decision.route.id, facts.labels.workload.value)
    history = snapshot.histories.get(key, _NOTHING_KNOWN)
    limit = decision.max_output_tokens or facts.max_output_tokens
    longest = history.completion_tokens_p95
    return Expected(
        history.samples,
        completion_tokens(facts, history, limit),
        None if longest is None else all_answers(longest, facts, limit),
        history.attempts_per_success,
        _tool_calls(facts, history),
    )


def _tool_calls(facts: Facts, history: History) -> float | None:
    if not facts.tools:
        return 0.0
    output = facts.labels.output_type
    if output.value is OutputType.TOOL_CALL and output.confidence == 1.0:
        return 1.0  # the request leaves no choice
    return history.tool_calls
