"""What limits and budgets would allow: the pure model of admission. Pure values.

Rules of the file:

1. It is the specification that the Redis script is tested against: whole numbers below 2^53, one
   tenant's keys only, time in microseconds as an argument.
2. All or nothing: a candidate is admitted when every limit allows it, and only then does anything
   change. What is refused burns nothing.
3. A reservation is PENDING, then POSTED, VOIDED or EXPIRED, once. Expiry posts the full reserve; a
   late settlement corrects that, once. Every call is harmless to repeat.
4. Roundings are to the careful side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

FOR_EVER_US: Final = 1 << 53
"""The end of a window that has none."""


class Unit(StrEnum):
    """What a purse holds: nano-dollars, or a number of calls."""

    MONEY = "money"
    CALLS = "calls"


class Status(StrEnum):
    """Where a reservation stands."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


class Window(NamedTuple):
    """From `start_us` to before `end_us`."""

    start_us: int
    end_us: int


LIFETIME: Final = Window(0, FOR_EVER_US)


class Purse(NamedTuple):
    """A bounded amount in each window: a budget of a tenant, feature, workload or scope, or a cap
    on premium calls. `key` names it with its scope's value; `windows` are this one and the next.
    """

    key: str
    unit: Unit
    limit: int
    windows: tuple[Window, ...] = (LIFETIME,)


class Rate(NamedTuple):
    """So many in a period, and at most `burst` at once (GCRA)."""

    key: str
    limit: int
    period_us: int
    burst: int

    @property
    def tolerance_us(self) -> int:
        """How far ahead of time the whole burst lies."""
        return self.burst * self.period_us // self.limit

    def span_us(self, amount: int) -> int:
        """How much time *amount* takes up."""
        return -(-amount * self.period_us // self.limit)


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's limits, apart from its purses. None: there is none."""

    requests: Rate | None = None
    tokens: Rate | None = None
    concurrent: int | None = None


class Bid(NamedTuple):
    """A candidate of the ranked chain: what it would reserve, from which purses.

    `nanousd` and `tokens` are upper bounds where the purses are hard, estimates where they are
    soft. Premium candidates name the caps on premium calls among their purses.
    """

    target_id: str
    nanousd: int
    tokens: int
    purses: tuple[Purse, ...]


class Ask(NamedTuple):
    """One attempt that asks to be admitted, with at least one bid. `id` is its own; `requests` is 0
    where an earlier attempt of the same request was counted. It expires after `lease_us` without a
    settlement.
    """

    id: str
    bids: tuple[Bid, ...]
    lease_us: int
    requests: int = 1


class Refused(NamedTuple):
    """The limit that a candidate met, its state, and when to come back: after `retry_after_us`,
    None where waiting does not help.
    """

    limit_key: str
    used: int
    limit: int
    retry_after_us: int | None


class Admitted(NamedTuple):
    """The candidate that was taken, by its place in the chain, and what refused those before it."""

    place: int
    refused: tuple[Refused, ...]


class Held(NamedTuple):
    """What a reservation took from one window of a purse."""

    purse_key: str
    window_start_us: int
    unit: Unit
    amount: int


class Balance(NamedTuple):
    """A window of a purse: what was spent, and what is reserved."""

    posted: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money, tokens and a place held before an attempt. `settled`: its true cost is known."""

    admitted: Admitted
    held: tuple[Held, ...]
    tokens: int
    expires_us: int
    status: Status = Status.PENDING
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of one tenant: when each rate is free again, balances, reservations."""

    free_at_us: Mapping[str, int] = field(default_factory=dict)
    balances: Mapping[tuple[str, int], Balance] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)

    def balance(self, purse_key: str, window_start_us: int) -> Balance:
        """What is in that window."""
        return self.balances.get((purse_key, window_start_us), Balance())

    @property
    def running(self) -> int:
        """How many attempts hold a place."""
        return sum(each.status is Status.PENDING for each in self.reservations.values())


def admit(
    ledger: Ledger, ask: Ask, limits: Limits, now_us: int
) -> tuple[Ledger, Admitted | Refused]:
    """Reserve for the first candidate of *ask* that every limit allows; the ledger after it.

    Refused: what stood in the way of the one that may come back soonest.
    """
    ledger = expire(ledger, now_us)
    known = ledger.reservations.get(ask.id)
    if known is not None:
        return ledger, known.admitted
    refused: list[Refused] = []
    for place, bid in enumerate(ask.bids):
        refusal = _why_not(ledger, ask, bid, limits, now_us)
        if refusal is None:
            admitted = Admitted(place, tuple(refused))
            return _reserved(ledger, ask, admitted, limits, now_us), admitted
        refused.append(refusal)
    return ledger, min(refused, key=_soonest)


def _soonest(refused: Refused) -> int:
    return FOR_EVER_US if refused.retry_after_us is None else refused.retry_after_us


def _why_not(ledger: Ledger, ask: Ask, bid: Bid, limits: Limits, now_us: int) -> Refused | None:
    if limits.concurrent is not None and ledger.running >= limits.concurrent:
        soonest = min(
            (r.expires_us for r in ledger.reservations.values() if r.status is Status.PENDING),
            default=FOR_EVER_US,  # a limit of nothing
        )
        wait = None if soonest == FOR_EVER_US else soonest - now_us
        return Refused("concurrent", ledger.running, limits.concurrent, wait)
    for rate, amount in ((limits.requests, ask.requests), (limits.tokens, bid.tokens)):
        if rate is not None and (met := _rate_met(ledger, rate, amount, now_us)) is not None:
            return met
    for purse in bid.purses:
        if (met := _purse_met(ledger, purse, bid, now_us)) is not None:
            return met
    return None


def _rate_met(ledger: Ledger, rate: Rate, amount: int, now_us: int) -> Refused | None:
    span, tolerance = rate.span_us(amount), rate.tolerance_us
    ahead = max(ledger.free_at_us.get(rate.key, 0) - now_us, 0)
    if not amount or ahead + span <= tolerance:
        return None
    used = -(-ahead * rate.limit // rate.period_us)
    wait = ahead + span - tolerance if span <= tolerance else None
    return Refused(rate.key, used, rate.burst, wait)


def _purse_met(ledger: Ledger, purse: Purse, bid: Bid, now_us: int) -> Refused | None:
    window = window_at(purse, now_us)
    if window is None:
        # Bounds that end before now: whoever sent them has to look again.
        return Refused(purse.key, purse.limit, purse.limit, 0)
    posted, pending = ledger.balance(purse.key, window.start_us)
    amount = _amount(purse.unit, bid)
    if posted + pending + amount <= purse.limit:
        return None
    ends = window.end_us < FOR_EVER_US and amount <= purse.limit
    wait = window.end_us - now_us if ends else None
    return Refused(purse.key, posted + pending, purse.limit, wait)


def window_at(purse: Purse, now_us: int) -> Window | None:
    """The window of *purse* that *now_us* falls in."""
    for window in purse.windows:
        if window.start_us <= now_us < window.end_us:
            return window
    return None


def _amount(unit: Unit, bid: Bid) -> int:
    return 1 if unit is Unit.CALLS else bid.nanousd


def _reserved(ledger: Ledger, ask: Ask, admitted: Admitted, limits: Limits, now_us: int) -> Ledger:
    bid = ask.bids[admitted.place]
    held = tuple(
        Held(purse.key, window.start_us, purse.unit, _amount(purse.unit, bid))
        for purse in bid.purses
        if (window := window_at(purse, now_us)) is not None
    )
    free_at = dict(ledger.free_at_us)
    for rate, amount in ((limits.requests, ask.requests), (limits.tokens, bid.tokens)):
        if rate is not None and amount:
            free_at[rate.key] = max(free_at.get(rate.key, 0), now_us) + rate.span_us(amount)
    reservation = Reservation(admitted, held, bid.tokens, now_us + ask.lease_us)
    return Ledger(
        free_at,
        _moved(ledger.balances, [(each, 0, each.amount) for each in held]),
        {**ledger.reservations, ask.id: reservation},
    )


def settle(ledger: Ledger, id_: str, nanousd: int, tokens: int, limits: Limits) -> Ledger:
    """The attempt *id_* cost *nanousd* and used *tokens*: posted in place of what was reserved.

    What was posted by expiry is corrected. Nothing changes for one that was settled or voided.
    """
    return _closed(ledger, id_, Status.POSTED, (nanousd, tokens), limits)


def void(ledger: Ledger, id_: str, limits: Limits) -> Ledger:
    """The attempt *id_* did nothing that costs: all is given back, but for the request's count."""
    return _closed(ledger, id_, Status.VOIDED, None, limits)


def _closed(
    ledger: Ledger, id_: str, status: Status, used: tuple[int, int] | None, limits: Limits
) -> Ledger:
    held = ledger.reservations.get(id_)
    if held is None or held.settled:
        return ledger
    expired = held.status is Status.EXPIRED
    moves = []
    for each in held.held:
        actual = 0 if used is None else 1 if each.unit is Unit.CALLS else used[0]
        posted = actual - each.amount if expired else actual
        moves.append((each, posted, 0 if expired else -each.amount))
    tokens_back = max(held.tokens - (used[1] if used else 0), 0)
    kept = Status.EXPIRED if expired else status
    return Ledger(
        _given_back(ledger.free_at_us, limits.tokens, tokens_back),
        _moved(ledger.balances, moves),
        {**ledger.reservations, id_: replace(held, status=kept, settled=True)},
    )


def _given_back(free_at_us: Mapping[str, int], rate: Rate | None, tokens: int) -> Mapping[str, int]:
    if rate is None or rate.key not in free_at_us:
        return free_at_us
    return {**free_at_us, rate.key: free_at_us[rate.key] - tokens * rate.period_us // rate.limit}


def expire(ledger: Ledger, now_us: int) -> Ledger:
    """Post the full reserve of whatever should have been settled by *now_us*."""
    balances, reservations = ledger.balances, dict(ledger.reservations)
    for id_, each in ledger.reservations.items():
        if each.status is Status.PENDING and each.expires_us <= now_us:
            balances = _moved(balances, [(held, held.amount, -held.amount) for held in each.held])
            reservations[id_] = replace(each, status=Status.EXPIRED)
    return Ledger(ledger.free_at_us, balances, reservations)


def _moved(
    balances: Mapping[tuple[str, int], Balance], moves: list[tuple[Held, int, int]]
) -> Mapping[tuple[str, int], Balance]:
    """*balances* with so much more posted and pending for each of *moves*."""
    after = dict(balances)
    for held, posted, pending in moves:
        key = (held.purse_key, held.window_start_us)
        was = after.get(key, Balance())
        after[key] = Balance(was.posted + posted, was.pending + pending)
    return after
