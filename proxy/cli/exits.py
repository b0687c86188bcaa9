"""How commands end: 0 done, 1 it failed, 2 it was asked wrongly."""

from typing import Final, NoReturn

import typer

FAILED: Final = 1
USAGE: Final = 2


def fail(message: str, code: int) -> NoReturn:
    """Print *message* to standard error and end with *code*."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
