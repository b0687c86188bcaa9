"""Which Python is chosen, what the soak's slope is, whose connections are whose."""

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from loadtest.bench import _names_of
from loadtest.interpreter import Interpreter, quickest, words_of
from loadtest.sections import _row_plans
from loadtest.soak import Sample, slope_kb_per_min
from loadtest.sockets import established_inodes
from loadtest.workers import workers_among


def a_python(trial_s: float, version: tuple[int, int, int] = (3, 11, 2)) -> Interpreter:
    """A Python at a path of its own."""
    return Interpreter(Path(f"/{version}/{trial_s}"), version, trial_s)


def test_quickest_suitable_python_is_chosen() -> None:
    """A Python that the gateway is not tested on is never chosen, however quick."""
    here, quick, newer = a_python(0.02), a_python(0.01), a_python(0.005, (3, 13, 0))

    assert quickest([here, quick, newer], otherwise=here) is quick


def test_python_that_is_as_quick_as_any_stays() -> None:
    """Noise of a few percent decides nothing."""
    here = a_python(0.0102)

    assert quickest([here, a_python(0.01)], otherwise=here) is here
    assert quickest([], otherwise=here) is here


def test_unsuitable_python_gives_way_to_a_slower_one() -> None:
    """What runs the bench need not be what is measured."""
    here, suitable = a_python(0.01, (3, 13, 0)), a_python(0.02)

    assert quickest([here, suitable], otherwise=here) is suitable


def test_page_names_version_and_ratio_but_no_path() -> None:
    """A path belongs to one machine."""
    here, quick = a_python(0.024, (3, 11, 7)), a_python(0.01)

    assert words_of(here, here) == "CPython 3.11.7"
    words = words_of(quick, here)
    assert words == "CPython 3.11.2, 2.40 x as quick as the one that runs the bench"


def test_slope_is_that_of_the_second_half() -> None:
    """Growth while it warms up is no leak; steady growth is, whatever the noise around it."""
    warm = [Sample(at, 1000 * at) for at in range(50)]
    leaking = [Sample(at, 50_000 + 2 * at + (at % 2)) for at in range(50, 101)]

    slope = slope_kb_per_min([*warm, *leaking])

    assert slope == pytest.approx(120, abs=1)


def test_slope_of_too_few_samples_is_not_told() -> None:
    """Two points make any line."""
    assert slope_kb_per_min([]) is None
    assert slope_kb_per_min([Sample(0, 1), Sample(1, 2)]) is None


def test_connections_are_those_accepted_on_the_port() -> None:
    """Neither the listener, nor the client's end, nor what is closing counts."""
    head = "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode"
    rest = "00000000:00000000 00:00000000 00000000 0 0"
    table = "\n".join(
        [
            head,
            f" 0: 0100007F:1F90 00000000:0000 0A {rest} 1 1 x",
            f" 1: 0100007F:1F90 0100007F:C000 01 {rest} 2 1 x",
            f" 2: 0100007F:C000 0100007F:1F90 01 {rest} 3 1 x",
            f" 3: 0100007F:1F90 0100007F:C001 06 {rest} 4 1 x",
        ]
    )

    assert established_inodes(table, 8080) == {"2"}


def test_workers_are_the_parents_children() -> None:
    """One worker is the process itself; several are kept by a parent that serves nobody."""
    assert workers_among((7, 8), 1) == (7,)
    assert workers_among((7, 8, 9), 2) == (8, 9)


def test_rows_that_sections_ask_for() -> None:
    """TLS rows are rows of their own, and the floor knows nothing of streams."""
    plans = list(_row_plans(["plain", "chunks", "tls"], ["envoy", "litellm", "floor"]))

    assert plans == [
        ("envoy", False, ("plain", "chunks")),
        ("litellm", False, ("plain", "chunks")),
        ("floor", False, ("plain",)),
        ("envoy tls", True, ("plain", "chunks")),
    ]
    assert list(_row_plans(["curve"], ["envoy"])) == []
    assert list(_row_plans(["memory"], ["floor"])) == []


def test_names_keep_their_own_order_and_unknown_ones_are_refused() -> None:
    """A misspelt section is told, not skipped."""
    names = _names_of(("plain", "chunks", "curve"), "section")

    assert names("curve,plain") == ("plain", "curve")
    with pytest.raises(ArgumentTypeError, match="no such section: plan"):
        names("plan")
