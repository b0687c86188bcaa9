"""Candidates in the order in which they are tried, and load spread over near-equals."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.catalog import Target, Tier
from proxy.domain.labels import Risk
from proxy.domain.rules import Attribute, Match, Ruling, Strategy
from proxy.domain.standing import Breaker, Standing
from proxy.routing.cost import MIN_CACHED_BYTES
from proxy.routing.order import PREFIX_LANES, PROBE_SHARE, in_order, key_of, uniform
from proxy.routing.prospects import board_for
from proxy.routing.score import ask_of, weigh
from proxy.routing.weights import PRESETS, Vector, weights_of
from tests.builders import a_route, a_snapshot, a_standing, a_target, some_facts

EVEN = a_standing()
MARGIN = 0.03
DRAWS = [at / 1000 for at in range(1000)]
HALF_OPEN = Standing(Breaker.HALF_OPEN)


def order(
    *targets: Target,
    standings: dict[str, Standing] | None = None,
    prefer: tuple[Match, ...] = (),
    margin: float | None = MARGIN,
    **fields: Any,
) -> list[str]:
    """The ids of *targets* in the order in which they are tried."""
    facts, route = some_facts(**fields), a_route(*targets)
    weights = weights_of(facts, Ruling(), route, Strategy.SCORE)
    known = {target.id: EVEN for target in targets} | (standings or {})
    board = board_for(route, facts, weights, a_snapshot(route, standings=known))
    candidates = weigh(board.standing, ask_of(facts, Ruling(), None, weights), throttled=False)
    ranked = in_order(candidates, board.standing, facts, prefer, margin=margin, grouped=True)
    return [candidate.target.id for _, _, _, candidate, _ in ranked]


def firsts(*targets: Target, **fields: Any) -> Counter[str]:
    """How often each of *targets* comes first in a thousand draws."""
    return Counter(order(*targets, draw=draw, **fields)[0] for draw in DRAWS)


EQUALS = [a_target(f"{name}/m") for name in "abcd"]


def test_without_a_margin_the_route_gives_the_order() -> None:
    """The score is no matter, nor is the draw."""
    targets = (a_target("b/m", quality={"chat": 0.0}), a_target("a/m", quality={"chat": 1.0}))

    assert {tuple(order(*targets, margin=None, draw=draw)) for draw in DRAWS[::50]} == {
        ("b/m", "a/m")
    }


def test_better_one_comes_first_where_none_is_near() -> None:
    """Beyond the margin the draw decides nothing."""
    targets = (a_target("a/m", quality={"chat": 0.1}), a_target("b/m", quality={"chat": 0.9}))

    assert firsts(*targets) == {"b/m": 1000}


def test_load_spreads_evenly_over_equals() -> None:
    """A quarter each, within what chance may do."""
    counts = firsts(*EQUALS)

    assert set(counts) == {target.id for target in EQUALS}
    assert all(200 <= count <= 300 for count in counts.values())


def test_what_comes_second_is_spread_too() -> None:
    """If one of four fails, its load does not fall on one other."""
    seconds = Counter(ids[1] for draw in DRAWS if (ids := order(*EQUALS, draw=draw))[0] == "a/m")

    assert set(seconds) == {"b/m", "c/m", "d/m"}
    assert min(seconds.values()) > 0.2 * sum(seconds.values())


def test_share_shrinks_towards_the_margin() -> None:
    """No cliff: who falls behind gets less and less, then nothing."""
    weight_of_quality = weights_of(some_facts(), Ruling(), a_route(), Strategy.SCORE)[3]
    shares = []
    for behind in (0.0, 0.3, 0.6, 0.9, 1.1):
        worse = a_target("a/m", quality={"chat": 0.9 - behind * MARGIN / weight_of_quality})
        best = a_target("b/m", quality={"chat": 0.9})
        shares.append(firsts(worse, best)["a/m"])

    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 400
    assert 0 < shares[3] < 130
    assert shares[4] == 0


def test_headroom_weighs_among_equals() -> None:
    """Who has little left gets little; who has nothing left still gets a trickle."""
    weights: Vector = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    facts = some_facts()
    route = a_route(*EQUALS[:2])
    standings = {"a/m": a_standing(headroom=0.0), "b/m": a_standing(headroom=1.0)}
    board = board_for(route, facts, weights, a_snapshot(route, standings=standings))
    counts: Counter[str] = Counter()
    for draw in DRAWS:
        asked = some_facts(draw=draw)
        candidates = weigh(board.standing, ask_of(asked, Ruling(), None, weights), throttled=False)
        ranked = in_order(candidates, board.standing, asked, (), margin=MARGIN, grouped=False)
        counts[ranked[0][3].target.id] += 1

    assert 20 <= counts["a/m"] <= 80


def test_session_stays() -> None:
    """Whatever the draw, and many sessions spread."""
    for session in ("one", "two"):
        assert len({order(*EQUALS, session=session, draw=draw)[0] for draw in DRAWS[::20]}) == 1
    homes = Counter(order(*EQUALS, session=f"s{at}")[0] for at in range(400))
    assert min(homes[target.id] for target in EQUALS) > 60


def test_session_moves_only_when_its_target_goes() -> None:
    """Losing one target moves the sessions that it had, and no other."""
    for at in range(100):
        home = order(*EQUALS, session=f"s{at}")[0]
        without_last = order(*EQUALS[:3], session=f"s{at}")[0]
        assert without_last == home or home == "d/m"


def test_money_keeps_a_session_within_reach() -> None:
    """A target that would save by its cache is near-equal though it is otherwise behind."""
    plain = a_target("a/m", quality={"chat": 0.5})
    caching = a_target(
        "b/m",
        quality={"chat": 0.3},
        price=plain.price and type(plain.price)(10**9, 2 * 10**9, 10**8),
    )
    asked: dict[str, Any] = {"prompt_bytes": 100_000, "turns": 10}

    assert order(plain, caching, **asked)[0] == "a/m"
    assert order(plain, caching, session="s", **asked)[0] == "b/m"


def test_key_is_session_then_long_prefix_then_draw() -> None:
    """A short prefix is kept by no cache, so it binds nothing."""
    long = MIN_CACHED_BYTES
    session = key_of(some_facts(session="s", prefix="p", prompt_bytes=long))
    prefix = key_of(some_facts(prefix="p", prompt_bytes=long))

    assert session == key_of(some_facts(session="s", draw=0.9))
    assert prefix == key_of(some_facts(prefix="p", prompt_bytes=long, draw=0.3))
    assert key_of(some_facts(prefix="p", prompt_bytes=long - 1, draw=0.5)) == 1 << 52
    assert key_of(some_facts(draw=0.5)) == 1 << 52


def test_prefix_keeps_to_a_few_targets() -> None:
    """Not to one: a whole application may share it."""
    many = [a_target(f"t{at}/m") for at in range(20)]
    homes = firsts(*many, prefix="p", prompt_bytes=MIN_CACHED_BYTES)

    assert 1 < len(homes) <= PREFIX_LANES
    assert max(homes.values()) <= 500


def test_preferred_ones_come_first_in_their_order() -> None:
    """Then the rest, ranked as the strategy ranks them."""
    targets = [
        a_target("a/m"),
        a_target("b/m", tier=Tier.ECONOMY),
        a_target("c/m", tier=Tier.PREMIUM),
    ]
    prefer = (
        Match(Attribute.TIER, frozenset({"premium"})),
        Match(Attribute.TARGET, frozenset({"b/m"})),
    )

    assert order(*targets, prefer=prefer) == ["c/m", "b/m", "a/m"]
    assert order(*targets, prefer=prefer, margin=None) == ["c/m", "b/m", "a/m"]


def test_probably_too_small_window_comes_behind() -> None:
    """It may fit, so it is not ruled out; the limit of the answer counts too."""
    small, large = a_target("a/m", context_window_tokens=1000), a_target("b/m")

    assert order(small, large, margin=None, prompt_bytes=3600)[0] == "a/m"
    assert order(small, large, margin=None, prompt_bytes=4000)[0] == "b/m"
    assert order(small, large, margin=None, prompt_bytes=3600, max_output_tokens=200)[0] == "b/m"


def test_half_open_target_gets_probes_only() -> None:
    """It stands last, but for a small share of requests that try it first."""
    targets, standings = EQUALS[:2], {"a/m": HALF_OPEN}
    for margin in (None, MARGIN):
        first = Counter(
            order(*targets, standings=standings, margin=margin, draw=draw)[0] for draw in DRAWS
        )
        assert 0 < first["a/m"] <= 3 * PROBE_SHARE * 1000
        assert first["b/m"] == 1000 - first["a/m"]


def test_much_at_risk_is_no_probe() -> None:
    """A request whose failure would matter does not try out a target."""
    counts = firsts(*EQUALS[:2], standings={"a/m": HALF_OPEN}, risk=Risk.HIGH)

    assert counts == {"b/m": 1000}


def test_nobody_in_order_is_nobody() -> None:
    """No candidate, no ranking."""
    assert in_order([], [], some_facts(), (), margin=MARGIN, grouped=False) == []


@pytest.mark.parametrize("strategy", Strategy)
def test_margin_of_a_strategy_is_small(strategy: Strategy) -> None:
    """A near-equal is near."""
    margin = PRESETS[strategy].margin
    assert margin is None or 0 < margin <= 0.05


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_drawn_number_is_in_range(key: int, mark: int) -> None:
    """Above 0, so that it has a logarithm, and at most 1."""
    assert 0 < uniform(key, mark) <= 1


def test_drawn_numbers_look_drawn() -> None:
    """Neighbouring keys and marks fall evenly into tenths."""
    for numbers in (
        [uniform(at, 12345) for at in range(5000)],
        [uniform(12345, at) for at in range(5000)],
    ):
        tenths = Counter(int(number * 10) for number in numbers)
        assert all(400 <= tenths[tenth] <= 600 for tenth in range(10))
