"""What Facts keep of a request's shape and of what its caller named, free of payload. Pure.

Values that a caller names (a ticket, a session) and the text that prompts share are kept as
keyed hashes: equal ones can be told, and nothing else of them.
"""

from hashlib import blake2b
from typing import Final

from proxy.domain.reading import Reading, Role
from proxy.domain.said import Said
from proxy.domain.scopes import scope_hash
from proxy.values import value

HASH_BYTES: Final = 12
MIN_SHARED_BYTES: Final = 4096
"""Providers cache prompts from about a thousand tokens on."""


@value
class Traits:
    """The fields of Facts of the same names."""

    turns: int
    images: int
    tools: int
    max_latency_ms: int | None
    feature: str | None
    scopes: tuple[tuple[str, str], ...]
    session: str | None
    prefix: str | None


def traits_of(reading: Reading, said: Said, key: bytes) -> Traits:
    """The traits of a request; *key* (16 to 64 bytes) keys the hashes, one for a deployment."""
    return Traits(
        turns=reading.turns,
        images=reading.images,
        tools=reading.tools,
        max_latency_ms=said.max_latency_ms,
        feature=said.feature,
        scopes=tuple([(name, scope_hash(key, name, value)) for name, value in said.scopes]),
        session=None if said.session is None else _hash(key, said.session, b"session"),
        prefix=_prefix(reading, key),
    )


def _prefix(reading: Reading, key: bytes) -> str | None:
    """Of what a prompt cache would share: a long system prompt, by its first
    4 KiB; else, once a conversation goes on, of how it began.
    """
    head: list[str] = []
    size = 0
    for passage in reading.passages:
        if passage.role is not Role.SYSTEM:
            continue
        head.append(passage.text)
        size += len(passage.text)
        if size >= MIN_SHARED_BYTES:
            return _hash(key, "\0".join(head)[:MIN_SHARED_BYTES], b"prefix")
    if reading.turns < 2:
        return None
    began = [*head, reading.first_of(Role.USER)]
    return _hash(key, "\0".join(began)[:MIN_SHARED_BYTES], b"thread")


def _hash(key: bytes, text: str, purpose: bytes) -> str:
    return blake2b(text.encode(), digest_size=HASH_BYTES, key=key, person=purpose).hexdigest()
