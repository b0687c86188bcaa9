"""The policies that are shipped do what their tests expect; and `pointsman test` says so."""

import json
from functools import cache
from pathlib import Path

import pytest
from click.testing import Result as Ran
from typer.testing import CliRunner

from proxy.cli.main import app
from proxy.policytests.load import PolicyTest, load_tests
from proxy.policytests.run import run_test
from tests.architecture.trees import ROOT

SHIPPED = ROOT / "config" / "tests"
LEAST_SHIPPED = 25

SUITE = f"""\
config: {ROOT}/config/demo.yaml
defaults: {{tenant: demo}}
tests:
  - name: the first holds
    prompt: Hello
    expect: {{selected: swift/sim-medium}}
  - name: the second does not
    prompt: Hello
    expect: {{selected: grand/sim-large, never: swift/*}}
"""


@cache
def shipped() -> dict[str, PolicyTest]:
    """The tests that are shipped, by file and name."""
    return {f"{Path(each.file).stem}: {each.spec.name}": each for each in load_tests(SHIPPED)}


@pytest.mark.parametrize("name", shipped())
def test_shipped_policy_does_what_its_test_expects(name: str) -> None:
    """Each test of `config/tests` is one of ours, so that they run with every change."""
    assert run_test(shipped()[name]).differences == ()


def test_enough_is_tested_of_every_policy() -> None:
    """No policy of the example is without a test that names it or sees it at work."""
    tests = [each for each in shipped().values() if Path(each.file).stem == "policies"]
    policies = {rule.id for rule in tests[0].snapshot.policies.rules}
    text = (SHIPPED / "policies.yaml").read_text()

    assert len(shipped()) >= LEAST_SHIPPED
    assert {rule for rule in policies if rule not in text} == {
        "batch-is-cheap",  # by its strategy
        "interactive-a-else-b",  # by its strategy
    }


def ran(*arguments: str) -> Ran:
    """Run `pointsman test`."""
    return CliRunner().invoke(app, ["test", *arguments])


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A file of two tests, one of which fails."""
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return path


def test_failure_is_shown_with_place_and_differences(suite: Path) -> None:
    """File, line and name; each expectation beside what came out; why; the counts."""
    result = ran(str(suite))

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"FAILED {suite}:7: the second does not",
        "  selected  expected grand/sim-large",
        "            got      swift/sim-medium",
        "  never     expected swift/* is never ranked",
        "            got      swift/sim-medium (place 1)",
        "  swift/sim-medium is first in the route's order, 0 of 3 left out.",
        "",
        "1 passed, 1 failed",
    ]


def test_only_the_chosen_tests_run(suite: Path) -> None:
    """By a part of their name, in upper or lower case; one that nobody has is a mistake."""
    assert ran(str(suite), "-k", "FIRST").stdout == "1 passed, 0 failed\n"
    assert ran(str(suite), "-k", "FIRST").exit_code == 0
    nobody = ran(str(suite), "-k", "third")
    assert (nobody.exit_code, nobody.stdout) == (2, "")
    assert "None of the 2 tests has 'third' in its name." in nobody.stderr


def test_results_for_machines_hold_all_of_them(suite: Path) -> None:
    """Those that passed too."""
    result = ran(str(suite), "--json")

    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["passed"], told["failed"]) == (1, 1)
    assert [(each["name"], each["line"], each["passed"]) for each in told["tests"]] == [
        ("the first holds", 4, True),
        ("the second does not", 7, False),
    ]
    assert told["tests"][1]["differences"][0] == {
        "key": "selected",
        "expected": "grand/sim-large",
        "got": "swift/sim-medium",
    }


def test_mistakes_in_a_file_are_told_with_their_line(suite: Path) -> None:
    """And are no failures: exit code 2."""
    suite.write_text(SUITE.replace("expect:", "expects:"))

    result = ran(str(suite))

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{suite}:6:5: tests[0].expects: is not a known key; did you mean" in result.stderr


def test_another_config_can_be_tested(suite: Path, tmp_path: Path) -> None:
    """Before it takes the place of the one in force."""
    text = (ROOT / "config" / "demo.yaml").read_text()
    other = tmp_path / "other.txt"
    order = "targets: [swift/sim-medium, steady/sim-medium, grand/sim-large]"
    other.write_text(text.replace(order, "targets: [grand/sim-large]"))

    assert ran(str(suite), "--config", str(other)).stdout.splitlines()[-1] == "1 passed, 1 failed"
    assert "the first holds" in ran(str(suite), "--config", str(other)).stdout
