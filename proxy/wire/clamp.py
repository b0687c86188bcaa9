"""Step 6: a chat or completion with a smaller limit for its answer. Pure.

The limit goes where the client put its own (`max_tokens`, `max_completion_tokens` or both); where
it put none, into `max_tokens`, which every provider but OpenAI's reasoning models understands.
"""

from typing import Final

from proxy.domain.request import Request
from proxy.wire.limits import DEPTH_CEILING
from proxy.wire.scan import mask_escapes, scan_members
from proxy.wire.splice import Edit, apply

_NAMES: Final = ("max_tokens", "max_completion_tokens")


def clamped(request: Request, most_tokens: int) -> bytes:
    """The body of *request* with a limit of *most_tokens*, or less where it has less. The rest
    keeps its bytes. It has to be parsed anew.
    """
    body = request.body
    members = scan_members(body, mask_escapes(body), DEPTH_CEILING)
    stated = [name for name in _NAMES if request.decoded.get(name) is not None]
    limit = b"%d" % most_tokens
    edits: list[Edit] = []
    for name in stated:
        value = request.decoded[name]
        if isinstance(value, int) and value > most_tokens:
            edits.append((members[name].start, members[name].end, limit))
    if not stated:
        absent = next((name for name in _NAMES if name in members), None)
        if absent is not None:  # null: no limit
            edits.append((members[absent].start, members[absent].end, limit))
        else:
            model = members["model"]
            edits.append((model.key_start, model.key_start, b'"max_tokens":%b,' % limit))
    return apply(body, edits)
