"""What the gateway would do with a request, and nothing done. Pure.

The same steps as a request takes (`pipeline`), by the same functions, up to where a provider would
be called: for `pointsman explain`, for tests of policies, for whoever wants to know before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import ClassifyRules
from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.findings import Findings
from proxy.domain.labels import Kind
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant
from proxy.errors import GatewayError
from proxy.execution.grant import grant
from proxy.execution.ladder import Lesser, stepped_down
from proxy.execution.plan import Asked, must_redact, redacted, within_caps
from proxy.execution.scan import SLICE_BYTES
from proxy.execution.understand import asked, hear
from proxy.ports import KeptAnswer
from proxy.routing.bids import cap_of
from proxy.routing.decide import decide
from proxy.routing.facts import Setting, headers_for
from proxy.routing.scan import Scan
from proxy.wire.limits import Caps
from proxy.wire.parse import parse

CAPS: Final = Caps()


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as a client would send it: to *endpoint*, names of *headers* in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    endpoint: Endpoint = Endpoint.CHAT


@dataclass(frozen=True, slots=True)
class Moment:
    """What else a decision depends on: when it is, and the request's id, which ends in twelve
    random hex digits. What is remembered of earlier requests: the provider that issued the tool
    calls which this one answers, the target whose answer to the very same one is kept, and by scope
    how many premium calls its value has had. `key_tags`: those of the key that it comes with.
    """

    unix_s: int
    request_id: str = "req_800000000000"
    tool_origin: str | None = None
    kept_from: str | None = None
    premium_calls: Mapping[str, int] = field(default_factory=dict)
    key_tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would be done. `decided` is the first decision, `decision` the one that its ladder came
    to, which is the same where nothing had to be stepped down.

    `refusal`: the client would be told so. `message`: it would get the operators' own words.
    `from_cache`: it would get the kept answer of that target. With none of these, the first
    candidate of `decision` would be called, and its `ruling.redact` of `redacted` replaced.
    """

    asked: Asked
    decided: Decision
    decision: Decision
    refusal: GatewayError | None = None
    message: str | None = None
    from_cache: str | None = None

    @property
    def facts(self) -> Facts:
        """What decisions know of the request."""
        return self.asked.facts

    @property
    def redacted(self) -> tuple[Kind, ...]:
        """The kinds that were found and would be replaced in what is sent."""
        kinds = self.decision.ruling.redact
        return tuple(kind for kind in self.asked.findings.kinds if kind in kinds)


def dry_run(
    sent: Sent, tenant: Tenant, snapshot: Snapshot, moment: Moment, caps: Caps = CAPS
) -> DryRun:
    """What the gateway would do for *sent* from *tenant*. The same arguments, the same answer.

    Raises:
        GatewayError: it cannot be read, or asks for a route that is not granted: no decision is
            made of it.
    """
    request = parse(sent.endpoint, sent.body, caps)
    grant(request.route_id, tenant, snapshot)
    heard = hear(request, sent.headers)
    setting = Setting(
        tenant,
        moment.request_id,
        headers_for(snapshot.policies.headers, sent.headers),
        moment.tool_origin if heard.reading.answers_tools else None,
        moment.unix_s,
        moment.key_tags,
    )
    policies, rules = snapshot.policies, snapshot.classing
    understood = asked(
        heard, _scanned(Scan(heard.reading, rules)), setting, rules, policies.scope_key
    )
    decided = _within_caps(decide(understood.facts, snapshot), understood.facts, snapshot, moment)
    lesser = Lesser(decided, request)
    try:
        if not decided.ranking:
            kept = KeptAnswer(moment.kept_from, b"") if moment.kept_from else None
            facts = understood.facts
            lesser = stepped_down(decided, facts, request, snapshot, caps, lambda: kept)
        _check_redactable(understood, lesser, rules)
    except GatewayError as error:
        return DryRun(understood, decided, lesser.decision, refusal=error)
    from_cache = lesser.kept.target_id if lesser.kept is not None else None
    return DryRun(understood, decided, lesser.decision, None, lesser.message, from_cache)


def _within_caps(decision: Decision, facts: Facts, snapshot: Snapshot, moment: Moment) -> Decision:
    def allows(purse_key: str, limit: int) -> bool:
        cap = cap_of(purse_key, decision.ruling.premium_caps)
        return cap is None or moment.premium_calls.get(cap.scope, 0) < limit

    return within_caps(decision, facts, snapshot, allows)


def _scanned(scan: Scan) -> Findings:
    while not scan.step(SLICE_BYTES):
        pass
    return scan.findings()


def _check_redactable(asked: Asked, lesser: Lesser, rules: ClassifyRules) -> None:
    kinds = lesser.decision.ruling.redact
    if lesser.message is not None or lesser.kept is not None or not kinds:
        return
    if must_redact(asked, kinds, rules):
        redacted(lesser.request, asked, _scanned(Scan(asked.reading, rules, every=True)), kinds)
