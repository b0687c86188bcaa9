"""Stored decisions are decided alike, for ever."""

import json
from pathlib import Path

import pytest

from proxy.routing.decide import choose
from proxy.routing.stored import restored, world_of
from tests.golden.worlds import CASES, FOLDER, config_of

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stored_decision_is_made_again(path: Path) -> None:
    """From the file alone: the same candidates, figures, rejections, to the last digit."""
    kept = json.loads(path.read_text("utf-8"))
    config = config_of(kept["config"])

    found = restored(kept["stored"], config)
    world = world_of(found, config)
    again = choose(world.routes["auto"], found.decision.ruling, found.facts, world)

    assert again == found.decision
    assert again.reason == kept["reason"]
    assert [each.target.id for each in again.ranking] == kept["ranked"]


@pytest.mark.parametrize("name", CASES)
def test_file_holds_what_its_case_decides(name: str) -> None:
    """A case that comes out otherwise is a change that somebody has to mean."""
    kept = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    facts, snapshot, ruling = CASES[name]

    found = restored(kept["stored"], config_of(kept["config"]))

    assert found.facts == facts
    assert found.decision == choose(snapshot.routes["auto"], ruling, facts, snapshot)


def test_every_file_has_its_case() -> None:
    """And none is left over."""
    assert {path.stem for path in FILES} == set(CASES)
