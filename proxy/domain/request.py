"""A client's request as the gateway sees it: the bytes as sent, and what routing needs. Pure."""

from collections.abc import KeysView, Mapping
from dataclasses import field
from typing import NamedTuple, Protocol

from proxy.domain.catalog import Capability, Endpoint
from proxy.values import value


class Span(NamedTuple):
    """A stretch of the body, in bytes: `body[start:end]`."""

    start: int
    end: int


class Member(NamedTuple):
    """A member of a JSON object in the body: where its key stands and where its value does.

    Flat, and a tuple: many may be made for a request.
    """

    key_start: int
    key_end: int
    start: int
    end: int

    @property
    def value(self) -> Span:
        """Where its value stands."""
        return Span(self.start, self.end)


class Headers(Protocol):
    """A client's header fields, by name in lower case; those of one name are joined by commas."""

    def get(self, name: str, /) -> str | None:
        """The field *name*, None where there is none."""

    def keys(self) -> KeysView[str]:
        """All names, in any case."""


@value
class Request:
    """A parsed request. `body` is untouched; `decoded` is what it says,
    for the classifier and for whoever rewrites it.

    `wants_usage`: the client asked for a usage event in its stream. `max_output_tokens` is what
    the client allowed (times nothing: `n` stands beside it), None where it did not say.
    `prompt_bytes` counts the text that the upstream will read, for estimates. What the client
    wrote does not show when a request is printed.
    """

    endpoint: Endpoint
    body: bytes = field(repr=False)
    decoded: Mapping[str, object] = field(repr=False, compare=False)
    route_id: str = field(repr=False)
    stream: bool
    wants_usage: bool
    needs: frozenset[Capability]
    max_output_tokens: int | None
    n: int
    prompt_bytes: int
    message_count: int
