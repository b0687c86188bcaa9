"""What a decoded answer, whole or a chunk of one, says of itself: usage, end, error. Pure.

Providers differ and err, so nothing here raises: what makes no sense is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.domain.usage import Usage
from proxy.wire.mask import token_of

MAX_FIGURE = 2**31 - 1
"""Above this a token figure is nonsense."""


@dataclass(frozen=True, slots=True)
class AnswerError:
    """An error that came with a success status. Never the message: it may quote a prompt."""

    code: str | None
    status: int | None


def usage_of(answer: Mapping[str, object]) -> Usage | None:
    """The usage that *answer* reports, None for none or for nonsense (negative, huge, no number).

    Understands OpenAI's object, DeepSeek's `prompt_cache_hit_tokens`, Groq's `x_groq.usage`. Parts
    are cut to their whole. Where the total exceeds its parts the rest counts as output: that is
    the reasoning that some providers (Gemini, xAI) leave out of `completion_tokens`.
    """
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        groq = answer.get("x_groq")
        usage = groq.get("usage") if isinstance(groq, dict) else None
    return usage_from(usage) if isinstance(usage, dict) else None


def usage_from(usage: Mapping[str, object]) -> Usage | None:
    """What a usage object says; see `usage_of`."""
    prompt, completion = _figure(usage, "prompt_tokens"), _figure(usage, "completion_tokens")
    if prompt is None or completion is None:
        return None
    if not prompt and not completion and not _says_zero(usage):
        return None
    total = _figure(usage, "total_tokens") or 0
    if total > prompt + completion:
        completion = total - prompt
    cached = written = reasoning = 0
    if isinstance(details := usage.get("prompt_tokens_details"), dict):
        cached = _figure(details, "cached_tokens") or 0
        written = _figure(details, "cache_write_tokens") or 0
    if isinstance(details := usage.get("completion_tokens_details"), dict):
        reasoning = _figure(details, "reasoning_tokens") or 0
    if not cached:
        cached = _figure(usage, "prompt_cache_hit_tokens") or 0
    cached = min(cached, prompt)
    return Usage(
        prompt, completion, cached, min(written, prompt - cached), min(reasoning, completion)
    )


def _says_zero(usage: Mapping[str, object]) -> bool:
    """Whether a figure that came out as 0 was really there."""
    return any(_is_figure(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))


def finish_reason_of(answer: Mapping[str, object]) -> str | None:
    """Why the first choice that says so ended."""
    choices = answer.get("choices")
    if isinstance(choices, list):
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            reason = choice.get("finish_reason")
            if reason == "stop" or (reason := token_of(reason)):  # nearly always the first
                return reason
    return None


def error_of(answer: object) -> AnswerError | None:
    """The error that *answer* is or bears: a truthy `error`, vLLM's `object: error`, or one of
    these in a list (Gemini).
    """
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict):
        return None
    error = answer.get("error")
    if not error:
        if answer.get("object") != "error":
            return None
        error = answer
    if not isinstance(error, dict):
        return AnswerError(None, None)
    code = error.get("code")
    return AnswerError(token_of(code) or token_of(error.get("type")), _status_in(code, error))


def _status_in(code: object, error: Mapping[str, object]) -> int | None:
    for value in (code, error.get("status"), error.get("status_code")):
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _is_figure(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer() and 0 <= value <= MAX_FIGURE
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FIGURE


def _figure(usage: Mapping[str, object], name: str) -> int | None:
    """The figure; 0 where it is absent or null, None where it is nonsense."""
    value = usage.get(name)
    if type(value) is int and 0 <= value <= MAX_FIGURE:  # nearly always, and cheap to tell
        return value
    if value is None:
        return 0
    return int(value) if isinstance(value, int | float) and _is_figure(value) else None
