"""The real openai SDK against the simulator, with nothing between."""

import math
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

from proxy.simulator.server import Simulator

HELLO: list[Any] = [{"role": "user", "content": "hello"}]

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str
    weight_kg: float = Field(gt=2)
    children: list["Part"]


class Thing(BaseModel):
    id: int
    colour: Colour
    label: str | None
    parts: list[Part]
    payload: int | str
    is_new: bool


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[AsyncOpenAI]:
    """An SDK client that does not retry."""
    async with AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


async def test_sdk_reads_a_plain_answer(client: AsyncOpenAI) -> None:
    """The plain answer is a ChatCompletion with usage."""
    answer = await client.chat.completions.create(model="sim-small", messages=HELLO, n=2)

    assert len(answer.choices) == 2
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 64


async def test_sdk_reads_a_streamed_answer(client: AsyncOpenAI) -> None:
    """The stream helper assembles the answer and its usage."""
    async with client.chat.completions.stream(
        model="sim-small", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        final = await stream.get_final_completion()

    assert final.usage is not None
    assert final.usage.completion_tokens == 32
    assert final.choices[0].message.content


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
async def test_sdk_gets_a_tool_call_when_it_demands_one(client: AsyncOpenAI, choice: Any) -> None:
    """A forced tool is called with arguments that fit its schema, plain and streamed."""
    asked: dict[str, Any] = {
        "model": "sim-small",
        "messages": HELLO,
        "tools": [WEATHER],
        "tool_choice": choice,
    }
    plain = await client.chat.completions.create(**asked)
    async with client.chat.completions.stream(**asked) as stream:
        final = await stream.get_final_completion()

    for message in (plain.choices[0].message, final.choices[0].message):
        assert message.tool_calls
        call: Any = message.tool_calls[0]
        assert call.function.name == "weather"
        assert call.function.arguments == '{"city":"text","days":3}'


async def test_sdk_parses_structured_output(client: AsyncOpenAI) -> None:
    """`parse` gets an instance of its model: nested, recursive, enums, unions, bounds."""
    answer = await client.chat.completions.parse(
        model="sim-small", messages=HELLO, response_format=Thing
    )
    async with client.chat.completions.stream(
        model="sim-small", messages=HELLO, response_format=Thing
    ) as stream:
        final = await stream.get_final_completion()

    thing = answer.choices[0].message.parsed
    assert thing is not None
    assert thing.parts[0].weight_kg > 2
    assert final.choices[0].message.parsed == thing


async def test_sdk_sees_a_refusal(client: AsyncOpenAI, sim: Simulator) -> None:
    """A refusal stands in its own field, and content is null."""
    sim.set_script({"refusal": "I would rather not."})
    answer = await client.chat.completions.create(model="sim-small", messages=HELLO)

    assert answer.choices[0].message.refusal == "I would rather not."
    assert answer.choices[0].message.content is None


async def test_sdk_reads_embeddings_alike_in_both_encodings(client: AsyncOpenAI) -> None:
    """base64 (the SDK's default) and floats hold the same vectors of length 1."""
    texts = ["one", "two", "one"]
    packed = await client.embeddings.create(model="sim-embed", input=texts)
    plain = await client.embeddings.create(model="sim-embed", input=texts, encoding_format="float")
    vectors = [each.embedding for each in packed.data]

    assert vectors == [each.embedding for each in plain.data]
    assert vectors[0] == vectors[2] != vectors[1]
    assert math.hypot(*vectors[0]) == pytest.approx(1, abs=1e-5)
    assert len(vectors[0]) == 64


async def test_sdk_embeds_a_thousand_inputs(client: AsyncOpenAI, sim: Simulator) -> None:
    """Large batches are answered in order, and dimensions are the caller's to choose."""
    answer = await client.embeddings.create(model="sim-embed", input=["word"] * 1000, dimensions=8)

    assert [each.index for each in answer.data] == list(range(1000))
    assert {len(each.embedding) for each in answer.data} == {8}
    assert sim.bill.entries[0].prompt_tokens == 1000


async def test_sdk_lists_models(client: AsyncOpenAI) -> None:
    """The models are those of the config."""
    listed = await client.models.list()

    assert [model.id for model in listed.data] == [
        "sim-small",
        "sim-medium",
        "sim-large",
        "sim-embed",
    ]
    assert (await client.models.retrieve("sim-large")).id == "sim-large"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt/9:x")


async def test_sdk_reads_a_completion(client: AsyncOpenAI) -> None:
    """The older endpoint answers each prompt."""
    answer = await client.completions.create(model="sim-small", prompt=["a", "b"], max_tokens=2)

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert {choice.finish_reason for choice in answer.choices} == {"length"}


@pytest.mark.parametrize(
    ("script", "raised"),
    [
        ({"error": {"status": 400}}, openai.BadRequestError),
        ({"error": {"status": 500, "body": "html"}}, openai.InternalServerError),
        ({"rate_limited": {}}, openai.RateLimitError),
        ({"close_after_request": True}, openai.APIConnectionError),
        ({"truncate_bytes": 5}, openai.APIConnectionError),
    ],
)
async def test_sdk_raises_what_the_script_breaks(
    client: AsyncOpenAI, sim: Simulator, script: dict[str, Any], raised: type[Exception]
) -> None:
    """Scripted trouble is the SDK's own exception."""
    sim.set_script(script)

    with pytest.raises(raised):
        await client.chat.completions.create(model="sim-small", messages=HELLO)
