"""`pointsman keys`: make, list and revoke API keys. I/O: the config, Redis, the terminal.

A new key goes to standard output, alone on its line; all that is said about it goes to standard
error, so that `pointsman keys create … > file` holds the key and nothing else.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.cli.exits import DEFAULT_CONFIG, FAILED, ConfigOption, fail
from proxy.cli.serve import load_or_fail
from proxy.config.credentials import CredentialProblem, resolve, reveal
from proxy.config.load import LoadedConfig
from proxy.state.connection import (
    Connection,
    StateMisconfiguredError,
    StateUnavailableError,
)
from proxy.state.store import KeyRecord, KeyStore
from proxy.state.tokens import Pepper, claimed_id, is_well_formed
from proxy.units import UnixMs

T = TypeVar("T")

_MS_OF: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_COLUMNS: Final = ("id", "tenant", "name", "state", "created", "expires", "last used", "tags")

keys = typer.Typer(
    help="Make, list and revoke API keys. Needs the Redis and the pepper that the config names.",
    no_args_is_help=True,
)


def _milliseconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if found is None:
        raise typer.BadParameter("write a number and m, h, d or w, such as 12h or 30d")
    return int(found[1]) * _MS_OF[found[2]]


@keys.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose key it is; a tenant of the config.")],
    name: Annotated[str, typer.Option(help="What it is for, as it is shown in lists.")],
    expires_in: Annotated[
        int | None,
        typer.Option(
            help="When it ends: 90m, 12h, 30d, 8w. Without: never.",
            parser=_milliseconds,
            metavar="30d",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="What policies know the key by (when.key_tag). Repeats."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a key and print it, alone on its line, to standard output.

    It is shown this once and kept nowhere; what is said about it goes to standard error. Needs
    the config's Redis and pepper. Exit code 1 if the config has no such tenant, if this Redis is
    used with another pepper, or if it could lose keys while it runs.
    """
    loaded = load_or_fail(config)
    _refuse_unknown_tenant(loaded, tenant)
    expires_ms = None if expires_in is None else UnixMs(_unix_ms() + expires_in)
    token, record = _with_store(
        loaded, lambda store: _create(store, tenant, name, expires_ms, tag or ())
    )
    ends = "never expires" if expires_ms is None else f"expires {_shown(expires_ms)}"
    typer.echo(f"Key {record.id} of tenant {tenant}, {ends}. It is shown only now:", err=True)
    typer.echo(token)


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List keys, oldest first, with their state, tags and last use.

    Last use is true to within ten seconds. Secrets are not known, so none is shown. Needs the
    config's Redis and pepper. Exit code 1 if the tenant is not in the config and has no keys.
    """
    loaded = load_or_fail(config)
    records = _with_store(loaded, lambda store: store.list(tenant))
    if tenant is not None and not records:  # one that left the config may still have keys
        _refuse_unknown_tenant(loaded, tenant)
    if as_json:
        rows = [{**asdict(record), "state": _state_of(record)} for record in records]
        typer.echo(json.dumps(rows, indent=2))
    elif Console().is_terminal:
        Console().print(_table(map(_row, records)))
    else:
        for row in (_COLUMNS, *map(_row, records)):
            typer.echo("\t".join(row))


@keys.command()
def revoke(
    key: Annotated[
        str,
        typer.Argument(metavar="ID", help="The key's id, as lists show it; or a whole leaked key."),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a key for good.

    Running gateways refuse it within a second, and within five if the notice was lost. Needs the
    config's Redis and pepper. Exit code 1 if there is no such key. A whole key is never repeated.
    """
    key_id = claimed_id(key) if is_well_formed(key) else key
    if not _with_store(load_or_fail(config), lambda store: store.revoke(key_id)):
        # Not repeated: a key pasted with a letter missing must not be found in a log.
        fail("There is no such key. 'pointsman keys list' shows them.", FAILED)
    typer.echo(f"Key {key_id} is revoked.", err=True)


async def _create(
    store: KeyStore, tenant: str, name: str, expires_ms: UnixMs | None, tags: Iterable[str]
) -> tuple[str, KeyRecord]:
    for warning in await store.check():
        typer.echo(f"Warning: {warning}", err=True)
    return await store.create(tenant, name, expires_ms, tags)


def _with_store(loaded: LoadedConfig, work: Callable[[KeyStore], Awaitable[T]]) -> T:
    """What *work* makes of the config's key store; ends the command where it cannot be done."""

    async def run() -> T:
        connection = Connection(reveal(loaded.settings.redis))
        try:
            pepper = Pepper(resolve(loaded.settings.pepper).encode())
            return await work(KeyStore(connection, pepper, _unix_ms))
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except (
        CredentialProblem,
        StateMisconfiguredError,
        StateUnavailableError,
        ValueError,
    ) as problem:
        fail(str(problem), FAILED)


def _refuse_unknown_tenant(loaded: LoadedConfig, tenant: str) -> None:
    if tenant not in loaded.snapshot.tenants:
        known = ", ".join(loaded.snapshot.tenants)
        fail(f"The config has no tenant '{tenant}'. It has: {known}.", FAILED)


def _table(rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as Text: a name is no markup
    return table


def _row(record: KeyRecord) -> tuple[str, ...]:
    return (
        record.id,
        record.tenant_id,
        record.name,
        _state_of(record),
        _shown(record.created_ms),
        _shown(record.expires_ms),
        _shown(record.last_used_ms),
        " ".join(record.tags),
    )


def _state_of(record: KeyRecord) -> str:
    if record.revoked_ms is not None:
        return "revoked"
    if record.expires_ms is not None and record.expires_ms <= _unix_ms():
        return "expired"
    return "active"


def _shown(time_ms: UnixMs | None) -> str:
    if time_ms is None:
        return "never"
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _unix_ms() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)
