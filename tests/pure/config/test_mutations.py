"""Whatever a file holds, it is loaded or refused: nothing else can happen."""

import random

import pytest
import yaml
from documents import GOOD, POLICIES
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.load import LoadedConfig, parse
from proxy.config.problems import ConfigProblems, Problem

_TEXT = GOOD + POLICIES

_SNIPPETS = [
    *["NO", "~", "null", "true", "010", "1:30", "1e999", ".nan", "-1", "0.5", "[]", "{}", "''"],
    *["&a", "*a", "!!str", "<<", '"\\u0000"', "*", "?", ":", "-", "|", ">", "---", "...", "%YAML"],
    *["#", "@", "`", "\t", "\x00", "\ufeff", "ü", "é\u2028", "one/big", "auto", "[key]", "server"],
    *["when", "not", "any", "true", "22:00", "regulated", "Europe/Berlin", "min", "require"],
    *["\n", "\n  ", "\n    ", ": ", ", ", "x" * 200, "env:X", "https://"],
]

_VALUES = st.recursive(
    st.sampled_from(
        [None, True, False, 0, -1, 3, 10**30, 0.5, float("nan"), "", "NO", "one", "auto", "*", "ü",
         "env:X", "https://h", "one/big", "\x00", "x" * 2000]
    )
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["tier", "[key]", "", "targets", "x y"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def _loads_or_refuses(content: bytes) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        assert isinstance(parse(content, "test.yaml"), LoadedConfig)
    except ConfigProblems as refused:
        problems = refused.problems
        assert problems
    lines = len(content.decode("utf-8", "replace").splitlines()) + 1
    for problem in problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert str(problem).isprintable()


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(_TEXT)), st.integers(0, 30), st.sampled_from(_SNIPPETS) | st.text()
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=300, deadline=None)
def test_random_edits_are_loaded_or_refused(edits: list[tuple[int, int, str]]) -> None:
    """Cutting and inserting anywhere in a good file never crashes the loader."""
    text = _TEXT
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]

    _loads_or_refuses(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused(content: bytes) -> None:
    """A file need not even be text."""
    _loads_or_refuses(content)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.lists(_VALUES, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_random_values_in_random_places_are_loaded_or_refused(
    chance: random.Random, values: list[object]
) -> None:
    """Every place of the schema takes any kind of value without crashing; each field blank too."""
    document = yaml.safe_load(_TEXT)
    for value in values:
        _put(document, value, chance)

    _loads_or_refuses(yaml.safe_dump(document, allow_unicode=True).encode())


def _put(node: object, value: object, chance: random.Random) -> None:
    """Put *value* somewhere below *node*, deeper or nearer as chance will have it."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))  # type: ignore[arg-type]  # a list
    if not keys:
        return
    key = chance.choice(keys)
    child = node[key]  # type: ignore[index]  # a dict or a list
    if isinstance(child, dict | list) and child and chance.random() < 0.8:
        _put(child, value, chance)
    else:
        node[key] = value  # type: ignore[index]  # a dict or a list
