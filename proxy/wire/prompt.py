"""What the endpoints' readers say of a body: the part that routing and estimates need. Pure."""

from collections.abc import Mapping
from typing import Final

import orjson

from proxy.domain.catalog import Capability
from proxy.domain.usage import BYTES_PER_TOKEN
from proxy.values import value
from proxy.wire.fields import invalid, missing

_NOT_READ: Final = frozenset(
    {"model", "messages", "prompt", "routing", "stream", "stream_options", "metadata", "user"}
    | {"max_tokens", "max_completion_tokens", "n", "best_of", "echo", "seed", "stop", "store"}
    | {"temperature", "top_p", "top_logprobs", "logprobs", "logit_bias", "modalities", "audio"}
    | {"presence_penalty", "frequency_penalty", "parallel_tool_calls", "prompt_cache_key"}
    | {"reasoning_effort", "safety_identifier", "service_tier", "verbosity"}
)
"""Members of a body that are measured elsewhere, or are no part of what is billed as text."""

NO_NEEDS: frozenset[Capability] = frozenset()


@value
class Prompt:
    """A body's prompt in figures; the fields are those of `domain.request.Request`."""

    needs: frozenset[Capability]
    prompt_bytes: int
    message_count: int
    max_output_tokens: int | None = None
    n: int = 1


def text_bytes(text: str) -> int:
    """The length of *text* in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def written_bytes(value: object) -> int:
    """The most bytes of text that a provider can read in *value*: JSON counts with its names and
    escapes, at the speed of its encoder.
    """
    if isinstance(value, str):
        return text_bytes(value)
    return 0 if value is None else len(orjson.dumps(value))


def bytes_beside(body: Mapping[str, object]) -> int:
    """What a provider can read of *body* beside its prompt: tools, schemas, and members that are
    not known, so that no text is sent for nothing.
    """
    if _NOT_READ.issuperset(body):
        return 0
    return sum([written_bytes(value) for name, value in body.items() if name not in _NOT_READ])


def measure_texts(field: str, value: object) -> tuple[int, int]:
    """The size in bytes and the number of the prompts in a text-or-tokens field.

    A string, strings, token numbers (one prompt), or lists of token numbers.

    Raises:
        GatewayError: missing_field where it is absent or null; invalid_field.
    """
    if value is None:
        raise missing(field)
    if isinstance(value, str):
        return text_bytes(value), 1
    if not isinstance(value, list):
        raise invalid(field, "it must be a string or a list")
    if not value:
        raise invalid(field, "it must not be empty")
    return _measure_list(field, value)


def _measure_list(field: str, items: list[object]) -> tuple[int, int]:
    kinds = set(map(type, items))
    if kinds == {str}:
        return sum(text_bytes(item) for item in items if isinstance(item, str)), len(items)
    if kinds == {int}:
        return len(items) * BYTES_PER_TOKEN, 1
    if kinds == {list}:
        lists = [item for item in items if isinstance(item, list)]
        if all(set(map(type, tokens)) == {int} for tokens in lists):
            return sum(map(len, lists)) * BYTES_PER_TOKEN, len(lists)
    raise invalid(field, "it must hold strings, or token numbers, or lists of token numbers")
