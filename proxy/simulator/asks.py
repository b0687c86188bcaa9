"""What a call brings, and what it asks of the simulated provider. Pure.

The body is read as strictly as by OpenAI where a gateway could go wrong (JSON, required fields,
stream_options without a stream) and no stricter.
"""

import base64
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from proxy.domain.catalog import Endpoint
from proxy.simulator.tokens import MESSAGE_TOKENS, count_tokens

MAX_CHOICES: Final = 128
MAX_DIMENSIONS: Final = 16_384

SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key"})


class Refused(Exception):  # noqa: N818 - named for what happened, it is part of the protocol
    """The call is refused as OpenAI would: status and the four members of the error object."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came: headers in order, names as written, values as latin-1 text;
    `target` with its query.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of *name*, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def echo(self) -> str:
        """As JSON: method, target, headers (pairs), body_base64.

        A secret stands as its scheme and the SHA-256 of what follows it, `Bearer sha256:...`.
        """
        told: dict[str, Any] = {
            "method": self.method,
            "target": self.target,
            "headers": [[name, _told(name, value)] for name, value in self.headers],
            "body_base64": base64.b64encode(self.body).decode(),
        }
        return orjson.dumps(told).decode()


@dataclass(frozen=True, slots=True)
class Ask:
    """One call, understood.

    `choices` counts the answers asked for (n, times the prompts of a completion). `tools` maps
    a tool's name to the schema of its arguments. `forced_tool` is a name, or "" for any tool.
    `inputs` are the texts to embed; a token array stands as its JSON.
    """

    endpoint: Endpoint
    model: str
    stream: bool
    include_usage: bool
    choices: int
    max_tokens: int | None
    prompt_tokens: int
    last_text: str
    tools: Mapping[str, Mapping[str, Any]]
    forced_tool: str | None
    json_schema: Mapping[str, Any] | None
    json_object: bool
    inputs: tuple[str, ...]
    dimensions: int | None
    base64: bool


_NO_SCHEMA: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}


def read_ask(endpoint: Endpoint, body: bytes) -> Ask:
    """Understand *body*.

    Raises:
        Refused: 400, with the field at fault.
    """
    fields = _object_of(body)
    model = _typed(fields, "model", str)
    if not model:
        raise _missing("model")
    prompt = _prompt_of(endpoint, fields)
    prompts = len(prompt.texts) if endpoint is Endpoint.COMPLETIONS else 1
    stream = bool(_typed(fields, "stream", bool)) and endpoint is not Endpoint.EMBEDDINGS
    response_format = _typed(fields, "response_format", dict) or {}
    return Ask(
        endpoint=endpoint,
        model=model,
        stream=stream,
        include_usage=_include_usage(fields, stream=stream),
        choices=prompts * (_counted(fields, "n", MAX_CHOICES) or 1),
        max_tokens=_counted(fields, "max_completion_tokens") or _counted(fields, "max_tokens"),
        prompt_tokens=prompt.tokens,
        last_text=prompt.last_text,
        tools=_tools_of(fields),
        forced_tool=_forced_tool(fields),
        json_schema=_schema_of(response_format),
        json_object=response_format.get("type") == "json_object",
        inputs=prompt.texts if endpoint is Endpoint.EMBEDDINGS else (),
        dimensions=_counted(fields, "dimensions", MAX_DIMENSIONS),
        base64=fields.get("encoding_format") == "base64",
    )


def _object_of(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(fields, dict):
        raise Refused(400, "The body of your request must be a JSON object.")
    return fields


@dataclass(frozen=True, slots=True)
class _Prompt:
    texts: tuple[str, ...]
    tokens: int
    last_text: str


def _prompt_of(endpoint: Endpoint, fields: Mapping[str, Any]) -> _Prompt:
    match endpoint:
        case Endpoint.CHAT:
            return _messages_prompt(fields)
        case Endpoint.COMPLETIONS:
            return _plain_prompt(fields, "prompt")
        case Endpoint.EMBEDDINGS:
            return _plain_prompt(fields, "input")


def _messages_prompt(fields: Mapping[str, Any]) -> _Prompt:
    messages = _typed(fields, "messages", list)
    if not messages:
        raise _missing("messages")
    texts: list[str] = []
    last_text = ""
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _invalid(f"messages[{index}].role", "a string is required")
        texts.append(_content_text(message.get("content")))
        # The user's last text directs the script, even where a tool's result comes after it.
        if message["role"] == "user":
            last_text = texts[-1]
    tokens = sum(map(count_tokens, texts)) + MESSAGE_TOKENS * len(messages)
    return _Prompt(tuple(texts), tokens, last_text)


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part["text"]
            for part in content
            if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""


def _plain_prompt(fields: Mapping[str, Any], name: str) -> _Prompt:
    """A string, strings, one array of tokens, or several."""
    value = fields.get(name)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise _missing(name)
    if isinstance(value[0], int):
        value = [value]
    if not all(isinstance(item, str | list) for item in value):
        raise _invalid(name, "strings or arrays of tokens are required")
    texts = tuple(item if isinstance(item, str) else orjson.dumps(item).decode() for item in value)
    tokens = sum(count_tokens(item) if isinstance(item, str) else len(item) for item in value)
    return _Prompt(texts, tokens, texts[-1])


def _include_usage(fields: Mapping[str, Any], *, stream: bool) -> bool:
    options = _typed(fields, "stream_options", dict)
    if options is not None and not stream:
        raise _invalid("stream_options", "only allowed when 'stream' is enabled")
    return bool(options and options.get("include_usage"))


def _tools_of(fields: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    tools: dict[str, Mapping[str, Any]] = {}
    for index, tool in enumerate(_typed(fields, "tools", list) or []):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _invalid(f"tools[{index}].function.name", "a string is required")
        tools[function["name"]] = function.get("parameters") or _NO_SCHEMA
    return tools


def _forced_tool(fields: Mapping[str, Any]) -> str | None:
    match fields.get("tool_choice"):
        case "required":
            return ""
        case {"function": {"name": str(name)}}:
            return name
        case _:
            return None


def _schema_of(response_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            return None


def _counted(fields: Mapping[str, Any], name: str, most: int = sys.maxsize) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise _invalid(name, f"an integer from 1 to {most} is required")
    return value


def _typed(fields: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    value = fields.get(name)
    if value is not None and not isinstance(value, kind):
        raise _invalid(name, f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _missing(name: str) -> Refused:
    return Refused(
        400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name
    )


def _invalid(name: str, reason: str) -> Refused:
    return Refused(400, f"Invalid value for '{name}': {reason}.", code="invalid_value", param=name)


def _told(name: str, value: str) -> str:
    if name.lower() not in SECRET_HEADERS:
        return value
    scheme, _, secret = value.rpartition(" ")
    digest = hashlib.sha256(secret.encode("latin-1")).hexdigest()
    return f"{scheme} sha256:{digest}".strip()
