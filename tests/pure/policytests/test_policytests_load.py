"""A file of policy tests is taken whole, or refused with everything that is wrong with it."""

from pathlib import Path

import pytest
from suites import CONFIG, written

from proxy.config.load import MAX_FILE_BYTES
from proxy.config.problems import ConfigProblems, ConfigUnreadable
from proxy.policytests.load import load_tests
from proxy.policytests.spec import json_number

GOOD = """\
config: config.yaml
defaults: {tenant: acme}
tests:
  - name: one
    prompt: Hello
    expect: {selected: a/small}
"""


def problems_of(directory: Path, text: str) -> list[str]:
    """What is wrong with the file that *text* writes: line, place and message."""
    (directory / "config.yaml").write_text(CONFIG)
    path = directory / "suite.yaml"
    path.write_text(text)
    with pytest.raises(ConfigProblems) as found:
        load_tests(path)
    return [f"{each.line} {each.where}: {each.message}" for each in found.value.problems]


def test_tests_know_their_place(tmp_path: Path) -> None:
    """File and line, what their file says of all, and the config they are for."""
    (test,) = load_tests(
        written(tmp_path, "- {name: a, prompt: b, expect: {log: full}, tenant: free}")
    )

    assert (test.file, test.line) == (str(tmp_path / "suite.yaml"), 3)
    assert test.tenant_id == "free"
    assert set(test.snapshot.tenants) == {"acme", "free"}


def test_directory_is_read_by_name_and_below(tmp_path: Path) -> None:
    """Files that do not end in .yaml or .yml are left alone."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "c.txt").write_text(CONFIG)
    (tmp_path / "tests" / "more").mkdir(parents=True)
    (tmp_path / "tests" / "notes.md").write_text("no test")
    for at, name in enumerate(("z.yaml", "a.yml", "more/b.yaml")):
        text = GOOD.replace("name: one", f"name: number {at}")
        above = "../../config/c.txt" if "/" in name else "../config/c.txt"
        (tmp_path / "tests" / name).write_text(text.replace("config.yaml", above))

    tests = load_tests(tmp_path / "tests")

    assert [test.spec.name for test in tests] == ["number 1", "number 2", "number 0"]


def test_another_config_may_take_the_place_of_the_named_one(tmp_path: Path) -> None:
    """So that a change is tested before it takes the old one's place."""
    path = written(tmp_path, "- {name: a, prompt: b, tenant: acme, expect: {log: full}}", "")
    other = tmp_path / "other.yaml"
    other.write_text(CONFIG.replace("no-premium", "none-of-that"))

    (test,) = load_tests(path, other)

    assert test.snapshot.policies.rules[0].id == "none-of-that"


def test_without_a_config_there_is_nothing_to_test(tmp_path: Path) -> None:
    """Neither the file nor the caller names one."""
    assert problems_of(tmp_path, GOOD.replace("config: config.yaml\n", "")) == [
        "1 : names no config; add 'config:', relative to this file, or use --config"
    ]


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    """A file, a directory without tests, a config; each is named."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "suite.yaml").write_text(GOOD)
    for path, message in (
        (tmp_path / "none.yaml", "none.yaml:1:1: cannot be read: No such file"),
        (tmp_path / "empty", "empty:1:1: holds no test"),
        (tmp_path / "suite.yaml", "config.yaml:1:1: cannot be read: No such file"),
    ):
        with pytest.raises(ConfigUnreadable, match=message):
            load_tests(path)


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """A config that several are for is blamed once."""
    (tmp_path / "config.txt").write_text(CONFIG.replace("tier: pro", "tier: prof"))
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD.replace("config.yaml", "config.txt"))
    (tmp_path / "c.yaml").write_text("tests: []")

    with pytest.raises(ConfigProblems) as found:
        load_tests(tmp_path)

    assert [Path(each.file).name for each in found.value.problems] == ["config.txt", "c.yaml"]


PROMPT, EXPECT = "    prompt: Hello\n", "{selected: a/small}"

BAD = [
    ("    prompt: Hello\n    expect", "    expect", "4 tests[0]: needs a prompt or a request"),
    (PROMPT, "request: {input: a}\n", "4 tests[0]: has a text in"),
    (EXPECT, "{}", "6 tests[0].expect: expects nothing"),
    (EXPECT, "{selectd: a/small}", "6 tests[0].expect.selectd: is not a known key; did"),
    (EXPECT, "{selected: a/smal}",
     "6 tests[0].expect.selected: there is no 'a/smal' among the targets of the config; did you"),
    (EXPECT, "{selected: c/*}", "6 tests[0].expect.selected: there is no 'c/*' among"),
    (EXPECT, "{fallback: x}", "6 tests[0].expect.fallback: there is no 'x'"),
    (EXPECT, "{ranked: [a/small, x]}", "6 tests[0].expect.ranked[1]: there is no"),
    (EXPECT, "{never: [z, a/*]}", "6 tests[0].expect.never: there is no 'z'"),
    (EXPECT, "{rejected: {q: policy}}", "6 tests[0].expect.rejected.q: there is no"),
    (EXPECT, "{rejected: {a/*: {rule: q}}}", "6 tests[0].expect.rejected[a/*].rule: "),
    (EXPECT, "{rejected: {a/*: slow}}", "6 tests[0].expect.rejected[a/*]"),
    (EXPECT, "{rejected: {a/*: {ruel: q}}}", "6 tests[0].expect.rejected[a/*].ruel: "),
    (EXPECT, "{rules: q}", "6 tests[0].expect.rules: there is no 'q' among the policies"),
    (EXPECT, "{refused: {rule: q}}", "6 tests[0].expect.refused.rule: there is no"),
    (EXPECT, "{refused: no_such_code}", "6 tests[0].expect.refused"),
    (EXPECT, "{refused: true}", "6 tests[0].expect.refused: must be a word (code)"),
    (EXPECT, "{degraded: {}}", "6 tests[0].expect.degraded: must be a word (step)"),
    (EXPECT, "{cost_usd: {}}", "6 tests[0].expect.cost_usd: needs at_most or at_least"),
    (PROMPT, "draw: 1\n", "6 tests[0].draw: must be at least 0"),
    (PROMPT, "time: 2026-01-06\n", "6 tests[0].time: must be a moment"),
    (PROMPT, "time: noon\n", "6 tests[0].time: must be a moment"),
    (PROMPT, "world: {targets: {a/small: {breker: open}}}\n",
     "6 tests[0].world.targets[a/small].breker: is not a known key; did you mean 'breaker'?"),
    (PROMPT, "world: {targets: {a/small: {quality: {code: 2}}}}\n",
     "6 tests[0].world.targets[a/small].quality.code: must be between -1 and 1"),
    (PROMPT, "world: {targets: {a/small: {unpriced: true, price: "
     "{input_usd_per_million: 1, output_usd_per_million: 1}}}}\n",
     "6 tests[0].world.targets[a/small]: has a 'price' and is 'unpriced'"),
    (PROMPT, "world: {targets: {c/d: {breaker: open}}}\n",
     "6 tests[0].world.targets[c/d]: there is no 'c/d' among the targets"),
    (PROMPT, "world: {tool_calls_from: c}\n",
     "6 tests[0].world.tool_calls_from: there is no 'c' among the providers of the config; known"),
    (PROMPT, "world: {cached_answer_from: c}\n",
     "6 tests[0].world.cached_answer_from: there is no 'c' among the targets"),
    (PROMPT, "tenant: acm\n", "6 tests[0].tenant: there is no 'acm'"),
    ("{tenant: acme}", "{tenant: acm}", "2 defaults.tenant: there is no 'acm' among"),
    ("{tenant: acme}", "{route: auto}", "4 tests[0].tenant: is missing; add it"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "problem"), BAD)
def test_mistake_is_told_with_its_line(tmp_path: Path, good: str, bad: str, problem: str) -> None:
    """Unknown keys and words, kinds, and ids that the config lacks."""
    replaced = f"{PROMPT}    {bad}" if good == PROMPT else bad

    problems = problems_of(tmp_path, GOOD.replace(good, replaced))

    assert any(each.startswith(problem) for each in problems), problems


def test_two_tests_do_not_share_a_name(tmp_path: Path) -> None:
    """Or nobody could tell which of them failed."""
    text = GOOD + GOOD.partition("tests:\n")[2]

    assert problems_of(tmp_path, text) == [
        "7 tests[1].name: is the name of another test (in line 4); rename one of the two"
    ]


def test_broken_yaml_and_a_file_of_any_size_are_refused(tmp_path: Path) -> None:
    """As the config's own reader does it."""
    assert "is not valid YAML" in problems_of(tmp_path, "tests: [")[0]
    assert problems_of(tmp_path, "- a list") == ["1 : must be a mapping with config and tests"]
    assert "is over" in problems_of(tmp_path, "#" * (MAX_FILE_BYTES + 1))[0]


def test_json_knows_no_other_numbers() -> None:
    """What is no number was refused by the reader, so nobody comes here with it."""
    with pytest.raises(TypeError):
        json_number(object())
