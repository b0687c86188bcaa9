"""`pointsman test`: whether the policies do what their tests expect. I/O: reads files, prints."""

import json
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.exits import FAILED, USAGE, fail
from proxy.config.problems import ConfigProblems
from proxy.policytests.load import DEFAULT_PATH, PolicyTest, load_tests
from proxy.policytests.run import Result, run_test


def run_tests(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file of tests, or a directory of such.")
    ] = DEFAULT_PATH,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Test this config in place of those that files name."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("-k", help="Only tests whose name holds this text.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Run policy tests: requests, the world they come in, and what must become of them.

    Exit code 0 if all hold, 1 if some do not, 2 if a file or its config cannot be used, or
    no test is chosen. Nothing is sent, and credentials are not looked at.
    """
    try:
        tests = load_tests(path, config)
    except ConfigProblems as problems:
        fail(str(problems), USAGE)
    chosen = [each for each in tests if name is None or name.lower() in each.spec.name.lower()]
    if not chosen:
        fail(f"None of the {len(tests)} tests has '{name}' in its name.", USAGE)
    results = [run_test(each) for each in chosen]
    if as_json:
        typer.echo(json.dumps(_as_json(results), indent=2))
    else:
        typer.echo("\n".join(lines_of(results)))
    if not all(result.passed for result in results):
        raise typer.Exit(FAILED)


def lines_of(results: list[Result]) -> list[str]:
    """*results* for people: what failed and how, file by file, and the counts."""
    lines: list[str] = []
    failed = [result for result in results if not result.passed]
    for result in failed:
        lines.append(f"FAILED {_place(result.test)}: {result.test.spec.name}")
        width = max(len(each.key) for each in result.differences)
        for each in result.differences:
            lines.append(f"  {each.key.ljust(width)}  expected {each.expected}")
            lines.append(f"  {' ' * width}  got      {each.got}")
        lines += [f"  {result.reason}", ""]
    passed = len(results) - len(failed)
    return [*lines, f"{passed} passed, {len(failed)} failed"]


def _place(test: PolicyTest) -> str:
    return f"{test.file}:{test.line}"


def _as_json(results: list[Result]) -> dict[str, object]:
    return {
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "tests": [
            {
                "name": result.test.spec.name,
                "file": result.test.file,
                "line": result.test.line,
                "passed": result.passed,
                "differences": [each._asdict() for each in result.differences],
                "reason": result.reason,
            }
            for result in results
        ],
    }
