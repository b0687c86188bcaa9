"""Reads a (legacy) completion request's body. Pure."""

from collections.abc import Mapping

from proxy.domain.catalog import Capability
from proxy.wire.chat import count_of_answers, output_limit
from proxy.wire.prompt import Prompt, bytes_beside, measure_texts


def read_completion(body: Mapping[str, object]) -> Prompt:
    """What a completion *body* asks of a target. Each prompt counts as a message.

    Raises:
        GatewayError: missing_field or invalid_field.
    """
    size, count = measure_texts("prompt", body.get("prompt"))
    return Prompt(
        needs=frozenset({Capability.COMPLETIONS}),
        prompt_bytes=size + bytes_beside(body),
        message_count=count,
        max_output_tokens=output_limit(body),
        n=count_of_answers(body),
    )
