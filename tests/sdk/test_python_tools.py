"""Tool calls and structured output through the Python SDK."""

import json
from enum import Enum
from typing import Any

import orjson
import pytest
from openai import LengthFinishReasonError, pydantic_function_tool
from pydantic import BaseModel

from tests.gateway import GatewayUnderTest
from tests.sdk.clients import Sdk, a_chat


class Weather(BaseModel):
    """Tells the weather of a city."""

    city: str
    days: int


class Mood(Enum):
    CALM = "calm"
    CROSS = "cross"


class Step(BaseModel):
    title: str
    minutes: float | None


class Plan(BaseModel):
    name: str
    mood: Mood
    steps: list[Step]


TOOLS = [pydantic_function_tool(Weather)]
PARIS = {"name": "Weather", "arguments": {"city": "Paris", "days": 2}}
TOKYO = {"name": "Weather", "arguments": {"city": "東京 🗼", "days": 5}}


async def test_tool_call_comes_in_one_go(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A plain answer that calls a tool says so, with arguments as the model wrote them."""
    gateway.script(tool_calls=[PARIS])

    completion = await sdk.call(
        lambda client: client.chat.completions.create(**a_chat(tools=TOOLS))
    )

    choice = completion.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (call,) = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "Weather",
        PARIS["arguments"],
    )


async def test_parallel_tool_calls_stream_apart(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """Fragments of several streamed calls can be put together by their index alone."""
    gateway.script(tool_calls=[PARIS, TOKYO], split=7)

    streamed = await sdk.streamed(
        lambda client: client.chat.completions.create(**a_chat(tools=TOOLS, stream=True))
    )

    arguments = {0: "", 1: ""}
    ids = []
    for chunk in streamed.chunks:
        for fragment in chunk.choices[0].delta.tool_calls or []:
            arguments[fragment.index] += fragment.function.arguments
            ids += [fragment.id] if fragment.id else []
    assert [json.loads(text) for text in arguments.values()] == [
        PARIS["arguments"],
        TOKYO["arguments"],
    ]
    assert len(set(ids)) == 2
    assert streamed.finish_reason == "tool_calls"


async def test_stream_helper_parses_tool_calls(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """The SDK's own accumulator turns streamed calls into the application's models."""
    gateway.script(tool_calls=[PARIS, TOKYO])

    completion = await sdk.final(
        lambda client: client.chat.completions.stream(**a_chat(tools=TOOLS))
    )

    calls = completion.choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in calls] == [
        Weather.model_validate(PARIS["arguments"]),
        Weather.model_validate(TOKYO["arguments"]),
    ]


async def test_tool_loop_goes_round(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A tool's result goes upstream with the call it answers, as the SDK wrote both."""
    gateway.script(tool_calls=[PARIS])
    asked = a_chat(tools=TOOLS)
    first = await sdk.call(lambda client: client.chat.completions.create(**asked))
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"c": 1e2}'}
    turns = [*asked["messages"], message, result]
    gateway.script(content="It is warm.")

    second = await sdk.call(
        lambda client: client.chat.completions.create(**{**asked, "messages": turns})
    )

    assert second.choices[0].message.content == "It is warm."
    sent = orjson.loads(gateway.simulator.providers["first"].received[-1].body)["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
    assert sent[2]["content"] == '{"c": 1e2}'


async def test_parse_gives_the_applications_model(sdk: Sdk) -> None:
    """Structured output with a pydantic model comes back as that model."""
    completion = await sdk.call(
        lambda client: client.chat.completions.parse(**a_chat(response_format=Plan))
    )

    assert isinstance(completion.choices[0].message.parsed, Plan)


async def test_streamed_parse_gives_the_applications_model(sdk: Sdk) -> None:
    """The same, streamed through the SDK's helper."""
    completion = await sdk.final(
        lambda client: client.chat.completions.stream(**a_chat(response_format=Plan))
    )

    assert isinstance(completion.choices[0].message.parsed, Plan)


async def test_clipped_structured_output_is_told(sdk: Sdk) -> None:
    """An answer that max_tokens clipped is an error of its own in the SDK, not a broken model."""
    asked: dict[str, Any] = a_chat(response_format=Plan, max_completion_tokens=3)

    with pytest.raises(LengthFinishReasonError):
        await sdk.call(lambda client: client.chat.completions.parse(**asked))
    with pytest.raises(LengthFinishReasonError):
        await sdk.final(lambda client: client.chat.completions.stream(**asked))


async def test_refusal_is_kept_apart_from_content(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A model's refusal of structured output reaches the application as a refusal."""
    gateway.script(refusal="I would rather not.")

    completion = await sdk.call(
        lambda client: client.chat.completions.parse(**a_chat(response_format=Plan))
    )

    message = completion.choices[0].message
    assert (message.parsed, message.refusal) == (None, "I would rather not.")
