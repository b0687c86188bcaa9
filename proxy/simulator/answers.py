"""What the simulated provider says: the content of an answer, before any bytes. Pure.

An answer is made once and then sent plain or streamed: the pieces of a stream, joined, are the
plain answer, and both have the same usage.
"""

import random
from dataclasses import dataclass
from typing import Any, Final

import orjson

from proxy.domain.usage import Usage
from proxy.simulator.asks import Ask, Refused
from proxy.simulator.instances import SchemaError, instance_of
from proxy.simulator.script import Script, ToolCall, draw
from proxy.simulator.tokens import text_of, tokens_of

MAX_TOKENS: Final = 1_000_000
"""More than any script may ask for, so that a slip of the pen does not fill the memory."""


@dataclass(frozen=True, slots=True)
class SpokenCall:
    """A tool call of an answer; `pieces` are its arguments, a token each."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        """The arguments as a plain answer has them, JSON text unless they were clipped."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of n. `pieces` are the content's tokens, `refusal` those of a refusal."""

    pieces: tuple[str, ...]
    refusal: tuple[str, ...]
    calls: tuple[SpokenCall, ...]
    finish_reason: str

    @property
    def content(self) -> str | None:
        """The text; None where there is a call or a refusal in its place."""
        return None if self.calls or self.refusal else "".join(self.pieces)

    @property
    def tokens(self) -> int:
        """What was generated; a call's name is its first token."""
        spoken = sum(1 + len(call.pieces) for call in self.calls)
        return len(self.pieces) + len(self.refusal) + spoken


@dataclass(frozen=True, slots=True)
class Answer:
    """All choices, and what they cost in tokens."""

    choices: tuple[Choice, ...]
    usage: Usage


def answer_to(ask: Ask, script: Script, chance: random.Random, echo: str | None) -> Answer:
    """The answer that *script* gives to *ask*; *echo* is its content where the script says echo.

    Words are drawn from the prompt and not from *chance* (which sets the length, where the
    script leaves that open), so the same prompt is answered alike, plain or streamed.

    Raises:
        Refused: 400, a schema of the call has no instance.
    """
    calls = _calls(ask, script)
    choices = []
    for index in range(ask.choices):
        if script.echo and echo is not None:
            choices.append(Choice(tuple(tokens_of(echo)), (), (), script.finish_reason or "stop"))
        elif calls:
            choices.append(_calling(calls, ask, script, chance))
        else:
            choices.append(_speaking(ask, script, chance, index))
    return Answer(tuple(choices), _usage(ask, script, sum(choice.tokens for choice in choices)))


def billed(usage: Usage, completion_tokens: int) -> Usage:
    """*usage* of an answer that was left off after *completion_tokens*."""
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=min(usage.reasoning_tokens, completion_tokens),
    )


def _usage(ask: Ask, script: Script, tokens: int) -> Usage:
    return Usage(
        prompt_tokens=ask.prompt_tokens,
        completion_tokens=tokens + script.reasoning_tokens,
        cached_tokens=min(script.cached_tokens, ask.prompt_tokens),
        reasoning_tokens=script.reasoning_tokens,
    )


def _calls(ask: Ask, script: Script) -> tuple[ToolCall, ...]:
    """The calls to make: the script's, else the one that the caller's tool_choice forces."""
    if script.tool_calls:
        return script.tool_calls
    if ask.forced_tool is None or not ask.tools:
        return ()
    return (ToolCall(ask.forced_tool or next(iter(ask.tools))),)


def _calling(
    calls: tuple[ToolCall, ...], ask: Ask, script: Script, chance: random.Random
) -> Choice:
    left = ask.max_tokens or MAX_TOKENS
    spoken: list[SpokenCall] = []
    clipped = False
    for call in calls:
        pieces = tokens_of(_arguments(call, ask))
        clipped = clipped or len(pieces) + 1 > left
        if left < 1:
            break
        kept = tuple(pieces[: left - 1])
        spoken.append(SpokenCall(call.id or f"call_{chance.getrandbits(96):024x}", call.name, kept))
        left -= 1 + len(kept)
    reason = "length" if clipped else "tool_calls"
    return Choice((), (), tuple(spoken), script.finish_reason or reason)


def _arguments(call: ToolCall, ask: Ask) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    if call.arguments is not None:
        return orjson.dumps(call.arguments).decode()
    return orjson.dumps(_instance(ask.tools.get(call.name, {"type": "object"}), "tools")).decode()


def _speaking(ask: Ask, script: Script, chance: random.Random, index: int) -> Choice:
    whole = tokens_of(script.refusal or _text(ask, script, chance, index))
    kept = tuple(whole[: ask.max_tokens])
    reason = script.finish_reason or ("length" if len(kept) < len(whole) else "stop")
    if script.refusal:
        return Choice((), kept, (), reason)
    return Choice(kept, (), (), reason)


def _text(ask: Ask, script: Script, chance: random.Random, index: int) -> str:
    if script.content is not None:
        return script.content
    if ask.json_schema is not None:
        return orjson.dumps(_instance(ask.json_schema, "response_format")).decode()
    length = min(MAX_TOKENS, max(0, round(draw(script.tokens, chance))))
    text = text_of(length, script.prose, random.Random(f"{ask.last_text}:{index}"))
    return orjson.dumps({"answer": text}).decode() if ask.json_object else text


def _instance(schema: Any, param: str) -> Any:
    try:
        return instance_of(schema)
    except (SchemaError, TypeError, AttributeError, ValueError) as error:
        raise Refused(400, f"Invalid schema: {error}", code="invalid_schema", param=param) from None
