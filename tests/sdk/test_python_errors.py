"""Every refusal is the exception that the Python SDK has for it, and is retried only if it helps.

All clients keep the SDK's default of two retries: calls are counted at the providers.
"""

from typing import Any

import openai
import pytest
from openai import Omit

from proxy.state.connection import Connection
from proxy.state.store import KeyStore
from proxy.state.tokens import make_token
from proxy.units import UnixMs
from tests.gateway import NAMES, PEPPER, GatewayUnderTest
from tests.sdk.clients import Sdk, a_chat


async def _refused(sdk: Sdk, **fields: Any) -> openai.APIStatusError:
    """The exception that a chat with *fields* ends in."""
    with pytest.raises(openai.APIStatusError) as raised:
        await sdk.call(lambda client: client.chat.completions.create(**a_chat(**fields)))
    return raised.value


async def test_missing_key_is_an_authentication_error(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """No key at all is told apart from a wrong one."""
    error = await _refused(sdk, extra_headers={"Authorization": Omit()})

    assert isinstance(error, openai.AuthenticationError)
    assert (error.code, error.type) == ("missing_api_key", "authentication_error")
    assert gateway.all_calls() == [0, 0, 0]


@pytest.mark.parametrize(
    "key",
    ["sk-of-another-vendor", make_token()[1], "pm_cut_short"],
    ids=["of another vendor", "never given out", "cut short"],
)
async def test_unknown_key_is_an_authentication_error(
    gateway: GatewayUnderTest, sdk: Sdk, key: str
) -> None:
    """A key that was never given out is refused, whatever it looks like."""
    error = await _refused(sdk.with_options(api_key=key))

    assert isinstance(error, openai.AuthenticationError)
    assert error.code == "invalid_api_key"
    assert error.request_id is not None
    assert gateway.all_calls() == [0, 0, 0]


async def test_revoked_key_is_an_authentication_error(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A revoked key says that it was revoked."""
    token, record = await gateway.store.create("acme", "to be revoked")
    await gateway.store.revoke(record.id)

    error = await _refused(sdk.with_options(api_key=token))

    assert isinstance(error, openai.AuthenticationError)
    assert error.code == "revoked_api_key"


async def test_expired_key_is_an_authentication_error(redis_url: str, sdk: Sdk) -> None:
    """An expired key says that it has expired."""
    connection = Connection(redis_url)
    long_ago = KeyStore(connection, PEPPER, lambda: UnixMs(1))
    token, _ = await long_ago.create("acme", "of old", expires_ms=UnixMs(2))
    await connection.close()

    error = await _refused(sdk.with_options(api_key=token))

    assert isinstance(error, openai.AuthenticationError)
    assert error.code == "expired_api_key"


async def test_key_of_an_unknown_tenant_is_a_permission_error(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """A good key whose tenant the config lacks is not told that the key is wrong."""
    token, _ = await gateway.store.create("ghost", "of nobody")

    error = await _refused(sdk.with_options(api_key=token))

    assert isinstance(error, openai.PermissionDeniedError)
    assert error.code == "unknown_tenant"


@pytest.mark.parametrize("name", ["gpt-9", "auto"])
async def test_unknown_model_lists_what_there_is(
    gateway: GatewayUnderTest, sdk: Sdk, name: str
) -> None:
    """A route that is unknown, or not granted, is not found; the message lists what is."""
    token, _ = await gateway.store.create("small", "of the small tenant")
    small = sdk.with_options(api_key=token)

    error = await _refused(small, model=name)
    with pytest.raises(openai.NotFoundError) as of_models:
        await small.call(lambda client: client.models.retrieve(name))

    assert isinstance(error, openai.NotFoundError)
    assert (error.code, error.param) == ("model_not_found", "model")
    assert error.message.endswith("Available: one.")
    assert of_models.value.code == "model_not_found"
    assert gateway.all_calls() == [0, 0, 0]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": [{"content": "who speaks?"}]}, "messages[0].role"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": 10**12}, "max_tokens"),
    ({"n": 0}, "n"),
    ({"extra_body": {"stream": "yes"}}, "stream"),
    ({"extra_body": {"Model": "auto"}}, "Model"),
    ({"extra_body": {"routing": 1}}, "routing"),
]


@pytest.mark.parametrize(("fields", "param"), MISTAKES, ids=[param for _, param in MISTAKES])
async def test_mistake_is_a_bad_request_that_names_the_field(
    gateway: GatewayUnderTest, sdk: Sdk, fields: dict[str, Any], param: str
) -> None:
    """What is wrong with a request is said before it costs anything, and once."""
    error = await _refused(sdk, **fields)

    assert isinstance(error, openai.BadRequestError)
    assert error.param == param
    assert gateway.all_calls() == [0, 0, 0]
    assert len(await gateway.lines.requests(1)) == 1


async def test_providers_complaint_of_a_mistake_is_passed_on(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """A provider's 400 keeps its code and param, and is neither retried nor failed over."""
    gateway.script(error={"status": 400, "code": "unsupported_parameter", "param": "logprobs"})

    error = await _refused(sdk)

    assert isinstance(error, openai.BadRequestError)
    assert (error.code, error.param) == ("unsupported_parameter", "logprobs")
    assert gateway.all_calls() == [1, 0, 0]


async def test_prompt_too_long_has_the_code_that_applications_look_for(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """Context overflow is one code, in the code and in the text, however it was phrased."""
    gateway.script(error={"status": 400, "message": "the request exceeds the context size"})

    error = await _refused(sdk)

    assert isinstance(error, openai.BadRequestError)
    assert error.code == "context_length_exceeded"
    assert "context_length_exceeded" in str(error)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502])
@pytest.mark.parametrize("stream", [False, True])
async def test_failed_providers_are_an_internal_error_tried_once_each(
    gateway: GatewayUnderTest, sdk: Sdk, status: int, stream: bool
) -> None:
    """Once failover is spent the SDK does not try again: three calls in all, not nine.

    A provider's 401, 403 and 404 are the gateway's own trouble, never the client's.
    """
    gateway.simulator.set_script({"error": {"status": status}})

    error = await _refused(sdk, stream=stream)

    assert isinstance(error, openai.InternalServerError)
    assert (error.status_code, error.code) == (502, "provider_failed")
    assert error.response.headers["x-should-retry"] == "false"
    assert gateway.all_calls() == [1, 1, 1]


async def test_overloaded_providers_are_not_retried_either(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """A 503 of all providers costs one call of each."""
    gateway.simulator.set_script({"error": {"status": 503}})

    error = await _refused(sdk)

    assert isinstance(error, openai.InternalServerError)
    assert (error.status_code, error.code) == (503, "provider_overloaded")
    assert gateway.all_calls() == [1, 1, 1]


async def test_silent_provider_is_an_internal_error(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A provider that says nothing in time is a 504, once."""
    gateway.script(hang="head")

    error = await _refused(sdk, model="hasty")

    assert isinstance(error, openai.InternalServerError)
    assert (error.status_code, error.code) == (504, "provider_timeout")
    assert gateway.all_calls() == [1, 0, 0]


async def test_rate_limit_everywhere_is_a_rate_limit_error(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """When all providers say 429 the SDK's exception says so, with the shortest wait."""
    for name, wait_s in zip(NAMES, (50, 40, 45), strict=True):
        gateway.script(name, rate_limited={"retry_after": wait_s})

    error = await _refused(sdk.with_options(max_retries=0))

    assert isinstance(error, openai.RateLimitError)
    assert error.code == "provider_rate_limited"
    assert error.response.headers["retry-after"] == "40"
    assert gateway.all_calls() == [1, 1, 1]


@pytest.mark.slow
async def test_short_rate_limit_is_waited_out_by_the_sdk(
    gateway: GatewayUnderTest, sdk: Sdk
) -> None:
    """A 429 that passes soon is retried by the SDK after the wait it was told, and answered."""
    gateway.simulator.queue_scripts([{"rate_limited": {"retry_after": 1}}], provider="first")

    completion = await sdk.call(
        lambda client: client.chat.completions.create(**a_chat(model="one"))
    )

    assert completion.choices[0].finish_reason == "stop"
    assert gateway.all_calls() == [2, 0, 0]


async def test_failure_before_the_answer_is_invisible(gateway: GatewayUnderTest, sdk: Sdk) -> None:
    """A provider that fails costs the application neither an exception nor a retry of its own."""
    gateway.script("first", error={"status": 500})
    gateway.script("second", close_after_request=True)

    completion = await sdk.call(lambda client: client.chat.completions.create(**a_chat()))

    assert completion.choices[0].finish_reason == "stop"
    assert gateway.all_calls() == [1, 1, 1]
    assert len(await gateway.lines.requests(1)) == 1
