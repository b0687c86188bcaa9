"""The YAML rules: what a text means, what is refused, and where."""

from decimal import Decimal

import pytest

from proxy.config.document import Broken, Mark, Node, Scalar, plain
from proxy.config.yaml12 import MAX_DEPTH, MAX_NODES, read_yaml, value_of


def _faults(text: str | bytes) -> list[tuple[int, int, str]]:
    _, faults = read_yaml(text if isinstance(text, bytes) else text.encode())
    return [(fault.mark.line, fault.mark.column, fault.message) for fault in faults]


def _tree(text: str) -> Node:
    root, faults = read_yaml(text.encode())
    assert root is not None
    assert faults == []
    return root


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("NO", "no", "yes", "on", "off", "y", "N", "tRUE", "truE")],
        *[(word, word) for word in ("1:30", "1:30:00", "1_000", "2024-01-01", "=", "0b101", "1e")],
        *[(word, word) for word in (".", "-", "+", "e5", "0x", "0o8", "-0x1f", "1.2.3", "inf")],
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("0.1", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("5.", Decimal(5)),
        ("1e3", Decimal(1000)),
        ("-1.5E-3", Decimal("-0.0015")),
        ("-.INF", Decimal("-Infinity")),
        ("~", None),
        ("Null", None),
        ("", None),
    ],
)
def test_plain_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    """The traps of YAML 1.1 (Norway, sexagesimal, octal, underscores, dates) are plain text or
    plain numbers."""
    meaning = value_of(text)

    assert meaning == value
    assert type(meaning) is type(value)


def test_not_a_number_is_a_number_for_the_checks_to_refuse() -> None:
    """`.nan` is not text, so that it can never slip through as a name."""
    assert str(value_of(".nan")) == "NaN"


@pytest.mark.parametrize("text", ["1e41", "1e-41", "9" * 41, "0x" + "f" * 39, "1e" + "9" * 37])
def test_number_beyond_all_bounds_is_refused(text: str) -> None:
    """No number may cost more memory or time than its text."""
    with pytest.raises(ValueError, match="beyond all bounds"):
        value_of(text)


def test_quoted_scalar_is_text_as_written() -> None:
    """Quotes make text of everything, blank and null too."""
    assert plain(_tree("[\"1\", 'true', \"\", '~', |-\n 5\n]".replace(", |-\n 5\n", ""))) == [
        "1",
        "true",
        "",
        "~",
    ]
    assert plain(_tree("a: |-\n  5")) == {"a": "5"}


def test_key_is_text_as_written() -> None:
    """Keys are never numbers or booleans."""
    assert plain(_tree('1: a\ntrue: b\nNO: c\n"<<": d\n"~": e')) == {
        "1": "a",
        "true": "b",
        "NO": "c",
        "<<": "d",
        "~": "e",
    }


def test_value_knows_its_place() -> None:
    """Lines and columns count from 1, as editors do."""
    root = _tree("a:\n  - ü: 5\n")

    assert root.mark == Mark(1, 1)
    assert [step.mark for step in _leaves(root)] == [Mark(2, 8)]


def _leaves(node: Node) -> list[Node]:
    if isinstance(node, Scalar | Broken):
        return [node]
    parts = node.items if hasattr(node, "items") else [e.node for e in node.entries.values()]
    return [leaf for part in parts for leaf in _leaves(part)]


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("", 1, 1, "the file is empty"),
        ("# only a comment\n", 1, 1, "the file is empty"),
        ("---\n", 2, 1, "is blank"),
        ("a:\nb: 1\n", 1, 3, "is blank"),
        ("a: [1, ~]\n", 1, 8, "is blank"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "stands twice (first in line 1)"),
        ("{a: 1, a: 1}", 1, 8, "stands twice"),
        ('a: 1\n"a": 2\n', 2, 1, "stands twice"),
        ("a: &x 1\n", 1, 4, "has an anchor"),
        ("a: &x [1]\n", 1, 4, "has an anchor"),
        ("&x a: 1\n", 1, 1, "has an anchor"),
        ("a: *x\n", 1, 4, "is an alias"),
        ("*x : 1\n", 1, 1, "is an alias"),
        ("a: !!str 5\n", 1, 4, "has a tag"),
        ("a: !!python/object/apply:os.system [echo]\n", 1, 4, "has a tag"),
        ("a: !x {b: 1}\n", 1, 4, "has a tag"),
        ("a: ! 5\n", 1, 4, "has a tag"),
        ("<<: {a: 1}\n", 1, 1, "has a merge key"),
        ("? [a]\n: 1\n", 1, 3, "has a key that is not text"),
        ("? \n: 1\n", 1, 2, "has a blank key"),
        ('"": 1\n', 1, 1, "has a blank key"),
        ("~: 1\n", 1, 1, "has a blank key"),
        ("a: 1e999\n", 1, 4, "beyond all bounds"),
        ("a: 1\n---\nb: 2\n", 2, 1, "begins a second document"),
        ("a: 1\n...\nb: 2\n", 3, 1, "not valid YAML"),
        ("%YAML 1.3\n---\na: 1\n", 1, 1, "not valid YAML"),
        ("a:\n\t- b\n", 2, 1, "indent with spaces, never tabs"),
        ("a: b: c\n", 1, 5, "quote text that holds ': '"),
        ("a: 1\n b: 2\n", 2, 3, "check the indentation"),
        ("a:\n  b: 1\n c: 2\n", 3, 2, "check the indentation"),
        ("a: 1\nb\nc: 2\n", 3, 1, "each key needs ': '"),
        ("a: [1,\nb: 2\n", 3, 1, "(begun in line 1); a bracket or brace above is not closed"),
        ('a: "b\n', 2, 1, "a quote, bracket or brace above is not closed"),
        ('a: "\\ud800"\n', 1, 7, "not valid YAML"),
        ("a: 1\nb: \x00\n", 2, 4, "holds the control character U+0000"),
        ("a: \ufeff", 1, 4, "holds the control character U+FEFF"),
        (b"a: 1\n\xc3\xbc: \xff\n", 2, 4, "is not UTF-8"),
    ],
)
def test_refused_yaml_is_named_with_its_place(
    text: str | bytes, line: int, column: int, part: str
) -> None:
    """What is refused says where it stands and what to do."""
    found = [fault for fault in _faults(text) if part in fault[2]]

    assert [(at_line, at_column) for at_line, at_column, _ in found] == [(line, column)]


def test_byte_order_mark_is_no_text() -> None:
    """Editors that put a byte order mark at the start do no harm."""
    root, faults = read_yaml(b"\xef\xbb\xbfa: 1\n")

    assert faults == []
    assert root is not None
    assert plain(root) == {"a": 1}


def test_first_of_two_equal_keys_stays() -> None:
    """A repeated key is reported and never takes the place of the first."""
    root, _ = read_yaml(b"a: 1\na: 2\n")

    assert root is not None
    assert plain(root) == {"a": 1}


def test_several_faults_are_reported_together() -> None:
    """What does not break the syntax does not end the reading."""
    messages = [message for _, _, message in _faults("a: *x\nb: &y 1\nb: 2\nc:\n")]

    assert len(messages) == 4


def test_depth_is_capped() -> None:
    """A file that nests without end is refused where it goes too deep."""
    deep = "[" * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1)

    assert _faults(deep[1:-1]) == []
    assert "nests deeper" in _faults(deep)[0][2]


@pytest.mark.parametrize("opening", ["[", "{a: ", "? ", "- ", "{? ", "[? ", "? - "])
def test_depth_is_capped_wherever_it_grows(opening: str) -> None:
    """Nesting in keys counts like nesting in values."""
    messages = [message for _, _, message in _faults(opening * 100_000)]

    assert any("nests deeper" in message for message in messages)


@pytest.mark.slow
def test_count_of_values_is_capped() -> None:
    """A file of a million values is refused before it is built."""
    ((_, _, message),) = _faults("[" + "1," * MAX_NODES + "]")

    assert f"more than {MAX_NODES} values" in message
