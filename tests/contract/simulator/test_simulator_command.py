"""`pointsman simulate`: starts, says where, stops when told."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
import yaml

from proxy.config.load import load
from proxy.simulator.config import SimulatorConfigError, load_simulator
from proxy.simulator.server import ONE_PROVIDER, running_simulator
from tests.contract.simulator.rawhttp import exchange_with

COMMAND = "import typer; from proxy.cli.simulate import simulate; typer.run(simulate)"
CONFIG = """
providers:
  one: {listen: "127.0.0.1:0", models: {a: {input_usd_per_million: 1}}}
  two: {listen: "[::1]:0", models: {b: {}}}
"""


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """The command, started in a Python of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COMMAND, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_command_hosts_until_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    """It prints each provider with its URL, serves, writes its bill, and exits with 0."""
    config, bill = tmp_path / "simulator.yaml", tmp_path / "bill.jsonl"
    config.write_text(CONFIG)
    command = await started("--config", str(config), "--port", "0", "--bill", str(bill))
    assert command.stdout is not None
    name, url, models = (await command.stdout.readline()).decode().split()
    fields = {"model": "a", "messages": [{"role": "user", "content": "hello"}]}
    wire = await exchange_with(url.removesuffix("/v1"))({"content": "hi"}, fields)
    command.send_signal(number)

    assert (name, models, wire.status) == ("one", "a", 200)
    assert await command.wait() == 0
    assert len(bill.read_text().splitlines()) == 1


@pytest.mark.slow
async def test_taken_port_is_said_and_exits_with_1(tmp_path: Path) -> None:
    """The message names what is in the way."""
    config = tmp_path / "simulator.yaml"
    async with running_simulator(ONE_PROVIDER) as sim:
        address = sim.url.removeprefix("http://")
        config.write_text(f'providers: {{one: {{listen: "{address}", models: {{}}}}}}')
        command = await started("--config", str(config))
        _, said = await command.communicate()

    assert command.returncode == 1
    assert "in use" in said.decode()
    assert address in said.decode()


def test_config_with_mistakes_lists_them_all(tmp_path: Path) -> None:
    """Unknown keys, wrong addresses and wrong scripts are refused together."""
    path = tmp_path / "simulator.yaml"
    path.write_text("providers: {a: {listen: nowhere, models: {}, script: {cut: 1}, odd: 2}}")

    with pytest.raises(SimulatorConfigError) as refused:
        load_simulator(path)
    assert [part in str(refused.value) for part in ("listen", "script", "odd")] == [True] * 3


def test_demo_config_and_simulator_config_agree() -> None:
    """The demo's gateway config has the addresses, models and prices of its providers."""
    simulated = load_simulator(Path("config/simulator.yaml")).providers
    demo = yaml.safe_load(Path("config/demo.yaml").read_text())

    assert demo["providers"].keys() == simulated.keys()
    for name, provider in demo["providers"].items():
        listen = simulated[name].listen
        assert provider["base_url"] == f"http://{listen.host}:{listen.port}/v1"
    for target in demo["targets"].values():
        model = simulated[target["provider"]].models[target["model"]]
        assert float(model.input_usd_per_million) == target["price"]["input_usd_per_million"]
        assert float(model.output_usd_per_million) == target["price"]["output_usd_per_million"]


def test_demo_config_is_one_the_gateway_takes() -> None:
    """What `make run` serves passes the gateway's own check."""
    load(Path("config/demo.yaml"))
