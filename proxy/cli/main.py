"""The `pointsman` command. One thin file a verb: parse, call one function, print."""

import typer

from proxy.cli.check import check
from proxy.cli.demo import demo
from proxy.cli.keys import keys
from proxy.cli.serve import serve
from proxy.cli.simulate import simulate

app = typer.Typer(
    name="pointsman",
    help="A routing gateway for language models that speaks OpenAI's API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(check)
app.add_typer(keys, name="keys")
app.command()(simulate)
app.command()(demo)


def main() -> None:
    """Run the command line."""
    app()
