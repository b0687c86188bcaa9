"""`pointsman check`: every problem of a config at once. I/O: reads the file, prints.

Exit code 0: it may start. 1: it has problems. 2: there is no such file, or it cannot be read.
Credentials are not looked at, so a machine without secrets can check.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.exits import DEFAULT_CONFIG, FAILED, USAGE, fail
from proxy.config.load import LoadedConfig, load
from proxy.config.pricing import unpriced_targets
from proxy.config.problems import ConfigProblems, ConfigUnreadable

_SINGULAR = {
    "providers": "provider",
    "targets": "target",
    "routes": "route",
    "tenants": "tenant",
    "policies": "policy",
}


def check(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help=f"The config file; without: {DEFAULT_CONFIG}."),
    ] = None,
    option: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The same, as the other verbs take it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on warnings too, as in a pipeline.")
    ] = False,
) -> None:
    """Name every problem of a config at once, by file and line, and what is odd about it.

    Exit code 0 if it may start, 1 if not (or, with --strict, if there are warnings), 2 if the
    file cannot be read. Credentials are not looked at, so a machine without secrets can check.
    """
    if path is not None and option is not None:
        fail("Name the config once: as argument or by --config.", USAGE)
    config = path or option or DEFAULT_CONFIG
    try:
        loaded = load(config)
    except ConfigProblems as found:
        _print_problems(found, as_json=as_json)
        raise typer.Exit(USAGE if isinstance(found, ConfigUnreadable) else FAILED) from None
    _print_summary(config, loaded, as_json=as_json)
    if strict and loaded.warnings:
        raise typer.Exit(FAILED)


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
        "policies": len(snapshot.policies.rules),
    }
    if as_json:
        warnings = [asdict(warning) for warning in loaded.warnings]
        found = {"ok": True, "version": snapshot.version, **counts}
        found |= {"warnings": warnings, "unpriced": unpriced_targets(snapshot)}
        typer.echo(json.dumps(found, indent=2))
        return
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}")
    listed = ", ".join(
        f"{count} {_SINGULAR[name] if count == 1 else name}" for name, count in counts.items()
    )
    typer.echo(f"{config}: fine, version {snapshot.version} ({listed})")
