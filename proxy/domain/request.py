"""A client's request as the gateway sees it: the bytes as sent, and what routing needs. Pure."""

from dataclasses import dataclass

from proxy.domain.catalog import Capability, Endpoint


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the body, in bytes: `body[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a JSON object in the body: the spans of its key and of its value."""

    key: Span
    value: Span


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request. `body` is untouched; `members` says where its top-level members stand.

    `wants_usage`: the client asked for a usage event in its stream. `max_output_tokens` is what
    the client allowed (times nothing: `n` stands beside it), None where it did not say.
    `prompt_bytes` counts the text that the upstream will read, for estimates.
    """

    endpoint: Endpoint
    body: bytes
    members: dict[str, Member]
    route_id: str
    stream: bool
    wants_usage: bool
    needs: frozenset[Capability]
    max_output_tokens: int | None
    n: int
    prompt_bytes: int
    message_count: int
