"""`pointsman check`: what it prints and its exit codes."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from documents import FIRST_POLICY_LINE, GOOD, loaded, ruled, spoiled
from typer.testing import CliRunner, Result

from proxy.cli.check import check

PRICE = "{input_usd_per_million: 1, output_usd_per_million: 2}"
BAD = spoiled("tier: free", "tier: fre").replace("region: eu", "regoin: eu")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the config under test stands."""
    return tmp_path / "gateway.yaml"


def priced(text: str) -> str:
    """*text* with a price for each target of `GOOD` that has none."""
    price = f"    price: {PRICE}\n"
    for model in ("small", "vectors"):
        text = text.replace(f"    model: {model}\n", f"    model: {model}\n{price}")
    return text


def _run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, list(arguments))


def test_check_of_a_good_config_says_its_version_and_counts(path: Path) -> None:
    """Exit code 0: it may start."""
    path.write_text(GOOD)

    result = _run(str(path))

    assert result.exit_code == 0
    assert loaded(GOOD).snapshot.version in result.output
    assert "2 providers, 4 targets, 2 routes, 1 tenant, 0 policies)" in result.output


@pytest.mark.parametrize(
    ("policy", "part"), [("refuse", "never get it"), ("flag", "nothing bounds its cost")]
)
def test_check_warns_of_targets_without_a_price(path: Path, policy: str, part: str) -> None:
    """They are no problem, but somebody should know, by file and line; what follows is as the
    config says.
    """
    text = f"prices: {{unpriced: {policy}}}\n{GOOD}"
    path.write_text(text)
    line = text.splitlines().index("  two/small:") + 1

    result = _run(str(path))

    first = result.output.splitlines()[0]
    assert first.startswith(f"warning: {path}:{line}:3: targets[two/small]: has no price: ")
    assert part in first
    assert result.exit_code == 0


def test_check_takes_the_path_as_argument_or_option(path: Path) -> None:
    """Both forms are the same; both at once are wrong usage."""
    path.write_text(GOOD)

    as_option = [_run(flag, str(path)).output for flag in ("--config", "-c")]

    assert as_option == [_run(str(path)).output] * 2
    assert _run(str(path), "--config", str(path)).exit_code == 2


def test_check_prints_every_problem_with_its_place(path: Path) -> None:
    """Exit code 1, one line a problem, in the form that editors jump to."""
    path.write_text(BAD)

    result = _run(str(path))

    assert result.exit_code == 1
    first, second = result.output.splitlines()
    assert first.startswith(f"{path}:10:5: providers.one.regoin: ")
    assert second.startswith(f"{path}:51:11: tenants.demo.tier: ")


def test_check_of_a_missing_file_is_a_usage_error(path: Path) -> None:
    """Exit code 2 tells a wrong path from a wrong config."""
    result = _run(str(path))

    assert result.exit_code == 2
    assert "cannot be read: No such file" in result.output


def test_check_prints_json_for_machines(path: Path) -> None:
    """The same facts, as one JSON object, with the same exit codes."""
    path.write_text(GOOD)
    fine = _run(str(path), "--json")
    path.write_text(BAD)
    bad = _run(str(path), "--json")

    warnings = [asdict(each) for each in loaded(GOOD).warnings]
    assert [each["where"] for each in warnings] == [
        "targets[two/small]", "targets[one/vectors]", "targets[two/vectors]",
    ]  # fmt: skip
    for each in warnings:
        each["file"] = str(path)
    assert json.loads(fine.output) == {
        "ok": True,
        "version": loaded(GOOD).snapshot.version,
        "providers": 2,
        "targets": 4,
        "routes": 2,
        "tenants": 1,
        "policies": 0,
        "warnings": warnings,
        "unpriced": ["two/small", "one/vectors", "two/vectors"],
    }
    assert (fine.exit_code, bad.exit_code) == (0, 1)
    problems = json.loads(bad.output)["problems"]
    assert [(each["line"], each["column"]) for each in problems] == [(10, 5), (51, 11)]
    assert set(problems[0]) == {"file", "line", "column", "where", "message"}


def test_check_prints_warnings_and_fails_on_them_if_told_to(path: Path) -> None:
    """What is odd may start; a pipeline can be stricter."""
    path.write_text(priced(ruled("{id: a, when: {tier: pro}, log: none}")))

    lenient, strict = _run(str(path)), _run(str(path), "--strict")
    as_json = _run(str(path), "--strict", "--json")

    assert (lenient.exit_code, strict.exit_code, as_json.exit_code) == (0, 1, 1)
    assert lenient.output == strict.output
    first, last = lenient.output.splitlines()
    line = FIRST_POLICY_LINE + 3  # a price more for each of three targets
    assert first.startswith(f"warning: {path}:{line}:26: policies[0].when.tier: no ")
    assert "1 tenant, 1 policy)" in last
    (warning,) = json.loads(as_json.output)["warnings"]
    assert (warning["line"], warning["where"]) == (line, "policies[0].when.tier")


def test_strict_check_of_a_plain_config_passes(path: Path) -> None:
    """Nothing odd, nothing to fail on."""
    path.write_text(priced(GOOD))

    assert _run(str(path), "--strict").exit_code == 0


def test_strict_check_fails_on_a_target_without_a_price(path: Path) -> None:
    """What cannot be counted is odd too."""
    path.write_text(GOOD)

    assert _run(str(path), "--strict").exit_code == 1
