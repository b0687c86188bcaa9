"""`pointsman demo` beside another one, and where it cannot start."""

import shlex
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from proxy.cli.main import app
from proxy.config.load import load
from proxy.demo import on_free_ports, simulated_providers
from proxy.server.serve import CannotListen, bind
from proxy.simulator.config import SimulatorConfig, load_simulator
from proxy.state.embedded import EmbeddedRedis

CONFIG = load(Path("config/demo.yaml"))
COMMAND = Path(sys.executable).with_name("pointsman")


def simulator_on(ports: dict[str, int]) -> SimulatorConfig:
    """The demo's simulator with its providers on *ports*."""
    simulator = load_simulator(Path("config/simulator.yaml"))
    moved = {
        name: replace(provider, listen=replace(provider.listen, port=ports[name]))
        for name, provider in simulator.providers.items()
    }
    return replace(simulator, providers=moved)


def test_taken_port_of_a_simulated_provider_is_exchanged() -> None:
    """The provider moves to a free port, and the gateway calls it there; the others stay."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = {
            name: sock.getsockname()[1]
            for name, sock in (("swift", taken), ("steady", one), ("grand", other))
        }
        one.close()
        other.close()
        simulator = simulator_on(ports)
        bases = {
            name: replace(provider, endpoint_base=f"http://127.0.0.1:{ports[name]}/v1")
            for name, provider in CONFIG.snapshot.providers.items()
        }
        config = replace(CONFIG, snapshot=replace(CONFIG.snapshot, providers=bases))

        config, simulator = on_free_ports(config, simulator)

    found = dict(simulated_providers(config.snapshot, simulator))
    assert found["steady"] == f"http://127.0.0.1:{ports['steady']}/v1"
    assert found["grand"] == f"http://127.0.0.1:{ports['grand']}/v1"
    port = simulator.providers["swift"].listen.port
    assert port not in {0, *ports.values()}
    assert found["swift"] == f"http://127.0.0.1:{port}/v1"


def test_second_demo_in_the_same_place_is_told_how_to_have_another(tmp_path: Path) -> None:
    """The data of a running demo is left alone; the message names the option for another place."""
    with EmbeddedRedis(tmp_path / "redis"):
        result = CliRunner().invoke(app, ["demo", "--data-dir", str(tmp_path)])

    assert result.exit_code == 1
    assert "--data-dir" in result.stderr
    assert result.stderr.count("\n") == 1


def test_taken_port_is_said_once_with_what_to_do() -> None:
    """The address stands once in the message, which says how `make run` takes another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as refused:
            bind("127.0.0.1", port)

    assert str(refused.value).startswith(f"cannot listen on 127.0.0.1:{port}: address already in ")
    assert str(refused.value).count(str(port)) == 1
    assert "PORT=9000 make run" in str(refused.value)


@pytest.mark.slow
def test_key_made_beside_a_running_demo_opens_it(tmp_path: Path) -> None:
    """The command that the demo prints makes a further key, without a variable to be set."""
    data, config = tmp_path / "data", tmp_path / "demo.yaml"
    config.write_text(Path("config/demo.yaml").read_text().replace(".pointsman/", f"{data}/"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["-c", str(config), "--data-dir", str(data), "--port", str(port)]
    with subprocess.Popen([COMMAND, "demo", *arguments], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        line = next(line for line in demo.stdout if "keys create" in line)
        made = CliRunner().invoke(app, shlex.split(line)[1:])
        asked = Request(
            f"http://127.0.0.1:{port}/v1/models",
            headers={"Authorization": f"Bearer {made.stdout.strip()}"},
        )
        with urlopen(asked, timeout=10) as answer:
            assert answer.status == 200
        demo.terminate()

    assert demo.returncode == 0
    assert made.exit_code == 0
    assert not (data / "redis-url").exists()
