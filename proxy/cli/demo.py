"""`pointsman demo`: a first run, what `make run` calls."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.exits import FAILED, fail
from proxy.cli.serve import load_or_fail
from proxy.demo import Demo, SimulatorBusy, run_demo
from proxy.server.serve import CannotListen
from proxy.simulator.config import load_simulator
from proxy.state.connection import StateMisconfiguredError
from proxy.state.embedded import EmbeddedRedisError

MESSAGE = '{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
OTHER_PLACE = "--data-dir DIR; for make run: PORT=9000 make run ARGS='--data-dir DIR'"


def demo(
    config: Annotated[Path, typer.Option("--config", "-c", help="The gateway's config.")] = Path(
        "config/demo.yaml"
    ),
    simulator: Annotated[
        Path, typer.Option(help="The simulated providers, started if the config names them.")
    ] = Path("config/simulator.yaml"),
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535)] = 8080,
    data_dir: Annotated[
        Path, typer.Option(help="Where what lasts between runs lies: keys, the pepper.")
    ] = Path(".pointsman"),
) -> None:
    """Run the gateway with an embedded Redis and simulated providers, and a key to try.

    What `make run` calls. Ctrl-C stops all of it.
    """
    loaded = load_or_fail(config)
    try:
        run_demo(
            loaded,
            load_simulator(simulator),
            port=port,
            data_dir=data_dir,
            on_running=lambda running: _tell(running, config),
        )
    except EmbeddedRedisError as problem:
        is_in_use = isinstance(problem.__cause__, BlockingIOError)
        hint = f" Another place: {OTHER_PLACE}." if is_in_use else ""
        fail(f"pointsman: {problem}{hint}", FAILED)
    except StateMisconfiguredError as problem:
        fail(f"pointsman: {problem} For a new start of the demo: rm -r {data_dir}", FAILED)
    except (CannotListen, SimulatorBusy, ValueError) as problem:
        fail(f"pointsman: {problem}", FAILED)


def _tell(demo: Demo, config: Path) -> None:
    typer.echo(f"\nPointsman is running at {demo.url} (OpenAI's API under {demo.url}/v1)")
    for name, url in demo.simulated:
        typer.echo(f"  simulated provider {name} at {url}")
    typer.echo(f"  routes for tenant {demo.tenant_id}: {', '.join(demo.routes)}")
    new = "new, " if demo.key_is_new else ""
    typer.echo(f"  key ({new}kept in {demo.data_dir / 'demo-key'}): {demo.key}")
    body = MESSAGE.replace("auto", demo.routes[0])
    typer.echo("\nTry it:\n")
    typer.echo(
        f"  curl -N {demo.url}/v1/chat/completions -H 'Authorization: Bearer {demo.key}' "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}\n"
    )
    typer.echo(f"  .venv/bin/python -c {shlex.quote(_python_line(demo))}\n")
    if demo.takes_keys:
        typer.echo("Another key, with a tag for policies (when.key_tag):\n")
        typer.echo(
            f"  .venv/bin/pointsman keys create -c {config} --tenant {demo.tenant_id} "
            "--name second --tag beta\n"
        )
    typer.echo("Ctrl-C stops all of it.\n")


def _python_line(demo: Demo) -> str:
    return (
        f'from openai import OpenAI; print(OpenAI(base_url="{demo.url}/v1", api_key="{demo.key}")'
        f'.chat.completions.create(model="{demo.routes[0]}", '
        'messages=[{"role": "user", "content": "Hello"}]).choices[0].message.content)'
    )
