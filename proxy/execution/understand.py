"""Step 3: from a request's text to facts that are free of it. I/O: none, but a long text is scanned
in turns of the event loop.
"""

from proxy.domain.request import Request
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
    """Classifies requests. One for a process; *hash_key* keys the hashes of what callers name."""

    def __init__(self, tool_calls: ToolCalls, clock: Clock, hash_key: bytes) -> None:
        self._tool_calls = tool_calls
        self._clock = clock
        self._hash_key = hash_key

    async def of(
        self, request: Request, tenant: Tenant, exchange: Exchange, snapshot: Snapshot
    ) -> Asked:
        """What *request* says, is and needs.

        Raises:
            GatewayError: invalid_field, where the caller says of its request what is not known.
        """
        said = said_of(exchange.headers, request.decoded)
        reading = reading_of(request.endpoint, request.decoded)
        findings = await scanned(reading, snapshot.classing)
        labels = classify(reading, said, snapshot.classing, findings)
        setting = Setting(
            tenant,
            exchange.request_id,
            headers_for(snapshot.policies.headers, exchange.headers),
            self._origin_of(request) if reading.answers_tools else None,
            self._clock.unix_ms() // 1000,
        )
        facts = facts_of(request, traits_of(reading, said, self._hash_key), labels, setting)
        return Asked(request, reading, findings, facts, exchange.request_id)

    def _origin_of(self, request: Request) -> str | None:
        return self._tool_calls.origin_of(answered_calls(request.decoded))
