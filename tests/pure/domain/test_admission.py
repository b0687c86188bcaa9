"""What limits and budgets would allow: never more than they say, whatever happens."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.admission import (
    FOR_EVER_US,
    Admitted,
    Ask,
    Balance,
    Bid,
    Ledger,
    Limits,
    Purse,
    Rate,
    Refused,
    Status,
    Unit,
    Window,
    admit,
    expire,
    settle,
    void,
    window_at,
)

SECOND = 1_000_000
LEASE = 60 * SECOND
RPM = Rate("requests", 60, 60 * SECOND, 2)
TPM = Rate("tokens", 6000, 60 * SECOND, 1000)
DAY = Purse(
    "day", Unit.MONEY, 100, (Window(0, 1000 * SECOND), Window(1000 * SECOND, 2000 * SECOND))
)
TICKET = Purse("premium/ticket=1", Unit.CALLS, 1)
NONE = Limits()


def a_bid(nanousd: int = 40, *purses: Purse, tokens: int = 10) -> Bid:
    """A candidate that would reserve so much from *purses*, or the day's."""
    return Bid("first/m", nanousd, tokens, purses or (DAY,))


def an_ask(id_: str, *bids: Bid, **fields: Any) -> Ask:
    """An attempt with a chain of *bids*, or one."""
    return Ask(id_, bids or (a_bid(),), fields.pop("lease_us", LEASE), **fields)


def after(*asks: Ask, limits: Limits = NONE, now_us: int = 0) -> Ledger:
    """The ledger once *asks* were admitted."""
    ledger = Ledger()
    for ask in asks:
        ledger, found = admit(ledger, ask, limits, now_us)
        assert isinstance(found, Admitted)
    return ledger


def test_reserve_is_held_until_it_is_settled() -> None:
    """Then the true cost stands in its place."""
    ledger = after(an_ask("a"))
    assert ledger.balance("day", 0) == Balance(0, 40)
    assert ledger.running == 1

    settled = settle(ledger, "a", 25, 5, NONE)

    assert settled.balance("day", 0) == Balance(25, 0)
    assert settled.reservations["a"].status is Status.POSTED
    assert settled.running == 0


def test_budget_counts_what_is_reserved() -> None:
    """The third does not fit beside two pending ones; it may come back with the next window."""
    ledger = after(an_ask("a"), an_ask("b"))

    same, found = admit(ledger, an_ask("c"), NONE, 400 * SECOND - LEASE)
    later, then = admit(settle(ledger, "a", 1, 1, NONE), an_ask("c"), NONE, 1)

    assert found == Refused("day", 80, 100, 600 * SECOND + LEASE)
    assert "c" not in same.reservations
    assert then == Admitted(0, ())
    assert later.balance("day", 0) == Balance(1, 80)


def test_step_down_the_chain_is_one_move() -> None:
    """A premium cap that is used up leads to the next candidate; what refused is told."""
    chain = (a_bid(40, DAY, TICKET), a_bid(10))
    ledger = after(an_ask("a", *chain))

    ledger, found = admit(ledger, an_ask("b", *chain), NONE, 0)

    assert found == Admitted(1, (Refused(TICKET.key, 1, 1, None),))
    assert ledger.balance(TICKET.key, 0) == Balance(0, 1)
    assert ledger.balance("day", 0) == Balance(0, 50)


def test_refusal_is_the_one_that_ends_soonest() -> None:
    """Of a chain that is refused as a whole."""
    chain = (a_bid(999), a_bid(100), a_bid(1, TICKET))
    ledger = after(an_ask("a", a_bid(40, DAY, TICKET)))

    _, found = admit(ledger, an_ask("b", *chain), NONE, 0)

    assert found == Refused("day", 40, 100, 1000 * SECOND)
    _, hopeless = admit(ledger, an_ask("b", chain[0]), NONE, 0)
    assert hopeless == Refused("day", 40, 100, None)


def test_next_window_is_empty_and_the_old_one_keeps_its_own() -> None:
    """What was reserved before midnight is settled before midnight."""
    ledger = after(an_ask("a", lease_us=9999 * SECOND), now_us=999 * SECOND)

    ledger, found = admit(ledger, an_ask("b", a_bid(100)), NONE, 1000 * SECOND)
    ledger = settle(ledger, "a", 30, 1, NONE)

    assert found == Admitted(0, ())
    assert ledger.balance("day", 0) == Balance(30, 0)
    assert ledger.balance("day", 1000 * SECOND) == Balance(0, 100)


def test_bounds_that_are_over_admit_nothing() -> None:
    """A gateway that did not look at the calendar asks again."""
    _, found = admit(Ledger(), an_ask("a"), NONE, 2000 * SECOND)

    assert found == Refused("day", 100, 100, 0)
    assert window_at(DAY, 2000 * SECOND) is None


def test_expiry_posts_the_reserve_and_late_news_correct_it() -> None:
    """A crash costs the bound until the truth comes, in the window that it began in."""
    expired = expire(after(an_ask("a")), LEASE)
    assert expired.balance("day", 0) == Balance(40, 0)
    assert expired.reservations["a"].status is Status.EXPIRED
    assert expire(expired, LEASE) == expired

    late = settle(expired, "a", 25, 1, NONE)
    undone = void(expired, "a", NONE)

    assert late.balance("day", 0) == Balance(25, 0)
    assert undone.balance("day", 0) == Balance(0, 0)
    assert late.reservations["a"].status is Status.EXPIRED
    assert settle(late, "a", 5, 1, NONE) == late


def test_time_alone_expires() -> None:
    """Whoever asks next finds the place free and the money spent."""
    limits = Limits(concurrent=1)
    ledger = after(an_ask("a"), limits=limits)

    _, early = admit(ledger, an_ask("b"), limits, LEASE - 1)
    ledger, found = admit(ledger, an_ask("b"), limits, LEASE)

    assert early == Refused("concurrent", 1, 1, 1)
    assert found == Admitted(0, ())
    assert ledger.balance("day", 0) == Balance(40, 40)


def test_no_place_at_all_is_no_matter_of_waiting() -> None:
    """A limit of nothing refuses for ever."""
    _, found = admit(Ledger(), an_ask("a"), Limits(concurrent=0), 0)

    assert found == Refused("concurrent", 0, 0, None)


def test_void_gives_all_back() -> None:
    """Calls of a cap too; once."""
    ledger = after(an_ask("a", a_bid(40, DAY, TICKET)))

    voided = void(ledger, "a", NONE)

    assert voided.balance("day", 0) == voided.balance(TICKET.key, 0) == Balance(0, 0)
    assert voided.reservations["a"].status is Status.VOIDED
    assert void(voided, "a", NONE) == settle(voided, "a", 9, 9, NONE) == voided


def test_call_counts_as_one_however_little_it_cost() -> None:
    """A premium call is a premium call."""
    ledger = settle(after(an_ask("a", a_bid(40, TICKET))), "a", 0, 0, NONE)

    assert ledger.balance(TICKET.key, 0) == Balance(1, 0)


def test_unknown_attempt_changes_nothing() -> None:
    """Settling what was never admitted."""
    assert settle(Ledger(), "a", 1, 1, NONE) == Ledger()


def test_requests_come_at_their_rate() -> None:
    """A burst of two, then one a second; a further attempt of a request is not counted."""
    limits = Limits(requests=RPM)
    ledger = after(an_ask("a", a_bid(0)), an_ask("b", a_bid(0)), limits=limits)

    _, third = admit(ledger, an_ask("c", a_bid(0)), limits, 0)
    _, retried = admit(ledger, an_ask("c", a_bid(0), requests=0), limits, 0)
    _, later = admit(ledger, an_ask("c", a_bid(0)), limits, SECOND)

    assert third == Refused("requests", 2, 2, SECOND)
    assert retried == later == Admitted(0, ())


def test_tokens_that_were_not_used_are_given_back() -> None:
    """By settling and by voiding; more than was reserved takes no more."""
    limits = Limits(tokens=TPM)
    ledger = after(an_ask("a", a_bid(0, tokens=1000)), limits=limits)

    _, full = admit(ledger, an_ask("b", a_bid(0, tokens=500)), limits, 0)
    half = settle(ledger, "a", 0, 500, limits)
    _, fits = admit(half, an_ask("b", a_bid(0, tokens=500)), limits, 0)

    assert full == Refused("tokens", 1000, 1000, 5 * SECOND)
    assert fits == Admitted(0, ())
    assert void(ledger, "a", limits).free_at_us == {"tokens": 0}
    assert settle(ledger, "a", 0, 5000, limits).free_at_us == ledger.free_at_us
    assert settle(after(an_ask("a")), "a", 0, 0, limits).free_at_us == {}


def test_more_than_a_burst_never_fits() -> None:
    """Waiting does not help."""
    _, found = admit(Ledger(), an_ask("a", a_bid(0, tokens=1001)), Limits(tokens=TPM), 0)

    assert found == Refused("tokens", 0, 1000, None)


@pytest.mark.parametrize(("amount", "span"), [(1, 8_571_429), (2, 17_142_858), (7, 60 * SECOND)])
def test_rounding_is_to_the_careful_side(amount: int, span: int) -> None:
    """Seven a minute are never eight."""
    assert Rate("r", 7, 60 * SECOND, 7).span_us(amount) == span


# One tenant under fire: attempts come, are settled, voided or forgotten, time goes by.
limits_drawn = st.builds(
    Limits,
    st.none() | st.builds(Rate, st.just("requests"), st.integers(1, 20), st.just(10 * SECOND),
                          st.integers(1, 5)),
    st.none() | st.builds(Rate, st.just("tokens"), st.integers(1, 200), st.just(10 * SECOND),
                          st.integers(1, 100)),
    st.none() | st.integers(0, 4),
)  # fmt: skip
purses_drawn = st.lists(
    st.sampled_from([DAY, TICKET, DAY._replace(key="feature", limit=60)]), unique=True, max_size=3
).map(tuple)
bids_drawn = st.lists(
    st.builds(Bid, st.just("t"), st.integers(0, 70), st.integers(0, 60), purses_drawn),
    min_size=1,
    max_size=3,
).map(tuple)
moves_drawn = st.lists(
    st.tuples(
        st.sampled_from(["admit", "admit", "settle", "void", "wait"]),
        st.integers(0, 7),
        bids_drawn,
        st.integers(0, 60),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(deadline=None)
@given(limits_drawn, moves_drawn)
def test_nobody_spends_above_a_limit(limits: Limits, moves: list[Any]) -> None:
    """Whatever comes in whichever order, twice or never: no window above its purse, no more at
    once than allowed, no rate above its burst and pace; a closed reservation stays closed; what
    is repeated changes nothing; what is refused leaves no trace.
    """
    ledger, now_us = Ledger(), 0
    requests: list[tuple[int, int]] = []
    for verb, number, bids, figure in moves:
        id_, before = str(number), ledger
        if verb == "admit":
            ask = Ask(id_, bids, 20 * SECOND)
            ledger, found = admit(before, ask, limits, now_us)
            assert admit(ledger, ask, limits, now_us) == (ledger, found)
            if isinstance(found, Refused):
                assert ledger == expire(before, now_us)
                assert found.retry_after_us is None or found.retry_after_us >= 0
            elif id_ not in before.reservations:
                requests.append((now_us, 1))
        elif verb == "wait":
            now_us += figure * SECOND
            ledger = expire(ledger, now_us)
        else:
            ledger = _close(before, verb, id_, figure, limits)
            assert _close(ledger, "settle", id_, 3, limits) == ledger
        _check(before, ledger, limits)
    if limits.requests is not None:
        _check_rate(limits.requests, requests)


def _close(ledger: Ledger, verb: str, id_: str, figure: int, limits: Limits) -> Ledger:
    held = ledger.reservations.get(id_)
    if verb == "void" or held is None:
        return void(ledger, id_, limits)
    reserved = min((each.amount for each in held.held if each.unit is Unit.MONEY), default=0)
    return settle(ledger, id_, min(figure, reserved), figure, limits)


def _check(before: Ledger, ledger: Ledger, limits: Limits) -> None:
    most = {"day": 100, "feature": 60, TICKET.key: 1}
    for (key, _), balance in ledger.balances.items():
        assert balance.posted >= 0
        assert balance.pending >= 0
        assert balance.posted + balance.pending <= most[key]
    assert limits.concurrent is None or ledger.running <= limits.concurrent
    for id_, was in before.reservations.items():
        if was.status is not Status.PENDING:
            assert ledger.reservations[id_].status is was.status
    pending = sum(
        held.amount
        for each in ledger.reservations.values()
        if each.status is Status.PENDING
        for held in each.held
    )
    assert pending == sum(balance.pending for balance in ledger.balances.values())


def _check_rate(rate: Rate, admitted: list[tuple[int, int]]) -> None:
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            span = admitted[last][0] - admitted[first][0]
            count = sum(amount for _, amount in admitted[first : last + 1])
            assert count <= rate.burst + span * rate.limit / rate.period_us + 1e-6


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_spans_add_up_to_no_less(limit: int, one: int, other: int) -> None:
    """Two calls take at least the time of one that is as large as both."""
    rate = Rate("r", limit, 60 * SECOND, 10)

    assert rate.span_us(one) + rate.span_us(other) >= rate.span_us(one + other)


def test_lifetime_has_no_end_to_wait_for() -> None:
    """A cap for each ticket does not come back."""
    ledger = after(an_ask("a", a_bid(1, TICKET)))

    _, found = admit(replace(ledger), an_ask("b", a_bid(1, TICKET)), NONE, 5)

    assert found == Refused(TICKET.key, 1, 1, None)
    assert TICKET.windows[0].end_us == FOR_EVER_US
