"""All that a decision may know of a request, free of payload. Pure values.

Facts are what a record keeps, so they must say everything that a decision depends on: the same
facts and the same snapshot give the same decision for ever.
"""

from proxy.domain.catalog import Capability, Endpoint
from proxy.domain.labels import Labels
from proxy.values import value


@value
class Facts:
    """What routing sees of a request: who asks, for which route, its labels and its size.

    `prompt_bytes` is the text that the upstream will read, in UTF-8. `turns` counts user
    messages. `images` and `tools` count parts and definitions. `max_latency_ms`, None: no bound
    was named. `scopes` are (name, keyed hash of the value), sorted; `session` and `prefix` are
    keyed hashes too (`prefix`: of what a prompt cache would share with other requests), None
    where there is none. `headers` are those of the config's allow-list that were sent, names in
    lower case, sorted. `tool_origin` is the provider that issued the tool calls whose results
    the request brings, None if there are none or it is not known. `unix_s` is when it came in;
    `draw` is in [0, 1) and derived from the request's id.
    """

    tenant_id: str
    tenant_tier: str
    key_tags: frozenset[str]
    route_id: str
    endpoint: Endpoint
    labels: Labels
    needs: frozenset[Capability]
    stream: bool
    prompt_bytes: int
    message_count: int
    turns: int
    images: int
    tools: int
    max_output_tokens: int | None
    n: int
    max_latency_ms: int | None
    feature: str | None
    scopes: tuple[tuple[str, str], ...]
    session: str | None
    prefix: str | None
    headers: tuple[tuple[str, str], ...]
    tool_origin: str | None
    unix_s: int
    draw: float
