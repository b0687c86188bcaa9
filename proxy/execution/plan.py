"""Between steps 4 and 6: what is done for a decided request. I/O: none, but a long text is
scanned in turns of the event loop.

A decision with candidates is sent, changed as its rules say. One without goes down the ladder
(`routing/degrade`): something less is sent, or answered without any provider, or it is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from proxy.domain.catalog import Endpoint, Tier
from proxy.domain.classing import ClassifyRules
from proxy.domain.decision import Decision, Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.findings import Findings
from proxy.domain.labels import Kind
from proxy.domain.reading import Reading
from proxy.domain.request import Request
from proxy.domain.rules import Attribute, Demand, Match
from proxy.domain.snapshot import Snapshot
from proxy.errors import GatewayError
from proxy.execution.ladder import Lesser, stepped_down
from proxy.execution.scan import scanned
from proxy.ports import AnswerCache, CallCaps
from proxy.routing.bids import bids_of, cap_of
from proxy.routing.decide import choose
from proxy.wire.clamp import clamped
from proxy.wire.limits import Caps
from proxy.wire.message import message_answer
from proxy.wire.parse import parse
from proxy.wire.passages import MAX_VALUES
from proxy.wire.redact import count_of, redact

NONCE_CHARS = 8


@dataclass(slots=True)
class Asked:
    """A request as it was understood. *request_id* ends in random hex digits."""

    request: Request
    reading: Reading = field(repr=False)
    findings: Findings
    facts: Facts
    request_id: str


@dataclass(slots=True)
class Plan:
    """Send *request* as *decision* ranks its targets; or answer with *ready*, which is whole and
    needs no provider. `keep_as`: a rule allows to keep the answer, under that key. `held`: the caps
    on premium calls that one call was counted in; it is given back where no premium target was
    called. `redacted`: how many values of which kinds were replaced.
    """

    decision: Decision
    request: Request
    ready: bytes | None = field(default=None, repr=False)
    keep_as: bytes | None = field(default=None, repr=False)
    held: tuple[str, ...] = ()
    redacted: tuple[tuple[Kind, int], ...] = ()


class Planner:
    """Makes plans. One for a process."""

    def __init__(self, cache: AnswerCache, call_caps: CallCaps, caps: Caps) -> None:
        self._cache = cache
        self._call_caps = call_caps
        self._caps = caps

    async def plan(self, asked: Asked, decision: Decision, snapshot: Snapshot) -> Plan:
        """What is done for the request *asked* by the *decision* that is left by `capped`.

        Raises:
            GatewayError: a rule refuses it, or nothing that may answer is left.
        """
        plan = Plan(decision, asked.request)
        if not decision.ranking:
            lesser = self._stepped_down(asked, decision, snapshot)
            plan = Plan(lesser.decision, lesser.request)
            if lesser.message is not None:
                said = (lesser.message, asked.request_id, asked.facts.unix_s)
                plan.ready = message_answer(lesser.request, *said)
            elif lesser.kept is not None:
                plan.ready = lesser.kept.body
        if plan.ready is not None:
            return plan
        if plan.decision.ruling.caching_allowed and not asked.request.stream:
            plan.keep_as = self._key_of(asked)
        # Counted before anything is waited for: many at once would else all be within the cap.
        plan.held = caps_of(plan.decision, asked.facts)
        self._call_caps.hold(plan.held)
        try:
            await self._prepare(plan, asked, snapshot.classing)
        except BaseException:
            self._call_caps.release(plan.held)
            raise
        return plan

    def foreseen(self, asked: Asked, decision: Decision, snapshot: Snapshot) -> Decision:
        """The decision that a plan would be made of; nothing is counted, and nothing raised."""
        decision = self.capped(decision, asked.facts, snapshot)
        if decision.ranking:
            return decision
        try:
            return self._stepped_down(asked, decision, snapshot).decision
        except GatewayError:
            return decision

    def capped(self, decision: Decision, facts: Facts, snapshot: Snapshot) -> Decision:
        """*decision* without what the caps on premium calls leave no call of."""
        if not decision.ruling.premium_caps:
            return decision
        return within_caps(decision, facts, snapshot, self._call_caps.allows)

    def _key_of(self, asked: Asked) -> bytes:
        request = asked.request
        return self._cache.key_of(asked.facts.tenant_id, request.endpoint, request.body)

    def _stepped_down(self, asked: Asked, decision: Decision, snapshot: Snapshot) -> Lesser:
        return stepped_down(
            decision,
            asked.facts,
            asked.request,
            snapshot,
            self._caps,
            lambda: self._cache.find(self._key_of(asked)),
        )

    async def _prepare(self, plan: Plan, asked: Asked, rules: ClassifyRules) -> None:
        """Make the request of *plan* what is sent."""
        kinds = plan.decision.ruling.redact
        if kinds:
            await self._redact(plan, kinds, asked, rules)
        most, own = plan.decision.max_output_tokens, plan.request.max_output_tokens
        if most is None or plan.request.endpoint is Endpoint.EMBEDDINGS:
            return
        if own is None or own > most:
            body = clamped(plan.request, most)
            plan.request = parse(plan.request.endpoint, body, self._caps)

    async def _redact(
        self, plan: Plan, kinds: frozenset[Kind], asked: Asked, rules: ClassifyRules
    ) -> None:
        if not must_redact(asked, kinds, rules):
            return
        every = await scanned(asked.reading, rules, every=True)
        body = redacted(plan.request, asked, every, kinds)
        plan.request = parse(plan.request.endpoint, body, self._caps)
        plan.redacted = count_of(asked.reading, every.spans, kinds)


def must_redact(asked: Asked, kinds: frozenset[Kind], rules: ClassifyRules) -> bool:
    """Whether anything of *kinds* is in what is sent, as far as that can be known.

    Raises:
        GatewayError: not_redactable; what was not read may hold what must not leave.
    """
    if asked.reading.unread:
        raise GatewayError(
            "not_redactable",
            reason="it holds what is not read (a file, a recording, data in a URL, token numbers), "
            f"more than {MAX_VALUES} values, or too much text in escapes or with invisible signs",
        )
    if not asked.findings.complete:
        raise GatewayError(
            "not_redactable",
            reason=f"it has more than {rules.max_scanned_bytes} bytes of text, or so many numbers "
            "that it was not read to its end",
        )
    return not kinds.isdisjoint(asked.findings.kinds)


def redacted(request: Request, asked: Asked, every: Findings, kinds: frozenset[Kind]) -> bytes:
    """The body of *request* without what is of *kinds* among *every* finding in it.

    Raises:
        GatewayError: not_redactable, where something cannot be cut out.
    """
    nonce = asked.request_id[-NONCE_CHARS:]
    return redact(request, asked.reading, every.spans, kinds, nonce)


def within_caps(
    decision: Decision, facts: Facts, snapshot: Snapshot, allows: Callable[[str, int], bool]
) -> Decision:
    """*decision* without the premium targets whose caps are spent; *allows* tells, by a cap's key
    and its limit, whether one more call is. What is forbidden so is forbidden to the ladder too.
    """
    caps = decision.ruling.premium_caps
    spent = {
        bid.target_id: cap.rule_id
        for bid in bids_of(decision, facts, (), hard=False)
        for purse in bid.purses
        if (cap := cap_of(purse.key, caps)) and not allows(purse.key, purse.limit)
    }
    if not spent:
        return decision
    rejected = tuple(
        Rejection(target_id, Reason.CAP_SPENT, "premium calls of its scope", rule)
        for target_id, rule in spent.items()
    )
    left = tuple(each for each in decision.ranking if each.target.id not in spent)
    premium = Match(Attribute.TIER, frozenset({Tier.PREMIUM.value}))
    demands = tuple(Demand(rule, premium, forbidden=True) for rule in dict.fromkeys(spent.values()))
    ruling = decision.ruling
    capped = replace(ruling, demands=ruling.demands + demands, verdicts={})
    if not left and any(each.reason is Reason.BREAKER_OPEN for each in decision.rejected):
        # An open breaker keeps nobody out where nobody else is left.
        again = choose(decision.route, capped, facts, snapshot)
        why = {each.target_id: each for each in rejected}
        return again._replace(
            rejected=tuple(why.get(each.target_id, each) for each in again.rejected)
        )
    return decision._replace(ranking=left, rejected=decision.rejected + rejected, ruling=capped)


def caps_of(decision: Decision, facts: Facts) -> tuple[str, ...]:
    """The caps that a premium call of *decision* counts in, each once."""
    if not decision.ruling.premium_caps:
        return ()
    bids = bids_of(decision, facts, (), hard=False)
    return tuple(dict.fromkeys(purse.key for bid in bids for purse in bid.purses))
