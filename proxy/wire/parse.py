"""Step 2: a client's bytes become a Request, or a refusal that names the field. Pure.

Only what routing needs is validated; everything else passes through untouched. But all of it is
read for what its texts hold, so it must mean the same to the upstream: a key that stands twice,
anywhere, or that differs from one of ours in case only, is refused, since parsers disagree on
which of the two counts.
"""

from collections.abc import Iterable, Mapping

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.request import Request
from proxy.errors import GatewayError
from proxy.wire.chat import read_chat
from proxy.wire.completions import read_completion
from proxy.wire.embeddings import read_embeddings
from proxy.wire.fields import flag, invalid, missing, optional_object, shown
from proxy.wire.limits import Caps
from proxy.wire.prompt import Prompt
from proxy.wire.scan import is_deeper, mask_escapes, refuse_duplicates, scan_members

MAX_MODEL_CHARS = 256

WALKED_BRACKETS = 5000
"""Up to so many lists and objects are walked for their depth; above, the scanner is quicker."""

_OURS = frozenset(
    {"model", "messages", "prompt", "input", "stream", "stream_options", "routing", "n", "best_of"}
    | {"max_tokens", "max_completion_tokens", "tools", "functions", "response_format", "modalities"}
)

_USUAL = frozenset(
    _OURS
    | {"audio", "frequency_penalty", "function_call", "logit_bias", "logprobs", "metadata"}
    | {"parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key"}
    | {"reasoning_effort", "safety_identifier", "seed", "service_tier", "stop", "store"}
    | {"temperature", "tool_choice", "top_logprobs", "top_p", "user", "verbosity"}
    | {"encoding_format", "dimensions", "echo", "suffix"}
)
"""Names that need no second look. Others are as welcome."""


def parse(endpoint: Endpoint, body: bytes, caps: Caps) -> Request:
    """Read *body*, sent to *endpoint*.

    Raises:
        GatewayError: body_too_large, body_too_complex, invalid_json, invalid_body, body_too_deep,
            too_many_fields, duplicate_field, missing_field, invalid_field. No message quotes the
            body but for field names, capped and in printable ASCII.
    """
    brackets = count_brackets(body, caps)
    decoded = _decode(body, caps)
    # Depth first: orjson does not write what is nested as deeply as it reads.
    if _may_be_deep(decoded, brackets, caps) or not _holds_no_key_twice(body, decoded):
        _look_closely(body, decoded, caps)
    if not _USUAL.issuperset(decoded):
        _refuse_lookalikes(decoded)
    return _request_of(endpoint, body, decoded)


def count_brackets(body: bytes, caps: Caps) -> int:
    """How many lists and objects *body* may hold; to be asked before it is decoded, since it also
    bounds how long that takes.

    Raises:
        GatewayError: body_too_large, body_too_complex.
    """
    if len(body) > caps.max_body_bytes:
        raise GatewayError("body_too_large", limit=caps.max_body_bytes)
    most = caps.max_brackets
    brackets = _count(body, b"[", most) + _count(body, b"{", most)
    if brackets > most:
        raise GatewayError("body_too_complex", limit=most)
    quotes = 2 * caps.max_strings
    # Those within a text stand behind a backslash; they are told apart only where there are many.
    if _count(body, b'"', quotes) > quotes:
        bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
        if _count(bare, b'"', quotes) > quotes:
            raise GatewayError("body_too_complex", limit=caps.max_strings)
    return brackets


def _count(body: bytes, sign: bytes, most: int) -> int:
    """How often *sign* stands in *body*; of more than *most*, one more."""
    # Bytes are left out no faster than they are found, and where few are, that is several times
    # as quick as to count them.
    return len(body) - len(body.replace(sign, b"", most + 1))


def _holds_no_key_twice(body: bytes, decoded: dict[str, object]) -> bool:
    """Whether no object in *body* holds a key twice, told without looking for it.

    Most SDKs write JSON as orjson does, and what was decoded holds no key twice. Otherwise an
    object with a repeated key has more quotes than what it decodes to has when encoded again.
    """
    encoded = orjson.dumps(decoded)
    return encoded == body or (
        b"\\u0022" not in body  # a quote that orjson spells otherwise
        and body.count(b'"') == encoded.count(b'"')
    )


def _may_be_deep(decoded: dict[str, object], brackets: int, caps: Caps) -> bool:
    if brackets <= caps.max_json_depth:
        return False
    return brackets > WALKED_BRACKETS or is_deeper(decoded, caps.max_json_depth)


def _look_closely(body: bytes, decoded: dict[str, object], caps: Caps) -> None:
    # Every member is read by somebody: by routing, or for what its texts hold.
    masked = mask_escapes(body)
    for name, member in scan_members(body, masked, caps.max_json_depth).items():
        refuse_duplicates(name, body, masked, member.value, decoded[name])


def _decode(body: bytes, caps: Caps) -> dict[str, object]:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        refusal = _refusal_of(error, body, caps)
    else:
        if not isinstance(decoded, dict):
            raise GatewayError("invalid_body")
        if len(decoded) > caps.max_members:
            raise GatewayError("too_many_fields", limit=caps.max_members)
        return decoded
    raise refusal  # outside the handler: orjson's error holds the whole body


def _refusal_of(error: orjson.JSONDecodeError, body: bytes, caps: Caps) -> GatewayError:
    if "depth limit" in error.msg:
        return GatewayError("body_too_deep", limit=caps.max_json_depth)
    if not body.strip():
        reason = "it is empty"
    elif body.startswith(b"\xef\xbb\xbf"):
        reason = "it starts with a byte order mark"
    elif "UTF-8" in error.msg:
        reason = "it is not in UTF-8"
    else:
        reason = f"it breaks at line {error.lineno}, column {error.colno}"
    return GatewayError("invalid_json", reason=reason)


def _refuse_lookalikes(names: Iterable[str]) -> None:
    # Go's encoding/json, hence Ollama, takes "Model" for "model", and the last one wins.
    for name in names:
        if name.isascii() and name.islower():
            continue
        if (ours := name.casefold()) in _OURS:
            raise invalid(shown(name), f"write it as '{ours}'")


def _request_of(endpoint: Endpoint, body: bytes, decoded: dict[str, object]) -> Request:
    model = _model_of(decoded)
    if "routing" in decoded and not isinstance(decoded["routing"], dict):
        raise invalid("routing", "it must be an object")
    prompt = _prompt_of(endpoint, decoded)
    stream, wants_usage = (False, False) if endpoint is Endpoint.EMBEDDINGS else _stream_of(decoded)
    return Request(
        endpoint=endpoint,
        body=body,
        decoded=decoded,
        route_id=model,
        stream=stream,
        wants_usage=wants_usage,
        needs=prompt.needs,
        max_output_tokens=prompt.max_output_tokens,
        n=prompt.n,
        prompt_bytes=prompt.prompt_bytes,
        message_count=prompt.message_count,
    )


def _prompt_of(endpoint: Endpoint, decoded: Mapping[str, object]) -> Prompt:
    if endpoint is Endpoint.CHAT:
        return read_chat(decoded)
    if endpoint is Endpoint.COMPLETIONS:
        return read_completion(decoded)
    return read_embeddings(decoded)


def _model_of(decoded: Mapping[str, object]) -> str:
    model = decoded.get("model")
    if model is None:
        raise missing("model")
    if not isinstance(model, str) or not 0 < len(model) <= MAX_MODEL_CHARS:
        raise invalid("model", f"it must be a string of 1 to {MAX_MODEL_CHARS} characters")
    return model


def _stream_of(decoded: Mapping[str, object]) -> tuple[bool, bool]:
    """Whether a stream is asked for, and whether its usage event is."""
    if "stream" not in decoded and "stream_options" not in decoded:
        return False, False
    stream = flag(decoded, "stream")
    wanted = optional_object(decoded, "stream_options").get("include_usage")
    if wanted is not None and not isinstance(wanted, bool):
        raise invalid("stream_options.include_usage", "it must be true or false")
    return stream, stream and wanted is True
