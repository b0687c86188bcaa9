"""The tree: places and paths."""

import pytest

from proxy.config.document import (
    Broken,
    Entry,
    Mapping,
    Mark,
    Path,
    Scalar,
    Sequence,
    as_written,
    locate,
    plain,
    written,
)

_TREE = Mapping(
    {
        "name": Entry(Mark(1, 1), Scalar("x", Mark(1, 7))),
        "list": Entry(
            Mark(2, 1),
            Sequence((Scalar(1, Mark(3, 3)), Mapping({}, Mark(4, 5))), Mark(3, 1)),
        ),
        "bad": Entry(Mark(5, 1), Broken(Mark(5, 6))),
    },
    Mark(1, 1),
)


@pytest.mark.parametrize(
    ("path", "at_key", "mark"),
    [
        ((), False, Mark(1, 1)),
        (("name",), False, Mark(1, 7)),
        (("name",), True, Mark(1, 1)),
        (("list",), False, Mark(2, 1)),
        (("list", 0), False, Mark(3, 3)),
        (("list", 1, "missing"), False, Mark(4, 5)),
        (("list", 9), False, Mark(2, 1)),
        (("missing", "below"), False, Mark(1, 1)),
        (("bad",), False, None),
        (("bad", "below"), True, None),
    ],
)
def test_place_of_a_path_is_its_nearest_part(path: Path, at_key: bool, mark: Mark | None) -> None:
    """Scalars are pointed at themselves, the rest at its key, what is missing at its parent, and
    what was reported already at nothing."""
    assert locate(_TREE, path, at_key=at_key) == mark


def test_plain_tree_is_made_of_dicts_and_lists() -> None:
    """The checks see ordinary values."""
    assert plain(_TREE) == {"name": "x", "list": [1, {}], "bad": None}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("server", "limits"), "server.limits"),
        (("targets", "openai/gpt-4o", "price"), "targets[openai/gpt-4o].price"),
        (("routes", "auto", "targets", 0), "routes.auto.targets[0]"),
        (("a\x1b[31m",), "[a\\x1b[31m]"),
        (("k" * 70,), "[" + "k" * 60 + "…]"),
    ],
)
def test_path_is_written_as_people_write_it(path: Path, text: str) -> None:
    """Paths stay short, on one line and free of control characters."""
    assert written(path) == text


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (("name", 0), ("name",)),  # a single value where a list may stand
        (("list", 0), ("list", 0)),
        (("list", 1), ("list", 1)),
        (("list", 1, 0), ("list", 1)),
        (("list", 9, 0), ("list", 9)),
        (("bad", 0), ("bad",)),
        (("none", 0), ("none",)),
        (("name",), ("name",)),
        ((), ()),
    ],
)
def test_position_is_named_where_there_is_a_list(path: Path, meant: Path) -> None:
    """Who wrote one value is not told of a list that the file does not have."""
    assert as_written(_TREE, path) == meant
