"""Step 4: which targets may answer a request, best first, and why the others may not. Pure.

The strategy is static priority: the route's own order, less what cannot serve the request.
"""

from proxy.domain.catalog import Endpoint, Target
from proxy.domain.decision import Decision, Reason, Rejection
from proxy.domain.facts import Facts
from proxy.domain.snapshot import Snapshot

BYTES_PER_TOKEN_AT_MOST = 128
"""The longest text of a token in the public vocabularies (cl100k, o200k: a run of spaces). What
is longer than the window by this count fits under no tokenizer.
"""


def decide(facts: Facts, snapshot: Snapshot) -> Decision:
    """Rank the targets of the route in *facts*, which the snapshot must hold.

    The same pair gives the same decision for ever. An empty ranking is an answer, not an error;
    the reasons travel with it.
    """
    route = snapshot.routes[facts.route_id]
    ranking: list[Target] = []
    rejected: list[Rejection] = []
    for target in route.targets:
        rejection = why_not(target, facts)
        if rejection is None:
            ranking.append(target)
        else:
            rejected.append(rejection)
    return Decision(route, tuple(ranking), tuple(rejected), snapshot.version)


def why_not(target: Target, facts: Facts) -> Rejection | None:
    """Why *target* cannot serve a request with *facts*; None if it can."""
    if (facts.endpoint is Endpoint.EMBEDDINGS) != (target.embedding_space is not None):
        return Rejection(target.id, Reason.WRONG_ENDPOINT, facts.endpoint.value)
    if target.capabilities is not None:
        missing = facts.needs - target.capabilities
        if missing:
            return Rejection(target.id, Reason.MISSING_CAPABILITY, ", ".join(sorted(missing)))
    if _cannot_fit(target, facts):
        window = f"{target.context_window_tokens} tokens"
        return Rejection(target.id, Reason.CONTEXT_TOO_LONG, window)
    return None


def _cannot_fit(target: Target, facts: Facts) -> bool:
    # An embeddings request holds many inputs, each with a window of its own.
    if target.context_window_tokens is None or facts.endpoint is Endpoint.EMBEDDINGS:
        return False
    at_least_tokens = facts.prompt_bytes // BYTES_PER_TOKEN_AT_MOST
    return at_least_tokens > target.context_window_tokens
