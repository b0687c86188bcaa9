"""Reads a chat completion request's body: what it needs and how large it is. Pure."""

from collections.abc import Mapping

from proxy.domain.catalog import Capability
from proxy.errors import GatewayError
from proxy.wire.fields import invalid, missing, optional_object, refuse_unless_number, whole_number
from proxy.wire.prompt import NO_NEEDS, Prompt, bytes_beside, text_bytes, written_bytes

MAX_TOKENS_CEILING = 2**31 - 1
MAX_N = 128
MAX_MESSAGES = 20_000
"""Ten times what providers take; to look at so many holds everybody else up for 0.05 s."""

_ROLES = frozenset({"developer", "system", "user", "assistant", "tool", "function"})
_PROVIDERS_NUMBERS = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"})
_SPECIAL = frozenset({"tools", "functions", "response_format", "modalities"})
_NEED_OF_PART = {"image_url": Capability.VISION, "input_audio": Capability.AUDIO}
_NO_TEXT_OF_PART = {"image_url": "image_url", "input_audio": "input_audio", "file": "file"}
_TEXT_PART = {"type", "text"}


def read_chat(body: Mapping[str, object]) -> Prompt:
    """What a chat *body* asks of a target. `prompt_bytes` counts all that may be billed as
    text, since bounds on cost rest on it; images, sound and files are not text.

    Raises:
        GatewayError: missing_field or invalid_field, with the field's path as `param`.
    """
    needs: set[Capability] = set()
    size = bytes_beside(body)
    if not _SPECIAL.isdisjoint(body):
        needs = _needs_of_options(body)
    messages = body.get("messages")
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise invalid("messages", f"it must be a list of 1 to {MAX_MESSAGES:,} messages")
    for at, message in enumerate(messages):
        size += _read_message(at, message, needs)
    return Prompt(
        frozenset(needs) if needs else NO_NEEDS,
        size,
        len(messages),
        output_limit(body),
        count_of_answers(body),
    )


def message_bytes(message: Mapping[str, object]) -> int:
    """What *message*, of a body that was read already, adds to `prompt_bytes`."""
    return _read_message(0, message, set())


def output_limit(body: Mapping[str, object]) -> int | None:
    """The most tokens that the client allows for an answer; the larger of two spellings.

    Raises:
        GatewayError: invalid_field.
    """
    limit = whole_number(body, "max_tokens", 1, MAX_TOKENS_CEILING)
    other = whole_number(body, "max_completion_tokens", 1, MAX_TOKENS_CEILING)
    return max(limit, other) if limit and other else limit or other


def count_of_answers(body: Mapping[str, object]) -> int:
    """How many answers are written and billed; also checks numbers whose range is the provider's.

    Raises:
        GatewayError: invalid_field.
    """
    if not _PROVIDERS_NUMBERS.isdisjoint(body):
        for name in _PROVIDERS_NUMBERS:
            refuse_unless_number(body, name)
    n = whole_number(body, "n", 1, MAX_N) or 1
    return max(n, whole_number(body, "best_of", 1, MAX_N) or 1) if "best_of" in body else n


def _needs_of_options(body: Mapping[str, object]) -> set[Capability]:
    needs: set[Capability] = set()
    tools, functions = body.get("tools"), body.get("functions")
    if (isinstance(tools, list) and tools) or (isinstance(functions, list) and functions):
        needs.add(Capability.TOOLS)
    if optional_object(body, "response_format").get("type") == "json_schema":
        needs.add(Capability.JSON_SCHEMA)
    modalities = body.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        needs.add(Capability.AUDIO)
    return needs


def _read_message(at: int, message: object, needs: set[Capability]) -> int:
    """The bytes of text in *message*; what its parts need is added to *needs*."""
    if not isinstance(message, dict):
        raise invalid(f"messages[{at}]", "it must be an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise _role_refusal(f"messages[{at}].role", role)
    content = message.get("content")
    if isinstance(content, str):
        size = len(content) if content.isascii() else text_bytes(content)
    elif isinstance(content, list):
        size = sum([_read_part(part, needs) for part in content])
    else:
        size = written_bytes(content)
    if len(message) > 1 + ("content" in message):
        beside = message.keys() - {"role", "content"}
        size += sum([written_bytes(message[name]) for name in beside])
    return size


def _role_refusal(field: str, role: object) -> GatewayError:
    if role is None:
        return missing(field)
    return invalid(field, f"it must be one of {', '.join(sorted(_ROLES))}")


def _read_part(part: object, needs: set[Capability]) -> int:
    if not isinstance(part, dict):
        return written_bytes(part)
    kind = part.get("type")
    if kind == "text" and part.keys() == _TEXT_PART:
        return written_bytes(part["text"])
    if not isinstance(kind, str):
        return written_bytes(part)
    if kind in _NEED_OF_PART:
        needs.add(_NEED_OF_PART[kind])
    no_text = ("type", "cache_control", _NO_TEXT_OF_PART.get(kind))
    return sum([written_bytes(value) for name, value in part.items() if name not in no_text])
