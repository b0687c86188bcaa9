"""What the verbs share: the config they take where none is named, and how they end.

0 done, 1 it failed, 2 it was asked wrongly.
"""

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

DEFAULT_CONFIG: Final = Path("config/gateway.yaml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The gateway's config file.")]

FAILED: Final = 1
USAGE: Final = 2


def fail(message: str, code: int) -> NoReturn:
    """Print *message* to standard error and end with *code*."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
