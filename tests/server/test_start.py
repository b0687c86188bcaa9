"""A start that cannot succeed says why in one place, and is over at once."""

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.state.connection import Connection
from proxy.state.store import check_pepper
from proxy.state.tokens import Pepper
from tests.server.child import (
    Served,
    config_text,
    environment,
    free_port,
    refused_start,
    served,
)
from tests.server.downstream import a_chat, connected, get, post
from tests.server.waiting import tick, until

UPSTREAM = "http://127.0.0.1:9"

pytestmark = pytest.mark.slow


async def test_taken_port_is_said_in_one_line(redis_url: str, tmp_path: Path) -> None:
    """The line names the address and what to do; nothing else is printed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "gateway.yaml"
        config.write_text(config_text(port, redis_url, UPSTREAM))
        code, said = await refused_start(config, environment(tmp_path))

    assert code == 1
    assert len(said.splitlines()) == 1
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said


async def test_missing_secrets_are_all_named(redis_url: str, tmp_path: Path) -> None:
    """Pepper and credentials that are not there are told together, by reference."""
    config = tmp_path / "gateway.yaml"
    text = config_text(free_port(), redis_url, UPSTREAM)
    text = text.replace("dialect: openai,", "dialect: openai, credential: env:FIRST_KEY,")
    text = text.replace(
        "\ntargets:",
        '\n  second: {dialect: openai, base_url: "http://x", credential: "file:/no/key"}\ntargets:',
    )
    config.write_text(text)
    env = environment(tmp_path)
    del env["POINTSMAN_PEPPER"]
    code, said = await refused_start(config, env)

    assert code == 1
    for reference in ("POINTSMAN_PEPPER", "FIRST_KEY", "/no/key"):
        assert reference in said
    assert "Traceback" not in said


async def test_broken_config_never_starts(redis_url: str, tmp_path: Path) -> None:
    """Every problem has its file and line."""
    config = tmp_path / "gateway.yaml"
    text = config_text(free_port(), redis_url, UPSTREAM)
    config.write_text(text.replace("[first/m]", "[second/m]") + "surplus: 1\n")
    code, said = await refused_start(config, environment(tmp_path))

    assert code == 1
    lines = config.read_text().splitlines()
    wrong = next(number for number, line in enumerate(lines, 1) if "second/m" in line)
    assert f"{config}:{wrong}:" in said
    assert f"{config}:{len(lines)}:" in said


async def test_other_pepper_than_the_keys_does_not_start(redis_url: str, tmp_path: Path) -> None:
    """A gateway that would refuse every key that there is says so instead, in one line."""
    connection = Connection(redis_url)
    await check_pepper(connection, Pepper(b"what the keys are made with"))
    await connection.close()
    config = tmp_path / "gateway.yaml"
    config.write_text(config_text(free_port(), redis_url, UPSTREAM))
    code, said = await refused_start(config, environment(tmp_path))

    assert code == 1
    assert "Use the same pepper" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_missing_config_is_a_usage_error(tmp_path: Path) -> None:
    """A file that cannot be read is told apart from one that is wrong."""
    code, said = await refused_start(tmp_path / "nowhere.yaml", environment(tmp_path))
    assert code == 2
    assert "nowhere.yaml" in said


async def test_oddities_of_the_config_are_logged_at_the_start(
    redis_url: str, tmp_path: Path
) -> None:
    """What `check --strict` fails on is said by the gateway too, so that none starts in silence."""
    async with served(tmp_path, redis_url, UPSTREAM) as child:
        await until(lambda: bool(child.lines("ready")))  # it comes behind the warnings
        (row,) = child.lines("config_warning")

    assert "gateway.yaml:6:3: targets[first/m]: has no price: " in row["problem"]


async def counted(child: Served) -> float:
    """How many requests the metrics say there were, of all workers together."""
    text = (await child.ask(get("/metrics"))).body.decode()
    samples = [line for line in text.splitlines() if line.startswith("pointsman_requests_total")]
    return sum(float(sample.rpartition(" ")[2]) for sample in samples)


async def test_metrics_are_those_of_all_workers(redis_url: str, tmp_path: Path) -> None:
    """Whichever worker is asked, requests that any of them took are counted, each once."""
    async with served(tmp_path, redis_url, UPSTREAM, server=", workers: 2") as child:
        for _ in range(3):
            async with connected(child.port) as one, connected(child.port) as other:
                for client in (one, other):
                    answer = await client.ask(post(child.token, a_chat(model="none")))
                    assert answer.status == 404
        async with asyncio.timeout(5):  # they are gathered now and then, not for each scrape
            while await counted(child) < 6:
                await tick()
        counts = {await counted(child) for _ in range(6)}
        assert len(child.pids()) == 2

    assert counts == {6.0}
