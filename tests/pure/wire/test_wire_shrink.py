"""A chat with its oldest turns left out."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.request import Request
from proxy.wire.shrink import MOST_MESSAGES, shortened
from tests.builders import parsed

SYSTEM = {"role": "system", "content": "Be brief."}


def a_chat(*messages: dict[str, Any]) -> Request:
    """A chat of *messages*."""
    return parsed(orjson.dumps({"model": "auto", "messages": messages, "n": 1}))


def left(request: Request, max_prompt_bytes: int) -> list[str] | None:
    """The contents of the messages that are left."""
    body = shortened(request, max_prompt_bytes)
    if body is None:
        return None
    assert parsed(body).prompt_bytes <= max(max_prompt_bytes, 0)
    return [message["content"] for message in orjson.loads(body)["messages"]]


def said(role: str, content: str, **fields: Any) -> dict[str, Any]:
    """A message."""
    return {"role": role, "content": content, **fields}


TALK = [
    SYSTEM,
    said("user", "u1" * 10),
    said("assistant", "a1" * 10),
    said("user", "u2" * 10),
    said("assistant", "a2" * 10),
    said("user", "u3" * 10),
]


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (200, 6),
        (109, 6),
        (108, 4),
        (69, 4),
        (68, 2),
        (29, 2),
        (28, None),
        (-5, None),
    ],
)
def test_oldest_turns_go_first(most: int, kept: int | None) -> None:
    """The system's message and the last turn always stay; what cannot fit is not sent."""
    found = left(a_chat(*TALK), most)

    assert (None if found is None else len(found)) == kept
    if found is not None:
        assert (found[0], found[-1]) == ("Be brief.", "u3" * 10)


def test_bytes_of_what_stays_are_untouched() -> None:
    """Spaces, escapes, numbers and members that the gateway does not know."""
    kept = '{ "role":"user" , "content":"\\u00e9\\"]", "x": 1e2 }'
    body = (
        '{"model":"auto", "messages" : [ {"role":"user","content":"old old"} ,\n '
        + kept
        + '\t] ,"temperature":1e0}'
    )

    found = shortened(parsed(body.encode()), 10)

    assert found is not None
    assert found.decode() == ('{"model":"auto", "messages" : [' + kept + '] ,"temperature":1e0}')


def test_results_go_with_their_calls() -> None:
    """A tool's result is never sent without the call that it answers."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    torn = [
        said("user", "u1" * 10),
        said("assistant", "", tool_calls=[call]),
        said("user", "u2" * 10),
        said("tool", "r1" * 10, tool_call_id="c1"),
        said("user", "u3" * 10),
    ]

    assert left(a_chat(*torn), 70) == ["u3" * 10]
    assert left(a_chat(*torn[:-1]), 50) is None


def test_late_instructions_stay_where_they_are() -> None:
    """A developer's message in the middle is kept, in its place."""
    talk = [TALK[1], said("developer", "Now in French."), *TALK[2:]]

    found = left(a_chat(*talk), 60)

    assert found == ["Now in French.", "u3" * 10]


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        ("assistant", {"tool_calls": ["?"]}),
        ("assistant", {"tool_calls": 5}),
        ("assistant", {"tool_calls": {"id": "c1"}}),
        ("tool", {"tool_call_id": []}),
        ("tool", {"tool_call_id": {"id": "c1"}}),
    ],
)
def test_malformed_calls_are_no_calls(role: str, fields: dict[str, Any]) -> None:
    """What is of another kind than it should be has no id, and is left out like any message."""
    talk = [said("user", "u1"), said(role, "a1", **fields), said("user", "u2")]

    assert left(a_chat(*talk), 2) == ["u2"]


@pytest.mark.parametrize(("more", "is_left"), [(0, True), (1, False)])
def test_endless_talk_is_left_as_it_is(more: int, is_left: bool) -> None:
    """The next step of the ladder is taken: nobody else is served while it is looked at."""
    request = a_chat(*[said("user", "ab")] * (MOST_MESSAGES + more))

    assert (shortened(request, 2) is not None) is is_left


roles = st.sampled_from(["system", "developer", "user", "assistant", "tool"])
talks = st.lists(st.tuples(roles, st.text(max_size=20), st.integers(0, 2)), min_size=1, max_size=9)


@given(talks, st.integers(-10, 150))
def test_any_talk_is_shortened_whole_or_not_at_all(
    talk: list[tuple[str, str, int]], most: int
) -> None:
    """What is left is a part of what was, in order, within the limit, with no pair torn."""
    messages = [
        said(role, text)
        | ({"tool_call_id": f"c{id_}"} if role == "tool" else {})
        | ({"tool_calls": [{"id": f"c{id_}"}]} if role == "assistant" and id_ else {})
        for role, text, id_ in talk
    ]
    request = a_chat(*messages)

    body = shortened(request, most)

    if body is None:
        return
    kept = orjson.loads(body)["messages"]
    rest = iter(orjson.loads(orjson.dumps(messages)))
    assert all(any(one == other for other in rest) for one in kept)
    assert parsed(body).prompt_bytes <= most
    instructions = [each for each in messages if each["role"] in {"system", "developer"}]
    assert [each for each in kept if each["role"] in {"system", "developer"}] == instructions
    gone = {
        call["id"] for each in messages if each not in kept for call in each.get("tool_calls", ())
    } - {call["id"] for each in kept for call in each.get("tool_calls", ())}
    assert not [each for each in kept if each.get("tool_call_id") in gone]
