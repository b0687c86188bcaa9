"""Step 5's question: what each candidate would reserve, from which purses. Pure."""

from collections.abc import Sequence
from typing import Final

from proxy.domain.admission import FOR_EVER_US, Bid, Purse, Unit
from proxy.domain.catalog import Tier
from proxy.domain.decision import Candidate, Decision
from proxy.domain.facts import Facts
from proxy.domain.rules import PremiumCap
from proxy.routing.cost import output_limit, upper_bound

BOUNDLESS_NANOUSD: Final = FOR_EVER_US
"""What a candidate would reserve that nothing bounds: no purse allows it."""


def bids_of(
    decision: Decision, facts: Facts, purses: Sequence[Purse], *, hard: bool = True
) -> tuple[Bid, ...]:
    """The chain of *decision* as admission reads it; a candidate that fits no purse stays in it.

    *purses* are the budgets that the request draws on. *hard*: the most that a call can cost is
    reserved, else what it is expected to cost. Premium candidates draw on the rules' caps too.
    """
    capped = decision.ruling.max_output_tokens
    limit = decision.max_output_tokens or output_limit(facts, capped)
    caps = tuple(_caps(decision, facts))
    return tuple(
        Bid(
            candidate.target.id,
            _reserve(candidate, facts, limit) if hard else candidate.cost_nanousd or 0,
            candidate.prompt_tokens + (limit or candidate.completion_tokens),
            (*purses, *caps) if candidate.target.tier is Tier.PREMIUM else tuple(purses),
        )
        for candidate in decision.ranking
    )


def _reserve(candidate: Candidate, facts: Facts, limit: int | None) -> int:
    bound = upper_bound(candidate.target, facts, limit)
    return BOUNDLESS_NANOUSD if bound is None else bound


def _caps(decision: Decision, facts: Facts) -> list[Purse]:
    scopes = dict(facts.scopes)
    return [
        # By tenant: a ticket's number is no secret, and nobody's to use up but its own tenant's.
        Purse(_key(cap, f"{facts.tenant_id}/{scopes[cap.scope]}"), Unit.CALLS, cap.calls)
        for cap in decision.ruling.premium_caps
        if cap.scope in scopes
    ]


def cap_of(purse_key: str, caps: Sequence[PremiumCap]) -> PremiumCap | None:
    """Which of *caps* the purse *purse_key* counts for; None: it is no such purse."""
    return next((cap for cap in caps if purse_key.startswith(_key(cap, ""))), None)


def _key(cap: PremiumCap, value_hash: str) -> str:
    return f"premium/{cap.rule_id}/{cap.scope}={value_hash}"
