"""What the gateway would do with a request, and nothing done. Pure.

The same steps as a request takes (`pipeline`), by the same functions, up to where a provider would
be called: for `pointsman explain`, for tests of policies, for whoever wants to know before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from proxy.execution.plan import NONCE_CHARS, Asked, within_caps
from proxy.execution.scan import SLICE_BYTES
from proxy.execution.understand import asked, hear
from proxy.routing.bids import cap_of
from proxy.routing.decide import decide
from proxy.routing.degrade import FromCache, Proceed, Refuse, Say, Shorten, step_down
from proxy.routing.facts import Setting, headers_for
from proxy.routing.scan import Scan
from proxy.wire.limits import Caps
from proxy.wire.parse import parse
from proxy.wire.redact import redact
from proxy.wire.shrink import shortened

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
    decided = _within_caps(decide(understood.facts, snapshot), understood.facts, moment)
    run = DryRun(understood, decided, decided)
    if not decided.ranking:
        run = _stepped_down(run, snapshot, moment.kept_from)
    return _if_redactable(run, rules)


def _within_caps(decision: Decision, facts: Facts, moment: Moment) -> Decision:
    def allows(purse_key: str, limit: int) -> bool:
        cap = cap_of(purse_key, decision.ruling.premium_caps)
        return cap is None or moment.premium_calls.get(cap.scope, 0) < limit

    return within_caps(decision, facts, allows)


def _scanned(scan: Scan) -> Findings:
    while not scan.step(SLICE_BYTES):
        pass
    return scan.findings()


def _stepped_down(run: DryRun, snapshot: Snapshot, kept_from: str | None) -> DryRun:
    """What `execution/plan` would come to."""
    request, rung = run.asked.request, 0
    while True:
        match step_down(run.decided, run.facts, snapshot, rung):
            case Refuse(error):
                return replace(run, refusal=error)
            case Proceed(lesser):
                return replace(run, decision=lesser)
            case Say(message, degradation):
                lesser = run.decided._replace(degradation=degradation)
                return replace(run, decision=lesser, message=message)
            case Shorten(lesser, max_prompt_bytes, rung):
                body = shortened(request, max_prompt_bytes)
                if body is not None:
                    return replace(run, decision=lesser)
            case FromCache(targets, degradation, rung):
                if kept_from in targets and not request.stream:
                    lesser = run.decided._replace(degradation=degradation)
                    return replace(run, decision=lesser, from_cache=kept_from)


def _if_redactable(run: DryRun, rules: ClassifyRules) -> DryRun:
    """What was not read, or cannot be cut, may hold what must not leave."""
    kinds = run.decision.ruling.redact
    if not kinds or run.refusal or run.message is not None or run.from_cache is not None:
        return run
    reading, findings = run.asked.reading, run.asked.findings
    if reading.unread or not findings.complete:
        return replace(run, refusal=GatewayError("not_redactable", limit=rules.max_scanned_bytes))
    if not kinds.isdisjoint(findings.kinds):
        found = _scanned(Scan(reading, rules, every=True)).spans
        try:
            redact(run.asked.request, reading, found, kinds, run.asked.request_id[-NONCE_CHARS:])
        except GatewayError as error:
            return replace(run, refusal=error)
    return run
