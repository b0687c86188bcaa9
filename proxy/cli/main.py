"""The `pointsman` command. One thin file a verb: parse, call one function, print."""

from typing import Annotated

import typer

from proxy.cli.check import check
from proxy.cli.demo import demo
from proxy.cli.explain import explain
from proxy.cli.keys import keys
from proxy.cli.prices import prices
from proxy.cli.serve import serve
from proxy.cli.simulate import simulate
from proxy.cli.test import run_tests

NAME = "pointsman"


def _print_version(*, wanted: bool) -> None:
    if not wanted:
        return
    # Not imported with the command line: the metrics library comes with it (cli/serve).
    from proxy.assembly import program_version

    typer.echo(f"{NAME} {program_version()}")
    raise typer.Exit


def pointsman(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version, or 'checkout' where it runs from one, and end.",
            callback=lambda wanted: _print_version(wanted=wanted),
            is_eager=True,
        ),
    ] = False,
) -> None:
    """A routing gateway for language models that speaks OpenAI's API.

    Exit codes of every verb: 0 it is done, 1 it failed and said why, 2 it was asked wrongly.
    """


app = typer.Typer(
    name=NAME,
    callback=pointsman,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a docstring's paragraph
)
app.command()(serve)
app.command()(check)
app.command()(explain)
app.command("test")(run_tests)
app.add_typer(keys, name="keys")
app.add_typer(prices, name="prices")
app.command()(simulate)
app.command()(demo)


def main() -> None:
    """Run the command line, which calls itself the same however it was started."""
    app(prog_name=NAME)
