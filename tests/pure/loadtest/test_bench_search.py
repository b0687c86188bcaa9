"""Finding how much a program bears, from few and noisy measurements."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.search import highest_rates, largest_count

INFINITY = float("inf")


def a_program(capacity: float, calls: list[float]) -> Callable[[float], float]:
    """p99 in ms of a queue that holds *capacity* a second."""

    def probe(load: float) -> float:
        calls.append(load)
        return INFINITY if load >= capacity else 0.2 / (1 - load / capacity)

    return probe


@given(st.floats(600, 50_000))
def test_rates_are_found_to_a_tenth(capacity: float) -> None:
    """Each found rate is within its bound, and a tenth more is not."""
    calls: list[float] = []
    probe = a_program(capacity, calls)

    rates = highest_rates(probe, (1.0, 50.0), start=capacity / 5, most=capacity * 2)

    assert len(calls) == len(set(calls)) <= 16
    for bound, rate in rates.items():
        assert rate is not None
        assert probe(rate) <= bound < probe(rate * 1.11)


def test_bound_that_no_rate_keeps_is_not_found() -> None:
    """A program that is slow even when idle has no rate at the shortest tail."""
    rates = highest_rates(lambda _: 3.0, (1.0, 5.0), start=100, most=400)

    assert rates == {5.0: 337.5, 1.0: None} or rates[1.0] is None
    assert rates[5.0] is not None


def test_one_hiccup_ends_no_search() -> None:
    """A load that failed below one that went well was the machine's mood."""
    hiccup = {100.0}

    def probe(load: float) -> float:
        return 99.0 if load in hiccup else 0.5 if load < 500 else INFINITY

    (rate,) = highest_rates(probe, (1.0,), start=100.0, most=2000.0).values()

    assert rate is not None
    assert 450 < rate < 500


@pytest.mark.parametrize("capacity", [0, 40, 150, 400, 430, 625, 1199, 1200, 5000])
def test_largest_count_is_the_last_that_holds(capacity: int) -> None:
    """Found by coarse steps and then fine ones, from below or above the start."""
    tried: list[int] = []

    def holds(count: int) -> bool:
        tried.append(count)
        return count <= capacity

    found = largest_count(holds, start=400, step=200, fine=50, most=1200)

    assert found == min(capacity // 50 * 50, 1200)
    assert max(tried) <= 1200
