"""`pointsman check`: every problem of a config at once. I/O: reads the file, prints.

Exit code 0: it may start. 1: it has problems. 2: there is no such file, or it cannot be read.
Credentials are not looked at, so a machine without secrets can check.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.exits import FAILED, USAGE
from proxy.config.load import LoadedConfig, load
from proxy.config.problems import ConfigProblems, ConfigUnreadable


def check(
    config: Annotated[Path, typer.Argument(help="The config file.")] = Path("config/gateway.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Check a config and name every problem, by file and line."""
    try:
        loaded = load(config)
    except ConfigProblems as found:
        _print_problems(found, as_json=as_json)
        raise typer.Exit(USAGE if isinstance(found, ConfigUnreadable) else FAILED) from None
    _print_summary(config, loaded, as_json=as_json)


def _print_problems(found: ConfigProblems, *, as_json: bool) -> None:
    if as_json:
        problems = [asdict(problem) for problem in found.problems]
        typer.echo(json.dumps({"ok": False, "problems": problems}, indent=2))
        return
    for problem in found.problems:
        typer.echo(str(problem))


def _print_summary(config: Path, loaded: LoadedConfig, *, as_json: bool) -> None:
    snapshot = loaded.snapshot
    counts = {
        "providers": len(snapshot.providers),
        "targets": len(snapshot.targets),
        "routes": len(snapshot.routes),
        "tenants": len(snapshot.tenants),
    }
    if as_json:
        typer.echo(json.dumps({"ok": True, "version": snapshot.version, **counts}, indent=2))
        return
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    typer.echo(f"{config}: fine, version {snapshot.version} ({listed})")
