"""How a simulated provider behaves: one frozen value, read from JSON or YAML. Pure.

A provider has a default script. A call changes single fields of it by a directive in its last
text, `[[sim: {"cut_at_event": 3}]]` (a gateway forwards that), and by the header `x-sim-script`
holding the same JSON (for callers without a gateway between); the header wins. Unknown keys are
refused. Events of a stream count from 0: the role event, one per token, the finish event, the
usage event, `[DONE]`; comments are not counted.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Final, Literal

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

_STRICT: Final = ConfigDict(extra="forbid")
_DIRECTIVE: Final = re.compile(r"\[\[sim:\s*(\{.*\})\s*\]\]", re.DOTALL)

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Magnitude = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ScriptError(ValueError):
    """A script that cannot be read; the text says which field and why."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything from `min` to `max`, equally likely."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    min: Magnitude
    max: Magnitude


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Mostly near `median`, with a long tail that grows with `sigma`."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    median: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    sigma: Magnitude


Amount = Magnitude | Uniform | Lognormal
"""A fixed number, `{"min": a, "max": b}` or `{"median": m, "sigma": s}`."""


def draw(amount: float | Uniform | Lognormal, chance: random.Random) -> float:
    """One sample of *amount*, in its own unit."""
    if isinstance(amount, Uniform):
        return chance.uniform(amount.min, amount.max)
    if isinstance(amount, Lognormal):
        return amount.median * chance.lognormvariate(0.0, amount.sigma)
    return amount


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An answer that is an error, given to `rate` of the calls."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    status: Annotated[int, Field(ge=300, le=599)] = 500
    rate: Share = 1.0
    body: Literal["openai", "plain", "html", "empty"] = "openai"
    code: str | int | None = None
    type: str | None = None
    message: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimited:
    """A 429 given to `rate` of the calls; `retry_after` is sent as written, however odd."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    retry_after: float | str | None = None
    rate: Share = 1.0
    code: str = "rate_limit_exceeded"


@dataclass(frozen=True, slots=True)
class Comments:
    """Comments sent while the first token is thought about, one every `every_ms`."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    count: Count
    every_ms: Magnitude = 0.0
    text: str = "SIMULATOR PROCESSING"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call to answer with; without `arguments` they are made to fit the tool's schema."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: str
    arguments: str | dict[str, Any] | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What one call gets. The default is an instant, flawless answer of 32 tokens."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    # When. All in milliseconds; a plain answer takes them all before its head.
    latency_ms: Amount = 0.0
    """From the whole request to the head of the answer, errors included."""
    first_token_ms: Amount = 0.0
    """From the head of a stream to its first event."""
    tokens_per_second: Amount = 0.0
    """Pace of the tokens; 0 sends them all at once."""
    slow_headers_ms: Magnitude = 0.0
    """Between the two halves of the answer's head."""
    comments: Comments | None = None

    # What.
    tokens: Amount = 32.0
    """Length of the answer where `content` is not given; the caller's max_tokens still clips."""
    content: str | None = None
    prose: Literal["lorem", "fine"] = "lorem"
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    echo: bool = False
    """Answer with what was received: see `received`. Not clipped by max_tokens."""
    extra_fields: bool = False
    """Add fields that OpenAI does not know: timings, x_groq, reasoning_content."""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str | None = None
    raw: str | None = None
    """The whole body of a success, as written, in place of the one made here."""

    # Usage: auto as OpenAI does (a stream reports it when asked, nulls before it); always: an
    # event unasked; null_until_end: the same, nulls before it; zero: asked or not, zeros.
    usage: Literal["auto", "always", "never", "null_until_end", "zero"] = "auto"
    usage_on_last_chunk: bool = False
    """On the finish event instead of an event of its own."""
    cached_tokens: Count = 0
    reasoning_tokens: Count = 0

    # Refusals, decided before an answer begins.
    error: ErrorReply | None = None
    rate_limited: RateLimited | None = None
    redirect: str | None = None
    """Answer 302 with this location."""

    # The stream's bytes.
    split: Literal["bytes"] | Annotated[int, Field(ge=1)] | None = None
    """Send the body in pieces of so many bytes, each a chunk of its own."""
    split_wire: Literal["bytes"] | Annotated[int, Field(ge=1)] | None = None
    """Cut what goes over the wire, chunk framing included, into pieces of so many bytes."""
    line_end: Literal["lf", "crlf", "cr"] = "lf"
    framing: Literal["auto", "chunked", "close"] = "auto"
    """auto: content-length for a plain answer, chunks for a stream; close: ends by closing."""
    no_done: bool = False
    malformed_at_event: Count | None = None
    error_event_at: Count | None = None
    """An error event in place of this one; the stream then ends cleanly, without `[DONE]`."""
    error_event_first: bool = False

    # The connection.
    cut_at_event: Count | None = None
    """Dropped before this event."""
    cut_mid_event: Count | None = None
    """Dropped halfway through this event."""
    cut_with: Literal["close", "reset"] = "close"
    """close: what was written still arrives; reset: the client gets a TCP reset."""
    stall_at_event: Count | None = None
    """Silent for ever instead of sending this event."""
    close_after_request: bool = False
    """Read the request and close without a byte."""
    close_reused: bool = False
    """The same, but only on a connection that already served a call."""
    close_idle: bool = False
    """Announce keep-alive, answer, and close at once (llama.cpp does)."""
    connection_close: bool = False
    """Say `Connection: close` and do so."""

    # Plain answers.
    hang: Literal["head", "body"] | None = None
    """Silent for ever before the head, or (plain answers) halfway through the body."""
    truncate_bytes: Count = 0
    """Announce the whole body, leave out its last bytes, close."""
    huge_body_bytes: Count = 0
    """Pad the body with a field of so many bytes."""
    leading_newlines: Count = 0
    """Before the JSON, as DeepSeek sends them to keep a connection alive."""


_ADAPTER: Final = TypeAdapter(Script)


def read_script(fields: object, default: Script) -> Script:
    """*default* with *fields* (a decoded JSON object) in place of its own.

    Raises:
        ScriptError: not an object, an unknown key, or a value that does not fit.
    """
    if not isinstance(fields, Mapping):
        raise ScriptError("a script is a JSON object")
    try:
        checked = _ADAPTER.validate_python(dict(fields))
    except ValidationError as error:
        raise ScriptError(_explained(error)) from None
    return replace(default, **{name: getattr(checked, name) for name in fields})


def read_script_json(text: str | bytes, default: Script) -> Script:
    """`read_script` of JSON *text*.

    Raises:
        ScriptError: as `read_script`, or not JSON.
    """
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ScriptError(f"not JSON: {error}") from None
    return read_script(fields, default)


def directive_in(text: str) -> str | None:
    """The JSON of the directive that *text* holds, if it does."""
    found = _DIRECTIVE.search(text)
    return found[1] if found else None


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    )
