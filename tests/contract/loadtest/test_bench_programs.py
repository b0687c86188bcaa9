"""What the benchmark starts and measures, with the Python of the tests and for seconds only."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.environments import Pythons
from loadtest.gateway import pointsman
from loadtest.measure import pick_cores
from loadtest.partsheet import parts_of
from loadtest.proxies import floor
from loadtest.rounds import QUICK, plain_cpu
from loadtest.soak import soak
from loadtest.stage import Grounds, a_stage
from loadtest.workers import COUNTS, _spread

pytestmark = pytest.mark.slow


@pytest.fixture
def grounds() -> Iterator[Grounds]:
    """A folder with a short path, as the run itself makes one."""
    python = Path(sys.executable)
    with tempfile.TemporaryDirectory(prefix="pmb-") as folder:
        yield Grounds(pick_cores(), Path(folder), Pythons(python, python, "CPython"))


def test_floor_and_gateway_answer_every_call(grounds: Grounds) -> None:
    """What is compared answers what it is sent: a figure without answers would be a lie."""
    with a_stage(grounds) as stage:
        for start in (floor, pointsman):
            with start(stage) as target:
                load, cost_us = plain_cpu(target, connections=4, seconds=1)
                assert load.errors == 0
                assert load.requests > 0
                assert cost_us is not None


def test_gateway_verifies_the_upstream_that_it_speaks_tls_with(grounds: Grounds) -> None:
    """Calls go through TLS that is checked against the run's own authority."""
    with a_stage(grounds, tls=True) as stage, pointsman(stage) as target:
        load, _ = plain_cpu(target, connections=2, seconds=1)

    assert target.name == "pointsman tls"
    assert load.errors == 0
    assert load.requests > 0


def test_short_soak_counts_calls_streams_and_memory(grounds: Grounds) -> None:
    """The soak in a few seconds is the soak: no errors, and a slope."""
    with a_stage(grounds) as stage, pointsman(stage) as target:
        (line,) = soak(target, QUICK, 3).sheet.as_json()

    assert line["errors"] == 0
    assert isinstance(line["KB/min, second half"], float)
    for name in ("plain calls", "streams", "MB at start", "MB at the end"):
        figure = line[name]
        assert isinstance(figure, float)
        assert figure > 0


def test_every_part_runs(grounds: Grounds) -> None:
    """The gateway's functions are called as they are: one that changed shows here."""
    with a_stage(grounds) as stage:
        found = parts_of(stage, calls=32)

    assert len(found) == 16
    assert {name: cost for name, cost in found.items() if isinstance(cost, str)} == {}
    assert all(cost.instructions > 0 for cost in found.values() if not isinstance(cost, str))


def test_workers_all_hold_connections(grounds: Grounds) -> None:
    """Each worker is found, with what it holds and what it used."""
    count = COUNTS[1]
    with a_stage(grounds) as stage:
        spread = _spread(stage, QUICK, count, grounds.cores.allowed)

    assert spread.load.errors == 0
    assert len(spread.connections) == len(spread.cpu_s) == count
    assert sum(spread.connections) > 0
