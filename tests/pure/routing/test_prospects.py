"""What can be said of a route's targets before a request comes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.catalog import Capability, Endpoint, Target
from proxy.domain.decision import Reason
from proxy.domain.labels import Workload
from proxy.domain.rules import Ruling, Strategy
from proxy.domain.standing import Breaker, History, Standing
from proxy.domain.usage import BYTES_PER_TOKEN
from proxy.routing.prospects import (
    NEUTRAL,
    PRIOR_ERROR_RATE,
    Board,
    board_for,
    board_of,
    mark_of,
    quality_of,
    reliability_of,
)
from proxy.routing.weights import weights_of
from tests.builders import a_route, a_snapshot, a_standing, a_target, some_facts

WEIGHTS = weights_of(some_facts(), Ruling(), a_route(), Strategy.SCORE)
shares = st.floats(0, 1)


def a_board(*targets: Target, standings: Any = None, histories: Any = None, **facts: Any) -> Board:
    """The board of a route of *targets*."""
    route = a_route(*targets)
    snapshot = a_snapshot(route, standings=standings or {}, histories=histories or {})
    return board_for(route, some_facts(**facts), WEIGHTS, snapshot)


def test_board_is_worked_out_once_a_snapshot() -> None:
    """The same object comes back for requests of the same kind; a new snapshot begins anew."""
    route = a_route()
    snapshot = a_snapshot(route)

    first = board_of(some_facts(), route, WEIGHTS, snapshot)

    assert board_of(some_facts(prompt_bytes=9), route, WEIGHTS, snapshot) is first
    assert board_of(some_facts(stream=True), route, WEIGHTS, replace(snapshot)) is not first
    code = some_facts(workload=Workload.CODE)
    assert board_of(code, route, WEIGHTS, snapshot) is not first


def test_route_that_is_not_the_snapshots_is_not_remembered() -> None:
    """Other targets under the same name must not be taken for the route's own."""
    route, other = a_route(a_target("a/m")), a_route(a_target("b/m"))
    snapshot = a_snapshot(route)

    found = board_of(some_facts(), other, WEIGHTS, snapshot)

    assert [each.id for each in found.standing] == ["b/m"]
    assert [each.id for each in board_of(some_facts(), route, WEIGHTS, snapshot).standing] == [
        "a/m"
    ]


def test_board_parts_its_prospects() -> None:
    """Those that may be called, those that rest, and those that cannot, each with its reason."""
    board = a_board(
        a_target("well/m"),
        a_target("broken/m"),
        a_target("half/m"),
        a_target("unable/m", capabilities=frozenset()),
        standings={
            "broken/m": Standing(Breaker.OPEN),
            "half/m": Standing(Breaker.HALF_OPEN),
        },
        needs=frozenset({Capability.TOOLS}),
    )

    assert [each.id for each in board.prospects] == ["well/m", "broken/m", "half/m", "unable/m"]
    assert [each.id for each in board.standing] == ["well/m", "half/m"]
    assert [each.id for each in board.broken] == ["broken/m"]
    assert [(each.target_id, each.reason) for each in board.rejected] == [
        ("broken/m", Reason.BREAKER_OPEN),
        ("unable/m", Reason.MISSING_CAPABILITY),
    ]
    assert board.half_open


def test_broken_ones_are_not_left_out_where_nobody_stands() -> None:
    """Then they are all there is."""
    board = a_board(a_target(), standings={"first/m": Standing(Breaker.OPEN)})

    assert (board.standing, board.rejected) == ((), ())
    assert not board.half_open


def test_one_space_of_vectors_is_kept() -> None:
    """What is of another space, or serves something else, cannot serve; the rest can do it all."""
    able = frozenset({Capability.TOOLS})
    board = a_board(
        a_target("t/m", embedding_space="t"),
        a_target("s/m", embedding_space="s", capabilities=able),
        a_target("chat/m"),
        endpoint=Endpoint.EMBEDDINGS,
        needs=able,
    )

    assert [each.id for each in board.standing] == ["s/m"]
    assert [each.reason for each in board.rejected] == [
        Reason.OTHER_EMBEDDING_SPACE,
        Reason.WRONG_ENDPOINT,
    ]


@pytest.mark.parametrize(
    ("windows", "least"), [([None], None), ([500, None, 300], 300), ([], None)]
)
def test_least_window_is_of_those_that_state_one(
    windows: list[int | None], least: int | None
) -> None:
    """Targets that cannot serve at all do not count, nor embeddings, whose inputs are many."""
    targets = [
        a_target(f"t{at}/m", context_window_tokens=window) for at, window in enumerate(windows)
    ]
    no_chat = a_target("e/m", context_window_tokens=1, embedding_space="s")

    assert a_board(*targets, no_chat).least_window_tokens == least
    embedding = a_board(no_chat, endpoint=Endpoint.EMBEDDINGS)
    assert embedding.least_window_tokens is None


def test_unknown_target_is_neutral() -> None:
    """Neither good nor bad: no times, the default ratio, middling terms."""
    (found,) = a_board(a_target(price=None)).prospects

    assert (found.first_token_ms, found.first_token_p95_ms, found.ms_per_token) == (None,) * 3
    assert (found.bytes_per_token, found.calibrated) == (BYTES_PER_TOKEN, False)
    assert (found.quality, found.headroom) == (NEUTRAL, NEUTRAL)
    assert found.reliability == 1 - PRIOR_ERROR_RATE
    assert found.tariff is None


def test_known_target_has_its_figures() -> None:
    """Times, ratio and terms are those of its standing; retries are in its rates."""
    standing = a_standing(bytes_per_token=3.5, tokens_per_s=50.0, attempts_per_success=2.0)
    (found,) = a_board(a_target(), standings={"first/m": standing}).prospects

    assert (found.first_token_ms, found.first_token_p95_ms) == (400.0, 900.0)
    assert (found.ms_per_token, found.headroom) == (20.0, 0.8)
    assert (found.bytes_per_token, found.calibrated) == (3.5, True)
    assert found.tariff is not None
    assert found.tariff.rates.input == 10**9 * 2000
    assert found.settled == pytest.approx(
        WEIGHTS[2] * found.reliability + WEIGHTS[3] * found.quality + WEIGHTS[4] * found.headroom
    )


def test_history_stands_in_for_unknown_retries() -> None:
    """Those of the route and workload, where the target has no figure of its own."""
    histories = {("auto", Workload.CHAT): History(attempts_per_success=1.5)}
    (found,) = a_board(a_target(), histories=histories).prospects

    assert found.tariff is not None
    assert found.tariff.rates.output == 2 * 10**9 * 1500


@pytest.mark.parametrize(
    ("rate", "samples", "reliability"),
    [(None, 0, 0.98), (0.0, 0, 0.98), (0.5, 20, 0.74), (1.0, 10**9, 0.0), (0.0, 10**9, 1.0)],
)
def test_reliability_leans_on_its_samples(
    rate: float | None, samples: int, reliability: float
) -> None:
    """A few bad calls say little, many say all."""
    found = reliability_of(Standing(error_rate=rate, samples=samples))

    assert found == pytest.approx(reliability, abs=1e-6)


@pytest.mark.parametrize(
    ("configured", "live", "quality"),
    [
        ({}, {}, NEUTRAL),
        ({"chat": 0.7}, {}, 0.7),
        ({"default": 0.6, "code": 0.9}, {}, 0.6),
        ({"chat": 0.7}, {Workload.CHAT: -0.2}, 0.5),
        ({"chat": 0.7}, {Workload.CODE: -0.2}, 0.7),
        ({"chat": 0.9}, {Workload.CHAT: 0.5}, 1.0),
        ({}, {Workload.CHAT: -0.9}, 0.0),
    ],
)
def test_quality_is_configured_and_corrected(
    configured: dict[str, float], live: dict[Workload, float], quality: float
) -> None:
    """By workload, by what its answers were like, never beyond the scale."""
    target = a_target(quality=configured)

    found = quality_of(target, Workload.CHAT, Standing(quality=live))

    assert found == pytest.approx(quality)


@given(shares, shares, st.integers(0, 10**6))
def test_more_errors_are_never_more_reliable(one: float, other: float, samples: int) -> None:
    """At the same number of samples."""
    better, worse = sorted((one, other))

    high = reliability_of(Standing(error_rate=better, samples=samples))
    low = reliability_of(Standing(error_rate=worse, samples=samples))

    assert 0 <= low <= high <= 1


def test_mark_is_the_same_everywhere() -> None:
    """Written down once, so that no process and no version of Python has another."""
    assert mark_of("first/m") == 13432563291865720769
    assert mark_of("first/m") != mark_of("second/m")
    assert 0 <= mark_of("") < 1 << 64
