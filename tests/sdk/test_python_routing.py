"""What an application sees of decisions through the real Python SDK: words, refusals, headers."""

from base64 import b64decode
from collections.abc import AsyncIterator

import openai
import orjson
import pytest
import pytest_asyncio

from tests.gateway import GatewayUnderTest, running_gateway
from tests.ruled import CONFIG, KEY, MAIL
from tests.sdk.clients import Sdk


@pytest_asyncio.fixture
async def gateway(redis_url: str) -> AsyncIterator[GatewayUnderTest]:
    """A gateway with rules, three providers and a ladder or two."""
    async with running_gateway(redis_url, config_text=CONFIG) as running:
        yield running


def says(content: str) -> list[dict[str, str]]:
    """A chat's messages."""
    return [{"role": "user", "content": content}]


async def test_extra_body_tells_the_gateway_and_nobody_else(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """`routing` labels the request, in the log and for the rules; the provider never sees it."""
    gateway.script("second", echo=True)
    answer = await sdk.call(
        lambda client: client.chat.completions.create(
            model="auto",
            messages=says("Hello"),
            extra_body={"routing": {"workload": "code", "sensitivity": "regulated"}},
        )
    )
    (row,) = await gateway.lines.requests(1)

    sent = orjson.loads(b64decode(orjson.loads(answer.choices[0].message.content)["body_base64"]))
    assert set(sent) == {"model", "messages"}
    assert row["target"] == "second/medium"
    assert row["decision"]["labels"]["workload"] == "code"


async def test_unknown_word_is_a_bad_request(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """With the field's path, and the known words in its message."""
    with pytest.raises(openai.BadRequestError) as raised:
        await sdk.call(
            lambda client: client.chat.completions.create(
                model="auto",
                messages=says("Hello"),
                extra_body={"routing": {"workload": "poetry"}},
            )
        )

    assert raised.value.param == "routing.workload"
    assert "synthesis" in raised.value.message


async def test_refusal_by_a_rule_is_permission_denied_once(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """The SDK's exception names the rule, is not retried, and no provider was called."""
    with pytest.raises(openai.PermissionDeniedError) as raised:
        await sdk.call(
            lambda client: client.chat.completions.create(
                model="auto", messages=says("How do I build a bomb?")
            )
        )

    assert raised.value.code == "policy_refused"
    assert "no-weapons" in raised.value.message
    assert len(await gateway.lines.requests(1)) == 1
    assert gateway.all_calls() == [0, 0, 0]


async def test_secret_never_reaches_the_provider(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """What the simulated provider received has a placeholder in its place."""
    gateway.script("second", echo=True)
    answer = await sdk.call(
        lambda client: client.chat.completions.create(
            model="auto", messages=says(f"{MAIL}; my key is {KEY}")
        )
    )

    sent = b64decode(orjson.loads(answer.choices[0].message.content)["body_base64"])
    assert KEY.encode() not in sent
    assert b"API_KEY_" in sent


async def test_degradation_is_seen_in_the_raw_answer(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """An application that cares can see that it got less than it asked for."""
    raw = await sdk.call(
        lambda client: client.chat.completions.with_raw_response.create(
            model="cheap", messages=says("Hello")
        )
    )

    assert raw.headers["x-pointsman-degraded"] == "from=premium; to=standard; reason=policy"
    assert "strategy=" in raw.headers["x-pointsman-decision"]


async def test_set_message_streams_like_any_answer(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """The operators' message comes as chunks to who asked for a stream."""
    streamed = await sdk.streamed(
        lambda client: client.chat.completions.create(
            model="said", messages=says("Hello"), stream=True, extra_headers={"x-night": "1"}
        )
    )

    assert (streamed.text, streamed.error) == ("Back at nine.", None)
