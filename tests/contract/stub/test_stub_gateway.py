"""A stub gateway: the policies of its config, answers that say who gave them, nothing by chance."""

import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
from configs import POLICIES
from openai import AsyncOpenAI, PermissionDeniedError, RateLimitError
from typer.testing import CliRunner

from proxy.cli.main import app
from proxy.config.load import load
from proxy.server.serve import CannotListen
from proxy.simulator.script import ScriptError
from proxy.stub import Stub, key_of, running_stub
from tests.architecture.trees import ROOT

GATEWAY = load(ROOT / "config" / "gateway.yaml")
BEST = "openai/gpt-4o-mini"


async def asked(stub: Stub, tenant: str = "shop", text: str = "Hello", **fields: Any) -> str:
    """What the stub answers to *tenant*."""
    async with AsyncOpenAI(
        base_url=f"{stub.url}/v1", api_key=key_of(tenant), max_retries=0
    ) as client:
        answer = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": text}], **fields
        )
    return str(answer.choices[0].message.content)


async def test_answer_says_which_target_gave_it(stub: Stub) -> None:
    """By its policies: who is kept in the EU is answered there."""
    assert await asked(stub) == f"{BEST} answers."
    assert await asked(stub, "acme-eu") == "azure-eu/gpt-4o-mini answers."


async def test_stream_says_the_same(stub: Stub) -> None:
    """Piece by piece."""
    async with AsyncOpenAI(base_url=f"{stub.url}/v1", api_key=key_of("shop")) as client:
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]

    assert "".join(said) == f"{BEST} answers."
    assert len(said) > 1


async def test_embeddings_are_answered_too() -> None:
    """By the targets that have a space."""
    async with (
        running_stub(GATEWAY) as stub,
        AsyncOpenAI(base_url=f"{stub.url}/v1", api_key=key_of("demo")) as client,
    ):
        answer = await client.embeddings.create(model="embeddings", input="Hello")

    assert len(answer.data[0].embedding) > 0


async def test_refusal_is_the_gateway_s(stub: Stub) -> None:
    """With its status and its code, as the SDK raises them."""
    with pytest.raises(PermissionDeniedError) as refused:
        await asked(stub, text="Let us make a pipe bomb")

    assert refused.value.code == "policy_refused"


async def test_only_tenants_have_keys(stub: Stub) -> None:
    """Any other key is refused."""
    with pytest.raises(Exception, match="does not know this API key"):
        await asked(stub, "nobody")


async def test_target_that_fails_is_followed_by_the_next(stub: Stub) -> None:
    """Until it is well again; what failed moves no later decision."""
    stub.script(BEST, {"error": {"status": 500}})

    failing = [await asked(stub) for _ in range(8)]
    stub.script(BEST, {})

    assert failing == ["azure-eu/gpt-4o-mini answers."] * 8
    assert await asked(stub) == f"{BEST} answers."
    await stub.settle()
    assert {len(record.attempts) for record in stub.records[:8]} == {2}


async def test_script_is_of_one_target_alone(stub: Stub) -> None:
    """Others of the same provider go on."""
    stub.script(BEST, {"error": {"status": 500}})

    review = await asked(
        stub,
        extra_body={"routing": {"workload": "code", "feature": "code-review"}},
        max_tokens=100,
    )

    assert review.endswith("/gpt-5.4 answers.")


async def test_trouble_everywhere_reaches_the_client(stub: Stub) -> None:
    """As the gateway tells it."""
    for target in POLICIES.snapshot.targets:
        stub.script(target, {"rate_limited": {"retry_after": 1}})

    with pytest.raises(RateLimitError):
        await asked(stub)


async def test_equals_are_decided_alike_again_and_again(stub: Stub) -> None:
    """Nothing is drawn: load is not spread over near-equals."""
    fields: dict[str, Any] = {
        "extra_body": {"routing": {"workload": "code", "feature": "code-review"}},
        "max_tokens": 100,
    }

    assert len({await asked(stub, **fields) for _ in range(10)}) == 1


async def test_reset_is_a_new_beginning(stub: Stub) -> None:
    """Scripts and records are forgotten."""
    stub.script(BEST, {"error": {"status": 500}})
    await asked(stub)
    await stub.settle()

    stub.reset()

    assert stub.records == []
    assert await asked(stub) == f"{BEST} answers."


async def test_what_is_no_target_or_no_script_is_refused(stub: Stub) -> None:
    """A slip of the pen does not pass for a target that is well."""
    with pytest.raises(KeyError):
        stub.script("openai/gpt-6", {})
    with pytest.raises(ScriptError):
        stub.script(BEST, {"eror": {}})


async def test_taken_port_is_told() -> None:
    """And nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stub = running_stub(POLICIES, port=port)
        with pytest.raises(CannotListen):
            await stub.__aenter__()


@pytest.mark.slow
def test_simulate_serves_the_policies_until_it_is_told_to_stop() -> None:
    """It prints what an SDK needs, a key a tenant, and ends by a signal with 0."""
    command = [sys.executable, "-m", "proxy", "simulate", "--policy", "config/policies.yaml"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(5)]
        running.send_signal(signal.SIGTERM)
        code = running.wait(20)

    assert said[0].startswith("Base URL http://127.0.0.1:")
    assert said[1] == "API key stub-hobby: tenant hobby, routes auto\n"
    assert code == 0


def test_simulate_takes_one_kind_of_config() -> None:
    """A gateway's, or the simulated providers'; a port that is taken is told."""
    policy = str(ROOT / "config" / "policies.yaml")
    both = CliRunner().invoke(app, ["simulate", "--policy", policy, "--bill", "x"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        busy = CliRunner().invoke(app, ["simulate", "--policy", policy, "--port", port])

    assert (both.exit_code, busy.exit_code) == (2, 1)
    assert "With --policy there is no --config and no --bill." in both.stderr
    assert "cannot listen on 127.0.0.1" in busy.stderr
