"""`pointsman simulate`: hosts the simulated providers of a config until it is told to stop; with
`--policy`, a whole gateway that decides by a config and is answered by simulated providers.
"""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from proxy.cli.exits import FAILED, USAGE, fail
from proxy.cli.serve import load_or_fail
from proxy.config.load import LoadedConfig
from proxy.server.serve import CannotListen
from proxy.simulator.config import SimulatorConfig, SimulatorConfigError, load_simulator
from proxy.simulator.server import Simulator

DEFAULT_PROVIDERS: Final = Path("config/simulator.yaml")


def simulate(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The providers to host, as YAML.", dir_okay=False)
    ] = DEFAULT_PROVIDERS,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Serve this gateway config instead, with simulated providers and fixed keys.",
            dir_okay=False,
        ),
    ] = None,
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
    """Host simulated providers to run against: scripted, priced, with a bill of their own.

    With --policy, a stub gateway for applications' tests: it decides by the policies of that
    config, always alike, and needs neither Redis nor credentials.
    """
    if policy is not None:
        if bill is not None or config != DEFAULT_PROVIDERS:
            fail("With --policy there is no --config and no --bill.", USAGE)
        _serve_stub(load_or_fail(policy), port or 0)
        return
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


def _serve_stub(config: LoadedConfig, port: int) -> None:
    # Not imported with the command line: a whole gateway comes with it.
    from proxy.stub import key_of, running_stub

    async def serve() -> None:
        stop = _told_to_stop()
        async with running_stub(config, port=port) as stub:
            typer.echo(f"Base URL {stub.url}/v1")
            for tenant in config.snapshot.tenants.values():
                routes = ", ".join(route.id for route in config.snapshot.routes_of(tenant))
                typer.echo(f"API key {key_of(tenant.id)}: tenant {tenant.id}, routes {routes}")
            await stop.wait()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except CannotListen as problem:
        fail(str(problem), FAILED)


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _host(config: SimulatorConfig, bill: Path | None) -> str | None:
    """Run until a signal; what stood in the way, if something did."""
    stop = _told_to_stop()
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
