"""`pointsman simulate`: hosts the simulated providers of a config until it is told to stop."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from proxy.simulator.config import SimulatorConfig, SimulatorConfigError, load_simulator
from proxy.simulator.server import Simulator


def simulate(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The providers to host, as YAML.", dir_okay=False)
    ] = Path("config/simulator.yaml"),
    port: Annotated[
        int | None,
        typer.Option(
            help="Listen from this port on, in the config's order; 0 takes free ones.",
            min=0,
            max=65535,
        ),
    ] = None,
    bill: Annotated[
        Path | None, typer.Option(help="Append what is charged to this file, as JSON lines.")
    ] = None,
) -> None:
    """Host simulated providers to run against: scripted, priced, with a bill of their own."""
    try:
        wanted = load_simulator(config)
    except SimulatorConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if port is not None:
        wanted = listening_from(wanted, port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        problem = runner.run(_host(wanted, bill))
    if problem is not None:
        typer.echo(problem, err=True)
        raise typer.Exit(1)


def listening_from(config: SimulatorConfig, port: int) -> SimulatorConfig:
    """*config* with its providers on *port* and the ones after it; all on free ones for 0."""
    moved = {
        name: replace(provider, listen=replace(provider.listen, port=port + place if port else 0))
        for place, (name, provider) in enumerate(config.providers.items())
    }
    return replace(config, providers=moved)


async def _host(config: SimulatorConfig, bill: Path | None) -> str | None:
    """Run until a signal; what stood in the way, if something did."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        simulator = Simulator(config, bill_path=bill)
        listening = await simulator.start()
    except OSError as error:
        return f"The simulator cannot start: {error.strerror or error}."
    for name, url in listening:
        models = ", ".join(config.providers[name].models)
        typer.echo(f"{name:10} {url}/v1  {models}")
    await stop.wait()
    await simulator.stop()
    return None
