"""Step 4, when nothing fits: the route's ladder, taken to where something can be done. Pure, but
that *kept* looks into what is kept.

`routing/degrade` says what each rung would do; here it is tried on the request.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.domain.decision import Decision
from proxy.domain.facts import Facts
from proxy.domain.request import Request
from proxy.domain.snapshot import Snapshot
from proxy.ports import KeptAnswer
from proxy.routing.degrade import FromCache, Proceed, Refuse, Say, Shorten, step_down
from proxy.wire.limits import Caps
from proxy.wire.parse import parse
from proxy.wire.shrink import shortened


@dataclass(frozen=True, slots=True)
class Lesser:
    """What the ladder came to: *request* is sent as *decision* ranks its targets; or no provider is
    asked, and the answer is the operators' *message*, or what was *kept*.
    """

    decision: Decision
    request: Request
    message: str | None = None
    kept: KeptAnswer | None = field(default=None, repr=False)


def stepped_down(
    decision: Decision,
    facts: Facts,
    request: Request,
    snapshot: Snapshot,
    caps: Caps,
    kept: Callable[[], KeptAnswer | None],
) -> Lesser:
    """What is done for *request*, which *decision* has no candidate for. *kept* finds the answer
    that was given to the very same request before.

    Raises:
        GatewayError: the ladder ends in a refusal.
    """
    rung = 0
    while True:
        match step_down(decision, facts, snapshot, rung):
            case Refuse(error):
                raise error
            case Proceed(lesser):
                return Lesser(lesser, request)
            case Say(message, degradation):
                return Lesser(decision._replace(degradation=degradation), request, message)
            case Shorten(lesser, max_prompt_bytes, rung):
                body = shortened(request, max_prompt_bytes)
                if body is not None:
                    return Lesser(lesser, parse(request.endpoint, body, caps))
            case FromCache(targets, degradation, rung):
                found = None if request.stream else kept()
                if found is not None and found.target_id in targets:
                    told = decision._replace(degradation=degradation)
                    return Lesser(told, request, kept=found)
