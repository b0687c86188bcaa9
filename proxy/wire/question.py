"""What `POST /v1/route` takes: a chat, or a question in a few words. Pure.

The small form is for whoever wants to know where something would go without writing a chat:
`{"prompt": "...", "workload": "code", "max_latency_ms": 2000, "sensitive": true}`. It becomes the
chat that it stands for, so there is one way to read either.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import orjson

from proxy.domain.labels import Workload
from proxy.errors import GatewayError
from proxy.wire.fields import flag, invalid, missing, unknown_field, whole_number
from proxy.wire.limits import Caps
from proxy.wire.parse import count_brackets
from proxy.wire.said import MAX_LATENCY_MS
from proxy.wire.scan import is_deeper, mask_escapes, scan_members

DEFAULT_ROUTE: Final = "auto"
TIERS: Final = ("free", "pro", "enterprise")
WORKLOADS: Final = tuple(word.value for word in Workload if word is not Workload.EMBEDDINGS)
_SMALL: Final = frozenset({"model", "prompt", "workload", "tier", "max_latency_ms", "sensitive"})


class Question(NamedTuple):
    """The chat that is asked about, and the tenant's tier to suppose; None: as it is."""

    chat: bytes
    tier: str | None


def routing_question(body: bytes, caps: Caps) -> Question:
    """What *body* asks. Where it is a chat, or no sound JSON, that is for the parser to read.

    Raises:
        GatewayError: body_too_large, body_too_complex; body_too_deep, duplicate_field,
            missing_field or invalid_field in the small form.
    """
    _ = count_brackets(body, caps)
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Question(body, None)  # whose refusal is the parser's business
    if not isinstance(asked, dict) or "messages" in asked:
        return Question(body, None)
    if is_deeper(asked, caps.max_json_depth):
        raise GatewayError("body_too_deep", limit=caps.max_json_depth)
    _ = scan_members(body, mask_escapes(body), caps.max_json_depth)  # no name stands twice
    if unknown := sorted(asked.keys() - _SMALL):
        raise unknown_field(unknown[0], f"known are {', '.join(sorted(_SMALL))}, or a whole chat")
    prompt = asked.get("prompt")
    if prompt is None:
        raise missing("prompt")
    if not isinstance(prompt, str):
        raise invalid("prompt", "it must be a string")
    tier = _word(asked, "tier", TIERS)
    said = {
        "workload": _word(asked, "workload", WORKLOADS),
        "max_latency_ms": whole_number(asked, "max_latency_ms", 1, MAX_LATENCY_MS),
    }
    routing: dict[str, Any] = {name: word for name, word in said.items() if word is not None}
    if flag(asked, "sensitive"):
        routing["sensitivity"] = "regulated"
    chat: dict[str, Any] = {
        "model": asked.get("model", DEFAULT_ROUTE),
        "messages": [{"role": "user", "content": prompt}],
        "routing": routing,
    }
    return Question(orjson.dumps(chat), tier)


def _word(asked: Mapping[str, object], name: str, known: Collection[str]) -> str | None:
    word = asked.get(name)
    if word is None or (isinstance(word, str) and word in known):
        return word
    raise invalid(name, f"it must be one of {', '.join(known)}")
