"""Which targets may answer, in which order and why, and why the others may not. Pure values.

Made for every request, so they are tuples: a frozen dataclass costs a call for each field.
"""

from enum import StrEnum
from typing import NamedTuple

from proxy.domain.catalog import Route, Target
from proxy.domain.labels import Labels
from proxy.domain.rules import DegradeStep, Ruling, Strategy
from proxy.units import NanoUsd


class Reason(StrEnum):
    """Why a target was left out. POLICY: a rule's demand; REFUSED: a rule refused the request;
    CAP_SPENT: a scope has made the premium calls that a rule allows it.
    """

    WRONG_ENDPOINT = "wrong_endpoint"
    OTHER_EMBEDDING_SPACE = "other_embedding_space"
    MISSING_CAPABILITY = "missing_capability"
    CONTEXT_TOO_LONG = "context_too_long"
    UNPRICED = "unpriced"
    REFUSED = "refused"
    POLICY = "policy"
    COST_ABOVE_BOUND = "cost_above_bound"
    TOO_SLOW = "too_slow"
    BREAKER_OPEN = "breaker_open"
    CAP_SPENT = "cap_spent"


class Rejection(NamedTuple):
    """A target that may not answer. `detail` names the capability or the bound at fault, `rule`
    the operators' rule that said so, None where none did.
    """

    target_id: str
    reason: Reason
    detail: str
    rule: str | None = None


class Terms(NamedTuple):
    """The terms of a score, each from 0 (worst) to 1 (best), in the order of `rules.Term`."""

    cost: float
    latency: float
    reliability: float
    quality: float
    headroom: float
    affinity: float


class Candidate(NamedTuple):
    """A target that may answer, and the figures that its place in the ranking rests on.

    `score` is the weighted sum of `terms`, from 0 to 1. `cost_nanousd` is what a success is
    expected to cost, retries included; None: the target has no price. The two times are expected
    ones, None where nothing is known. `throttled`: its breaker is open, and it is called all the
    same since nothing else is left.
    """

    target: Target
    score: float
    terms: Terms
    cost_nanousd: NanoUsd | None
    first_token_ms: float | None
    total_ms: float | None
    prompt_tokens: int
    completion_tokens: int
    throttled: bool = False


class Degradation(NamedTuple):
    """What was stepped down so that the request could be served: never without a trace.

    `before` and `after` are figures or names from the config, `because` the reason that most of
    the rejected targets had.
    """

    step: DegradeStep
    before: str
    after: str
    because: str


class Decision(NamedTuple):
    """The candidates to try, best first, and every other target with its reason.

    An empty ranking is an answer, not an error. `max_output_tokens` is what the request as sent
    must be clamped to, None where it may go as the client wrote it.
    """

    route: Route
    ranking: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    config_version: str
    labels: Labels
    ruling: Ruling = Ruling()
    strategy: Strategy = Strategy.PRIORITY
    max_output_tokens: int | None = None
    degradation: Degradation | None = None

    @property
    def selected(self) -> Target | None:
        """The target to try first."""
        return self.ranking[0].target if self.ranking else None

    @property
    def fallback(self) -> Target | None:
        """The target to try where the first does not answer."""
        return self.ranking[1].target if len(self.ranking) > 1 else None

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that matched, in the config's order."""
        return self.ruling.applied

    @property
    def estimated_cost_nanousd(self) -> NanoUsd | None:
        """What the first candidate is expected to cost; None without one, or without its price."""
        return self.ranking[0].cost_nanousd if self.ranking else None

    @property
    def max_attempts(self) -> int:
        """The route's bound, or a rule's where that is lower."""
        capped = self.ruling.max_attempts
        return self.route.max_attempts if capped is None else min(capped, self.route.max_attempts)

    @property
    def reason(self) -> str:
        """Why it came out so, in one sentence, without a word of the request."""
        left_out = f"{len(self.rejected)} of {len(self.ranking) + len(self.rejected)} left out"
        if not self.ranking:
            why = sorted({each.reason.value for each in self.rejected})
            return f"No target of '{self.route.id}' may answer ({', '.join(why)})."
        first = self.ranking[0]
        among = "the only candidate" if len(self.ranking) == 1 else _BECAUSE[self.strategy]
        if self.ruling.prefer and len(self.ranking) > 1:
            among += " after what the rules prefer"
        sentence = f"{first.target.id} is {among}, {left_out}"
        if first.throttled:
            sentence += ", though its breaker is open: nothing else is left"
        if self.degradation is not None:
            sentence += f", after {self.degradation.step} for {self.degradation.because}"
        return sentence + "."


_BECAUSE = {
    Strategy.PRIORITY: "first in the route's order",
    Strategy.POLICY: "first in the route's order among those that the rules allow",
    Strategy.WORKLOAD: "among the best for the workload",
    Strategy.CHEAPEST: "among the cheapest",
    Strategy.FASTEST: "among the fastest",
    Strategy.SCORE: "among the best by score",
}
