"""The gateway's own message in the shape that was asked for."""

from typing import Any

import orjson
import pytest

from proxy.domain.catalog import Endpoint
from proxy.wire.limits import Caps
from proxy.wire.message import MOST_CHOICES, message_answer
from proxy.wire.parse import parse
from tests.builders import a_request

SAYS = 'Back soon: "state" é'


def test_plain_chat_says_the_message() -> None:
    """A whole answer, with the route as its model and no tokens."""
    answer = orjson.loads(message_answer(a_request(), SAYS, "req_1", 5))
    assert answer["model"] == "auto"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": SAYS}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] == 0


@pytest.mark.parametrize("usage", [False, True])
def test_stream_says_it_in_events(usage: bool) -> None:
    """A chunk with the text, one with the end, usage where it was asked for, and the last word."""
    request = a_request(stream=True, stream_options={"include_usage": usage})
    events = message_answer(request, SAYS, "req_1", 5).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    chunks = [orjson.loads(event[6:]) for event in events[:-2]]
    assert [chunk["object"] for chunk in chunks] == ["chat.completion.chunk"] * (2 + usage)
    assert chunks[0]["choices"][0]["delta"]["content"] == SAYS
    assert chunks[1]["choices"][0]["finish_reason"] == "stop"
    assert (chunks[-1]["choices"] == []) is usage


@pytest.mark.parametrize("stream", [False, True])
def test_completion_has_its_own_shape(stream: bool) -> None:
    """Legacy completions say it as `text`."""
    body = orjson.dumps({"model": "auto", "prompt": "x", "stream": stream})
    request = parse(Endpoint.COMPLETIONS, body, Caps())
    answer = message_answer(request, SAYS, "req_1", 5)
    first = answer.partition(b"\n\n")[0].removeprefix(b"data: ") if stream else answer
    assert orjson.loads(first)["choices"][0]["text"] == SAYS


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("endpoint", "asked", "choices"),
    [
        (Endpoint.CHAT, {"n": 3}, 3),
        (Endpoint.COMPLETIONS, {"n": 3, "best_of": 5, "prompt": "x"}, 3),
        (Endpoint.COMPLETIONS, {"n": 2, "prompt": ["x", "y"]}, 4),
        (Endpoint.COMPLETIONS, {"prompt": ["x"] * 3000}, MOST_CHOICES),
    ],
)
def test_message_is_said_as_often_as_asked(
    endpoint: Endpoint, asked: dict[str, Any], choices: int, stream: bool
) -> None:
    """An application that reads the third choice finds it, under an id of the endpoint's kind."""
    chat = {"messages": [{"role": "user", "content": "x"}]} if endpoint is Endpoint.CHAT else {}
    body = orjson.dumps({"model": "auto", "stream": stream, **chat, **asked})
    answer = message_answer(parse(endpoint, body, Caps()), SAYS, "req_1", 5)
    chunks = [answer]
    if stream:
        chunks = [event[6:] for event in answer.split(b"\n\n")[:-2]]
    said = [choice for chunk in chunks for choice in orjson.loads(chunk)["choices"]]
    ended = [choice["index"] for choice in said if choice["finish_reason"] == "stop"]
    assert ended == list(range(choices))
    kind = "chatcmpl-" if endpoint is Endpoint.CHAT else "cmpl-"
    assert orjson.loads(chunks[0])["id"] == f"{kind}req_1"
