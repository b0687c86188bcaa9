"""What a request is expected to come to."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.catalog import Endpoint
from proxy.domain.labels import Label, Origin, OutputType, Workload
from proxy.domain.rules import Ruling
from proxy.domain.standing import History
from proxy.routing.decide import choose
from proxy.routing.expected import Expected, expected_of
from tests.builders import a_route, a_snapshot, some_facts, some_labels

SEEN = History(100, 400, 1000, 1.5, 0.25)


def expected(history: History | None = SEEN, capped: int | None = None, **fields: Any) -> Expected:
    """What is expected of a request with *fields*, where the chats so far were like *history*."""
    histories = {} if history is None else {("auto", Workload.CHAT): history}
    snapshot = a_snapshot(a_route(), histories=histories)
    facts = some_facts(**fields)
    ruling = Ruling(applied=("cap",), max_output_tokens=capped)
    return expected_of(choose(snapshot.routes["auto"], ruling, facts, snapshot), facts, snapshot)


def test_history_of_route_and_workload_is_what_is_expected() -> None:
    """Length, its slow twentieth, attempts, and the share of tool calls."""
    assert expected(tools=2) == Expected(100, 400, 1000, 1.5, 0.25)


def test_nothing_is_known_of_what_was_never_asked() -> None:
    """Only the length has a default."""
    assert expected(None, tools=2) == Expected(0, 300, None, None, None)
    assert expected(workload=Workload.CODE, tools=2) == Expected(0, 800, None, None, None)


@pytest.mark.parametrize(
    ("capped", "fields", "lengths"),
    [
        (None, {"max_output_tokens": 500}, (400, 500)),
        (300, {}, (300, 300)),
        (300, {"max_output_tokens": 100}, (100, 100)),
        (None, {"n": 3, "max_output_tokens": 500}, (1200, 1500)),
    ],
)
def test_answers_are_as_long_as_their_limit_lets_them(
    capped: int | None, fields: dict[str, Any], lengths: tuple[int, int]
) -> None:
    """The client's or the rules'; all answers of the request together."""
    found = expected(capped=capped, **fields)

    assert (found.completion_tokens, found.completion_tokens_p95) == lengths


def test_shape_says_more_of_tool_calls_than_history() -> None:
    """None can be made without tools; one that is forced is made."""
    forced = some_labels(output_type=OutputType.TOOL_CALL)
    perhaps = replace(forced, output_type=Label(OutputType.TOOL_CALL, Origin.STRUCTURE, 0.6))

    assert expected(tools=0).tool_calls == 0.0
    assert expected(tools=1, labels=forced).tool_calls == 1.0
    assert expected(tools=1, labels=perhaps).tool_calls == 0.25
    assert expected(endpoint=Endpoint.EMBEDDINGS).tool_calls == 0.0
