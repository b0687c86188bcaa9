"""Step 3, its end: what is kept of a request for the decision, once its text was read. Pure."""

from dataclasses import dataclass
from typing import Final

from proxy.domain.facts import Facts
from proxy.domain.labels import Labels
from proxy.domain.request import Headers, Request
from proxy.domain.tenant import Tenant
from proxy.domain.traits import Traits

_DRAW_DIGITS: Final = 12
_DRAWS: Final = 16**_DRAW_DIGITS


@dataclass(slots=True)
class Setting:
    """What surrounds a request: who asks, with which headers (of those that rules look at, names
    in lower case), when, and which provider issued the tool calls that it answers.
    """

    tenant: Tenant
    request_id: str
    headers: tuple[tuple[str, str], ...]
    tool_origin: str | None
    unix_s: int
    key_tags: frozenset[str] = frozenset()


def facts_of(request: Request, traits: Traits, labels: Labels, setting: Setting) -> Facts:
    """The facts of *request*."""
    return Facts(
        tenant_id=setting.tenant.id,
        tenant_tier=setting.tenant.tier,
        key_tags=setting.key_tags,
        route_id=request.route_id,
        endpoint=request.endpoint,
        labels=labels,
        needs=request.needs,
        stream=request.stream,
        prompt_bytes=request.prompt_bytes,
        message_count=request.message_count,
        turns=traits.turns,
        images=traits.images,
        tools=traits.tools,
        max_output_tokens=request.max_output_tokens,
        n=request.n,
        max_latency_ms=traits.max_latency_ms,
        feature=traits.feature,
        scopes=traits.scopes,
        session=traits.session,
        prefix=traits.prefix,
        headers=setting.headers,
        tool_origin=setting.tool_origin,
        unix_s=setting.unix_s,
        draw=draw_of(setting.request_id),
    )


def draw_of(request_id: str) -> float:
    """A number in [0, 1) that the id of a request, which ends in random hex digits, stands for."""
    return int(request_id[-_DRAW_DIGITS:], 16) / _DRAWS


def headers_for(names: frozenset[str], sent: Headers) -> tuple[tuple[str, str], ...]:
    """Those of the headers *sent* that rules look at, sorted; *sent* may be asked in any case."""
    if not names:
        return ()
    found = ((name, sent.get(name)) for name in sorted(names))
    return tuple((name, value) for name, value in found if value is not None)
