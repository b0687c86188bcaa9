"""What each candidate would reserve, from which purses."""

from typing import Any

from proxy.domain.admission import (
    Admitted,
    Ask,
    Bid,
    Ledger,
    Limits,
    Purse,
    Refused,
    Unit,
    admit,
)
from proxy.domain.catalog import Tier
from proxy.domain.decision import Decision
from proxy.domain.rules import PremiumCap, Ruling
from proxy.routing.bids import BOUNDLESS_NANOUSD, bids_of
from proxy.routing.decide import choose
from tests.builders import a_route, a_snapshot, a_target, some_facts

BUDGET = Purse("budget", Unit.MONEY, 10**12)
TOP = a_target("top/m", tier=Tier.PREMIUM)
LOW = a_target("low/m", tier=Tier.ECONOMY)
ONCE = Ruling(applied=("once",), premium_caps=(PremiumCap("once", "ticket", 1),))


def decided(ruling: Ruling | None = None, **fields: Any) -> Decision:
    """A decision between the two."""
    route = a_route(TOP, LOW)
    return choose(route, ruling or Ruling(), some_facts(**fields), a_snapshot(route))


def test_hard_budgets_reserve_the_most_and_soft_ones_the_estimate() -> None:
    """In the ranked order; tokens by the limit, where there is one."""
    facts = some_facts(max_output_tokens=10)
    decision = decided(max_output_tokens=10)

    hard, soft = (bids_of(decision, facts, [BUDGET], hard=hard) for hard in (True, False))

    assert hard[0] == Bid("top/m", 124_000 + 20_000, 49 + 10, (BUDGET,))
    assert soft[0] == Bid("top/m", 49_000 + 20_000, 49 + 10, (BUDGET,))
    assert [bid.target_id for bid in hard] == ["top/m", "low/m"]


def test_clamp_of_the_decision_counts() -> None:
    """A rule's cap, or a rung's, bounds what is reserved."""
    capped = decided(Ruling(applied=("cap",), max_output_tokens=5))
    stepped = decided()._replace(max_output_tokens=5)

    for decision in (capped, stepped):
        assert bids_of(decision, some_facts(), [BUDGET])[0].nanousd == 124_000 + 10_000


def test_what_nothing_bounds_fits_no_purse() -> None:
    """No limit and no window, or no price: a hard budget does not allow it."""
    (bid, _) = bids_of(decided(), some_facts(), [BUDGET])

    assert bid.nanousd == BOUNDLESS_NANOUSD
    assert bid.tokens == 49 + 300
    _, found = admit(Ledger(), Ask("a", (bid,), 1), Limits(), 0)
    assert found == Refused("budget", 0, 10**12, None)
    unpriced = decided()._replace(ranking=(decided().ranking[0]._replace(cost_nanousd=None),))
    assert bids_of(unpriced, some_facts(), [], hard=False)[0].nanousd == 0


def test_one_premium_call_for_each_ticket() -> None:
    """The second is stepped down, another ticket has its own, no ticket is not counted."""
    ledger = Ledger()
    taken = []
    for id_, ticket in (("a", "1"), ("b", "1"), ("c", "2"), ("d", None)):
        scopes = () if ticket is None else (("ticket", ticket),)
        facts = some_facts(scopes=scopes, max_output_tokens=9)
        bids = bids_of(decided(ONCE, scopes=scopes, max_output_tokens=9), facts, [BUDGET])
        ledger, found = admit(ledger, Ask(id_, bids, 1000), Limits(), 0)
        assert isinstance(found, Admitted)
        taken.append(bids[found.place].target_id)

    assert taken == ["top/m", "low/m", "top/m", "top/m"]
