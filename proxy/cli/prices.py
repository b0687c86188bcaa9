"""`pointsman prices`: hold the catalogue against public price lists. I/O: files, HTTP, Redis."""

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.cli.exits import DEFAULT_CONFIG, FAILED, USAGE, ConfigOption, fail
from proxy.cli.price_table import as_json, show, summary
from proxy.cli.serve import load_or_fail
from proxy.config.catalogue import Catalogue, render, renewed
from proxy.config.credentials import CredentialProblem, reveal
from proxy.config.load import today
from proxy.config.price_diff import Revision, Terms, revise
from proxy.config.price_feed import Feed, FeedUnreadableError, read_feed
from proxy.config.price_spec import feed_url
from proxy.config.prices import is_one_model_a_line, load_catalogue
from proxy.config.problems import ConfigProblems, ConfigUnreadable
from proxy.state.connection import Connection, StateUnavailableError
from proxy.state.prices import PriceStore

DEFAULT_CATALOGUE: Final = Path("config/prices.yaml")
MAX_FEED_BYTES: Final = 32 * 1024 * 1024

prices = typer.Typer(
    help="Hold the price catalogue against public price lists, and give it to running gateways.",
    no_args_is_help=True,
)


@prices.command()
def sync(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="URL|FILE",
            help="The community feed's JSON, or OpenRouter's list of models.",
        ),
    ],
    file: Annotated[Path, typer.Option(help="The catalogue.")] = DEFAULT_CATALOGUE,
    write: Annotated[bool, typer.Option("--write", help="Write what is taken.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,
    jump_percent: Annotated[
        int, typer.Option(min=1, help="A price that moves by more is held back.")
    ] = 50,
    accept_jumps: Annotated[
        bool, typer.Option("--accept-jumps", help="Take what would be held back.")
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Also models of this kind of provider, new to the catalogue. Repeats."),
    ] = None,
    json_wanted: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Show what a public price list would change in the catalogue; with --write, change it.

    Exit code 0 if there is nothing to do or it is done, 1 if a price jumped and was held back, or
    a value or file cannot be used. What is marked `override: true` is left alone.
    """
    current = _catalogue(file)
    terms = Terms(today(), _now(), jump_percent, accept_jumps, frozenset(kind or ()))
    revision = revise(current, _feed(source), terms)
    typer.echo(as_json(revision)) if json_wanted else show(revision)
    typer.echo(summary(revision), err=True)
    if write and revision.taken:
        if not yes:
            _ask(file, revision)
        _write(file, revision)
        typer.echo(f"{file} is written.", err=True)
    if revision.held or revision.refused:
        raise typer.Exit(FAILED)


@prices.command()
def push(
    file: Annotated[Path, typer.Option(help="The catalogue.")] = DEFAULT_CATALOGUE,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give the catalogue to the gateways that run: prices hold from their next decisions on.

    Within two seconds, without a restart. Needs the Redis that the config names. Exit code 1 if the
    catalogue has a problem or Redis does not answer.
    """
    catalogue = replace(_catalogue(file), as_of=_now())
    settings = load_or_fail(config).settings

    async def run() -> str:
        connection = Connection(reveal(settings.redis))
        try:
            return await PriceStore(connection).publish(render(catalogue))
        finally:
            await connection.close()

    try:
        version = asyncio.run(run())
    except (CredentialProblem, StateUnavailableError, ValueError) as problem:
        fail(str(problem), FAILED)
    typer.echo(f"{len(catalogue.models)} models are with the gateways, as {version}.", err=True)


def _catalogue(path: Path) -> Catalogue:
    try:
        return load_catalogue(path)
    except ConfigUnreadable as problems:
        fail(str(problems), USAGE)
    except ConfigProblems as problems:
        fail(str(problems), FAILED)


def _feed(source: str) -> Feed:
    try:
        return read_feed(_content_of(source))
    except FeedUnreadableError as problem:
        fail(f"{source} {problem}", FAILED)


def _content_of(source: str) -> bytes:
    if "://" in source:
        try:
            return _fetched(feed_url(source))
        except ValueError as problem:
            fail(f"--from {problem}", USAGE)
    try:
        with Path(source).open("rb") as file:
            content = file.read(MAX_FEED_BYTES + 1)
    except OSError as error:
        fail(f"{source} cannot be read: {error.strerror}", USAGE)
    if len(content) > MAX_FEED_BYTES:
        fail(f"{source} is over {MAX_FEED_BYTES} bytes", FAILED)
    return content


def _fetched(url: str) -> bytes:
    # Not imported with the command line: an HTTP library comes with it.
    from proxy.providers.price_fetch import FeedUnavailableError, fetch_feed

    try:
        return asyncio.run(fetch_feed(url))
    except FeedUnavailableError as problem:
        fail(f"{url} {problem}", FAILED)


def _ask(file: Path, revision: Revision) -> None:
    if not sys.stdin.isatty():
        fail("Nobody is there to be asked: add --yes to write.", USAGE)
    if not typer.confirm(f"Write {len(revision.taken)} models to {file}?", err=True):
        fail("Nothing is written.", FAILED)


def _write(path: Path, revision: Revision) -> None:
    """Whole or not at all, with the mode that the file had, and through a link to where it is."""
    path = path.resolve()
    before = path.read_bytes()
    if is_one_model_a_line(before):
        text = renewed(before.decode(), revision.catalogue, revision.changed_ids)
    else:
        text = render(revision.catalogue)
    partial = path.with_name(f"{path.name}.new")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(path.stat().st_mode)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        fail(f"{path} cannot be written: {error.strerror}", FAILED)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
