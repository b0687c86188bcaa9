"""The page on policy tests has every key that a test may have, and what it shows works."""

import re
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from proxy.policytests.load import read_tests
from proxy.policytests.spec import (
    CostSpec,
    DegradedSpec,
    FileSpec,
    LabelsSpec,
    RefusedSpec,
    RejectedSpec,
    StandingSpec,
    TestSpec,
)
from tests.architecture.trees import ROOT

PAGE = (ROOT / "docs" / "policy-tests.md").read_text("utf-8")

IN_ONE_ROW = (CostSpec, DegradedSpec, LabelsSpec, RefusedSpec, RejectedSpec)
"""What is told in the row of the key that holds it."""


def specs_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The specs that *annotation* speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from specs_in(inner)


def keys_below(spec: type[BaseModel], path: str = "") -> Iterator[str]:
    """The path of every key below *spec*."""
    for name, field in spec.model_fields.items():
        key = f"{path}{field.alias or name}"
        below = [each for each in specs_in(field.annotation) if each not in IN_ONE_ROW]
        if key == "tests" or not below or key.endswith(".price"):
            yield key
        else:
            yield from keys_below(below[0], f"{key}.ID." if StandingSpec in below else f"{key}.")


def test_page_has_every_key() -> None:
    """Those of a file, of a test, of the world and of what is expected; and no other."""
    rows = re.findall(r"^\| `([a-zA-Z0-9_.]+)` \|", PAGE, re.MULTILINE)
    documented = [row for row in rows if not row.startswith((".", "pointsman_"))]

    assert sorted(documented) == sorted([*keys_below(FileSpec), *keys_below(TestSpec)])


def test_page_names_every_label() -> None:
    """In the row of labels."""
    (row,) = re.findall(r"^\| `expect.labels` .*$", PAGE, re.MULTILINE)

    assert set(re.findall(r"`([a-z_]+)`", row)) == set(LabelsSpec.model_fields)


def test_example_of_the_page_is_sound() -> None:
    """It can be copied."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    _, spec = read_tests(example.encode(), "policy-tests.md")

    assert len(spec.tests) == 2
