"""The `pointsman` command: what it calls itself, and what its verbs say of themselves."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from proxy.cli.main import app

PROMISES = [
    ("check", "Exit code 0 if it may start, 1 if not (or, with --strict, if there are warnings)"),
    ("keys create", "Needs the config's Redis and pepper."),
    ("keys create", "30d"),
    ("keys list", "Needs the config's Redis and pepper."),
    ("keys revoke", "within a second, and within five if the notice was lost."),
]


@pytest.mark.slow
def test_module_calls_itself_by_the_command_s_name() -> None:
    """`python -m proxy` is `pointsman`, also in its own help, which no metrics library slows."""
    program = (
        "import runpy, sys; sys.argv = ['proxy', '--help']\n"
        "try: runpy.run_module('proxy', run_name='__main__')\n"
        "except SystemExit: print('prometheus_client' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout

    assert "Usage: pointsman " in said
    assert said.splitlines()[-1] == "False"


def test_version_is_one_line() -> None:
    """The version is printed after the name, and nothing else is done."""
    result = CliRunner().invoke(app, ["--version"])

    assert result.exit_code == 0
    assert re.fullmatch(r"pointsman \S+\n", result.stdout)


@pytest.mark.parametrize(("verb", "promise"), PROMISES)
def test_help_says_what_the_command_page_says(verb: str, promise: str) -> None:
    """What a verb needs and what its end means stand in its help."""
    result = CliRunner().invoke(app, [*verb.split(), "--help"])

    assert promise in re.sub(r"[\s│]+", " ", result.stdout)
