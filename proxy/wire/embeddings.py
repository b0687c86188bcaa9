"""Reads an embeddings request's body. Pure."""

from collections.abc import Mapping

from proxy.wire.fields import invalid
from proxy.wire.prompt import Prompt, measure_texts


def read_embeddings(body: Mapping[str, object]) -> Prompt:
    """What an embeddings *body* asks of a target. Each input counts as a message.

    Raises:
        GatewayError: missing_field or invalid_field.
    """
    value = body.get("input")
    size, count = measure_texts("input", value)
    if value == "":
        raise invalid("input", "it must not be empty")
    return Prompt(needs=frozenset(), prompt_bytes=size, message_count=count)
