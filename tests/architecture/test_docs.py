"""What a user can meet is described: every error code, metric, config key and command."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from typer.main import get_command

from proxy.cli.main import app
from proxy.config.policy_spec import PolicySpec, RangeSpec
from proxy.config.schema import ENTRIES, ConfigSpec
from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.usage import Evidence
from proxy.errors import CATALOGUE, Side
from proxy.telemetry import series
from proxy.telemetry.metrics import ANSWERED, TOKEN_CLASSES
from proxy.telemetry.paths import ENDPOINTS, OTHER
from tests.architecture.trees import ROOT, name_of

DOCS = sorted(ROOT.glob("docs/**/*.md"))
SECTION_OF_SIDE = {
    Side.REQUEST: "## The request itself",
    Side.GATEWAY: "## Pointsman's limits and state",
    Side.PROVIDER: "## The providers",
}


def text_of(name: str) -> str:
    """The page *name* of docs/."""
    return (ROOT / "docs" / name).read_text("utf-8")


def rows_of(text: str) -> list[list[str]]:
    """The rows of every table in *text*, cell by cell."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def words_in(cell: str) -> set[str]:
    """What stands in code quotes in *cell*."""
    return set(re.findall(r"`([^`]+)`", cell))


@pytest.mark.parametrize("side", Side)
def test_error_page_has_the_catalogue(side: Side) -> None:
    """Each code stands once, with its status, in the section of who refused; and no other."""
    _, found, rest = text_of("errors.md").partition(SECTION_OF_SIDE[side] + "\n")
    assert found
    rows = [row for row in rows_of(rest.partition("\n## ")[0]) if row[0].startswith("`")]

    documented = sorted((row[0].strip("`"), int(row[1])) for row in rows)

    assert documented == sorted(
        (code, kind.status) for code, kind in CATALOGUE.items() if kind.side is side
    )


def test_error_page_names_every_type() -> None:
    """Every `type` that an error can bear is explained."""
    explained = set().union(*(words_in(row[0]) for row in rows_of(text_of("errors.md"))))

    assert {kind.type for kind in CATALOGUE.values()} <= explained


def test_metrics_page_has_every_metric_with_its_labels() -> None:
    """Each metric stands in the table with its kind and labels; and no other."""
    kinds = {series.Count: "counter", series.Level: "gauge", series.Spread: "histogram"}
    rows = [row for row in rows_of(text_of("metrics.md")) if row[0].startswith("`pointsman_")]

    documented = {row[0].strip("`"): (row[1], words_in(row[2])) for row in rows}

    assert documented == {one.name: (kinds[type(one)], set(one.labels)) for one in series.ALL}


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("endpoint", ENDPOINTS | {OTHER}),
        ("stream", {"yes", "no"}),
        ("ending", set(Ending)),
        ("outcome", {ANSWERED, *FailureKind}),
        ("class", set(TOKEN_CLASSES)),
        ("evidence", set(Evidence)),
    ],
)
def test_metrics_page_has_every_value_of_a_closed_label(label: str, values: set[str]) -> None:
    """The values that a label can have are listed, all of them and no others."""
    (cell,) = [row[1] for row in rows_of(text_of("metrics.md")) if row[0] == f"`{label}`"]

    assert words_in(cell) == {str(value) for value in values}


def keys_below(
    spec: type[BaseModel], path: str, explained: frozenset[type[BaseModel]] = frozenset()
) -> Iterator[str]:
    """The whole path of every key below *spec* that holds a value, or what was *explained*."""
    explained |= {spec}
    for name, field in spec.model_fields.items():
        key = f"{path}.{field.alias or name}" if path else field.alias or name
        kinds = [field.annotation, *get_args(field.annotation)]
        nested = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if key == "policies" or explained & set(nested):
            yield key
        elif key in ENTRIES:
            yield from keys_below(ENTRIES[key], f"{key}.ID")
        elif nested:
            yield from keys_below(nested[0], key, explained)
            explained |= {nested[0]}
        else:
            yield key


def test_config_page_has_every_key() -> None:
    """Each key that a config may have stands in the reference; and no other."""
    rows = [row for row in rows_of(text_of("config.md")) if row[0].startswith("`")]

    assert sorted(row[0].strip("`") for row in rows) == sorted(keys_below(ConfigSpec, ""))


def test_policies_page_has_every_key() -> None:
    """Each key that a policy may have stands in the tables, numbers and a second mention of the
    same kind without what is below; and no other.
    """
    sections = text_of("policies.md").split("\n## ")
    tables = [part for part in sections if part.startswith(("A policy", "What targets", "When"))]
    rows = [row for part in tables for row in rows_of(part) if row[0].startswith("`")]

    documented = sorted(row[0].strip("`") for row in rows)

    # What is required and what is forbidden are the same words, so they have a table for both.
    assert documented == sorted(["require", *keys_below(PolicySpec, "", frozenset({RangeSpec}))])


def test_config_page_states_the_defaults() -> None:
    """A number that stands as a default in the reference is the default."""
    defaults = {}
    for row in rows_of(text_of("config.md")):
        if re.fullmatch(r"[0-9]+", row[1]):
            defaults[row[0].strip("`")] = float(row[1])

    for key, documented in defaults.items():
        assert default_of(key) == documented, key


def default_of(key: str) -> object:
    """What *key* is where a config does not say it, or not more of its section than is required."""
    section, *steps = key.replace(".ID.", ".").split(".")
    spec: type[BaseModel] = ENTRIES.get(section) or ConfigSpec
    *path, last = steps if section in ENTRIES else [section, *steps]
    for step in path:
        annotation = spec.model_fields[step].annotation
        (spec,) = (
            kind
            for kind in (annotation, *get_args(annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
    return spec.model_fields[last].default


def commands() -> Iterator[tuple[str, set[str]]]:
    """Every verb as it is typed, with its options."""
    waiting = [("pointsman", get_command(app))]
    while waiting:
        path, command = waiting.pop()
        below = getattr(command, "commands", {})
        waiting.extend((f"{path} {name}", verb) for name, verb in below.items())
        if not below:
            options = {opt for param in command.params for opt in param.opts if opt[0] == "-"}
            yield path, options


@pytest.mark.parametrize(("verb", "options"), sorted(commands()))
def test_command_page_has_every_verb_and_option(verb: str, options: set[str]) -> None:
    """Each verb has its section, with a row for each of its options."""
    sections = re.split(r"^## ", text_of("cli.md"), flags=re.MULTILINE)
    (section,) = [part for part in sections if re.match(rf"`{verb}[ `]", part)]
    documented = set().union(*(words_in(row[0]) for row in rows_of(section)))

    assert {word for word in documented if word[0] == "-"} == options


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of this repository leads to a file that is there."""
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_name_modules_that_exist() -> None:
    """A module that a page names by its path is there, so that a rename reaches the docs."""
    named = {
        path
        for page in [ROOT / "README.md", *DOCS]
        for path in re.findall(r"`(proxy/[a-z0-9_/]+(?:\.py)?/?)`", page.read_text("utf-8"))
    }

    assert [
        path
        for path in sorted(named)
        if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()
    ] == []
