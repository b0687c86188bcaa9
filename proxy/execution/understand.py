"""Step 3: from a request's text to facts that are free of it. I/O: none, but a long text is scanned
in turns of the event loop.
"""

from dataclasses import dataclass, field

from proxy.domain.classing import ClassifyRules
from proxy.domain.findings import Findings
from proxy.domain.reading import Reading
from proxy.domain.request import Headers, Request
from proxy.domain.said import Said
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant
from proxy.domain.traits import traits_of
from proxy.execution.plan import Asked
from proxy.execution.scan import scanned
from proxy.ports import Clock, Exchange, ToolCalls
from proxy.routing.classify import classify
from proxy.routing.facts import Setting, facts_of, headers_for
from proxy.wire.passages import reading_of
from proxy.wire.said import said_of
from proxy.wire.tool_calls import answered_calls


class Understanding:
    """Classifies requests. One for a process."""

    def __init__(self, tool_calls: ToolCalls, clock: Clock) -> None:
        self._tool_calls = tool_calls
        self._clock = clock

    async def of(
        self,
        request: Request,
        tenant: Tenant,
        exchange: Exchange,
        snapshot: Snapshot,
        key_tags: frozenset[str],
    ) -> Asked:
        """What *request* says, is and needs; it came with a key that has these tags.

        Raises:
            GatewayError: invalid_field, where the caller says of its request what is not known.
        """
        heard = hear(request, exchange.headers)
        findings = await scanned(heard.reading, snapshot.classing)
        setting = Setting(
            tenant,
            exchange.request_id,
            headers_for(snapshot.policies.headers, exchange.headers),
            self._origin_of(request, tenant, snapshot) if heard.reading.answers_tools else None,
            self._clock.unix_ms() // 1000,
            key_tags,
        )
        return asked(heard, findings, setting, snapshot.classing, snapshot.policies.scope_key)

    def _origin_of(self, request: Request, tenant: Tenant, snapshot: Snapshot) -> str | None:
        """Who issued the tool calls that are answered; None also where the route, another one
        than before, does not have that provider: then there is nobody to stay with.
        """
        origin = self._tool_calls.origin_of(tenant.id, answered_calls(request.decoded))
        targets = snapshot.routes[request.route_id].targets
        return origin if any(target.provider.id == origin for target in targets) else None


@dataclass(slots=True)
class Heard:
    """A request, its texts and shape, and what its caller says of it; its text is not scanned."""

    request: Request
    reading: Reading = field(repr=False)
    said: Said


def hear(request: Request, headers: Headers) -> Heard:
    """What there is to understand of *request*, sent with *headers*. Pure.

    Raises:
        GatewayError: invalid_field, where the caller says of its request what is not known.
    """
    said = said_of(headers, request.decoded)
    return Heard(request, reading_of(request.endpoint, request.decoded, request.body), said)


def asked(
    heard: Heard, findings: Findings, setting: Setting, rules: ClassifyRules, hash_key: bytes
) -> Asked:
    """What was *heard*, understood: *findings* are those of its scan. Pure."""
    labels = classify(heard.reading, heard.said, rules, findings)
    traits = traits_of(heard.reading, heard.said, hash_key)
    facts = facts_of(heard.request, traits, labels, setting)
    return Asked(heard.request, heard.reading, findings, facts, setting.request_id)
