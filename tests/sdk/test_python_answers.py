"""What an application gets through the Python SDK when all is well."""

import base64
from typing import Any

import orjson
import pytest

from tests.gateway import GatewayUnderTest
from tests.sdk.clients import Sdk, Streamed, a_chat

ODD_TEXT = 'Grüße, 漢字, עברית, 👩‍👩‍👧‍👦 🇪🇺, "quoted" \\ and \u2028 a line\r\nend'


async def test_chat_is_answered_with_usage_and_a_request_id(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """A plain call is parsed by the SDK, and its request id is the one in our log line."""
    gateway.script(content="Hello there.")

    completion = await sdk.call(lambda client: client.chat.completions.create(**a_chat()))

    assert completion.choices[0].message.content == "Hello there."
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.completion_tokens == 4
    (row,) = await gateway.lines.requests(1)
    assert completion._request_id == row["request_id"]


async def test_several_choices_arrive(sdk: Sdk) -> None:
    """With n the SDK gets that many answers."""
    completion = await sdk.call(lambda client: client.chat.completions.create(**a_chat(n=3)))

    assert [choice.index for choice in completion.choices] == [0, 1, 2]


async def test_stream_arrives_whole_and_ends(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A streamed answer is the plain one in pieces, and its end is told."""
    gateway.script(content="One two three.")

    streamed = await _chat_stream(sdk)

    assert streamed.error is None
    assert streamed.text == "One two three."
    assert streamed.finish_reason == "stop"


@pytest.mark.parametrize("manner", ["auto", "always", "null_until_end"])
@pytest.mark.parametrize("asked", [True, False, None])
async def test_usage_event_arrives_exactly_when_asked(
    gateway: GatewayUnderTest, sdk: Sdk, manner: str, asked: bool | None
) -> None:
    """The gateway asks for usage itself; only who asked too gets the event, once, at the end."""
    gateway.script(usage=manner)
    options: dict[str, Any] = {} if asked is None else {"stream_options": {"include_usage": asked}}

    streamed = await _chat_stream(sdk, **options)

    empty = [chunk for chunk in streamed.chunks if not chunk.choices]
    assert empty == ([streamed.chunks[-1]] if asked else [])
    assert [chunk.usage.completion_tokens for chunk in empty] == ([32] if asked else [])
    (row,) = await gateway.lines.requests(1)
    assert row["tokens"]["completion"] == 32


@pytest.mark.parametrize("pieces", [None, "bytes"])
async def test_any_text_survives_in_both_directions(
    gateway: GatewayUnderTest, sdk: Sdk, pieces: str | None
) -> None:
    """Text of any script comes back as it went, plain and streamed, however it is cut."""
    gateway.script(content=ODD_TEXT, split=pieces)

    plain = await sdk.call(lambda client: client.chat.completions.create(**a_chat(ODD_TEXT)))
    streamed = await _chat_stream(sdk, text=ODD_TEXT)

    assert plain.choices[0].message.content == streamed.text == ODD_TEXT
    for received in gateway.simulator.providers["first"].received:
        assert orjson.loads(received.body)["messages"][0]["content"] == ODD_TEXT


async def test_stream_without_done_is_complete(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A server that leaves out `[DONE]` after a finish reason has answered in full."""
    gateway.script(no_done=True)

    streamed = await _chat_stream(sdk)

    assert (streamed.error, streamed.finish_reason) == (None, "stop")


async def test_odd_but_valid_streams_are_read(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """Comments, CRLF, unknown fields and usage on the last chunk pass through to the SDK."""
    gateway.script(
        content="All well.",
        comments={"count": 3},
        line_end="crlf",
        extra_fields=True,
        usage_on_last_chunk=True,
    )

    streamed = await _chat_stream(sdk)

    assert (streamed.error, streamed.text) == (None, "All well.")
    assert streamed.chunks[0].model_extra["x_groq"]["id"].startswith("req_")
    reasoning = [chunk.choices[0].delta.model_extra for chunk in streamed.chunks if chunk.choices]
    assert {"reasoning_content": "Thinking."} in reasoning


async def test_completions_are_answered_plain_and_streamed(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """The older endpoint works too, and its stream says the same as its plain answer."""
    gateway.script(content="Once upon a time.")
    asked = {"model": "auto", "prompt": "Tell me", "max_tokens": 50}

    plain = await sdk.call(lambda client: client.completions.create(**asked))
    streamed = await sdk.streamed(
        lambda client: client.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
    )

    pieces = [chunk.choices[0].text for chunk in streamed.chunks if chunk.choices]
    assert plain.choices[0].text == "".join(pieces) == "Once upon a time."
    assert streamed.chunks[-1].usage == plain.usage


async def test_embeddings_are_equal_in_both_encodings(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """The SDK's default (base64) and floats give the same vectors, in the inputs' order."""
    texts = [f"text number {index} 漢" for index in range(300)]

    packed = await sdk.call(
        lambda client: client.embeddings.create(model="embeddings", input=texts)
    )
    floats = await sdk.call(
        lambda client: client.embeddings.create(
            model="embeddings", input=texts, encoding_format="float"
        )
    )
    single = await sdk.call(
        lambda client: client.embeddings.create(model="embeddings", input=texts[7])
    )

    sent = [orjson.loads(each.body) for each in gateway.simulator.providers["first"].received]
    assert [body["encoding_format"] for body in sent] == ["base64", "float", "base64"]
    assert len(packed.data) == 300
    assert [item.embedding for item in packed.data] == [
        pytest.approx(item.embedding, abs=1e-7) for item in floats.data
    ]
    assert single.data[0].embedding == packed.data[7].embedding
    assert packed.usage.prompt_tokens == floats.usage.prompt_tokens > 0


async def test_raw_base64_embeddings_are_left_as_they_are(sdk: Sdk) -> None:
    """Who asks for base64 gets base64, four bytes a dimension."""
    response = await sdk.call(
        lambda client: client.embeddings.create(
            model="embeddings", input="text", dimensions=16, encoding_format="base64"
        )
    )

    assert len(base64.b64decode(response.data[0].embedding)) == 64


async def test_models_are_the_routes_of_the_tenant(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """The list holds what the key may ask for, and nothing else."""
    token, _ = await gateway.store.create("small", "of the small tenant")
    small = sdk.with_options(api_key=token)

    assert await _model_ids(sdk) == ["auto", "one", "hasty", "org/model:v1", "embeddings"]
    assert await _model_ids(small) == ["one"]


@pytest.mark.parametrize("name", ["auto", "org/model:v1"])
async def test_model_is_retrieved_whatever_its_name_holds(sdk: Sdk, name: str) -> None:
    """A name with a slash and a colon is found as well as a plain one, and can be called."""
    model = await sdk.call(lambda client: client.models.retrieve(name))
    completion = await sdk.call(lambda client: client.chat.completions.create(**a_chat(model=name)))

    assert (model.id, model.object) == (name, "model")
    assert completion.choices[0].finish_reason == "stop"


async def _model_ids(sdk: Sdk) -> list[str]:
    page = await sdk.call(lambda client: client.models.list())
    return [model.id for model in page.data]


async def _chat_stream(sdk: Sdk, text: str = "Hello", **fields: Any) -> Streamed:
    return await sdk.streamed(
        lambda client: client.chat.completions.create(**a_chat(text, stream=True, **fields))
    )
