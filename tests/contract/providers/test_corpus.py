"""One corpus of raw answers through both transports: the same result, or a known difference."""

from contextlib import suppress

import pytest

from proxy.domain.outcome import FailureKind
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.corpus import (
    BAD,
    CHUNKED,
    DIFFERENCES,
    GONE,
    GOOD,
    ROWS,
    SIZED,
    Broken,
    Outcome,
    Row,
    Whole,
)
from tests.contract.providers.replies import sending
from tests.server.upstream import Line, RawUpstream

MAX_SENT_BYTES = 16_000_000
"""What an endless answer may send before it is cut off, kernel buffers included."""


async def play(row: Row, line: Line, pieces: list[bytes]) -> None:
    """Answer a call as *row* says, *pieces* being its bytes."""
    for piece in pieces:
        await line.send(piece)
    sent_bytes = 0
    with suppress(ConnectionError):
        while row.tail and not line.is_closing:
            await line.flood(row.tail)
            sent_bytes += len(row.tail)
    assert sent_bytes < MAX_SENT_BYTES
    if row.cut:
        line.cut()


async def seen(caller: Caller) -> Outcome:
    """What the caller of an answer sees."""
    reply = await caller.post()
    if isinstance(reply, FailureKind):
        return reply
    body = b""
    while piece := await reply.read():
        if isinstance(piece, FailureKind):
            reply.close()
            return Broken()
        body += piece
    assert not isinstance(piece, FailureKind)
    reply.close()
    return Whole(reply.status, body)


async def observed(client: Client, upstream: RawUpstream, row: Row, pieces: list[bytes]) -> Outcome:
    """What *client* makes of *row*, the fate of its connection included."""
    caller = Caller(client, upstream.url, max_connections=1)
    upstream.answers(lambda line: play(row, line, pieces))
    outcome = await seen(caller)
    await upstream.until_answered()
    before = upstream.connections
    upstream.answers(sending(SIZED))
    assert await seen(caller) == GOOD, "the place in the pool is free, and its next call is clean"
    kept = upstream.connections == before
    if isinstance(outcome, Whole):
        return Whole(outcome.status, outcome.body, kept)
    assert not kept, "a connection that brought what is no answer is never used again"
    return outcome


@pytest.mark.parametrize("name", ROWS)
async def test_answer_is_what_the_corpus_says(
    client: Client, upstream: RawUpstream, name: str
) -> None:
    """A good one is whole; a bad one is a failure, no exception, and takes its connection along."""
    row = ROWS[name]
    expected: Outcome | None = row.lean
    if not client.is_lean and name in DIFFERENCES:
        expected, _ = DIFFERENCES[name]
        if expected is None:
            return
    if isinstance(expected, Broken) and not row.tail:
        expected = BAD

    assert await observed(client, upstream, row, [row.raw]) == expected


@pytest.mark.parametrize("name", ROWS)
async def test_answer_that_comes_in_parts_is_the_same(
    client: Client, upstream: RawUpstream, name: str
) -> None:
    """Head and body apart: what is wrong with the body is a break after the head."""
    row = ROWS[name]
    if not client.is_lean or len(row.raw) > 100_000:
        return
    head, end, body = row.raw.partition(b"\r\n\r\n")

    assert await observed(client, upstream, row, [head + end, body]) == row.lean


def test_every_difference_is_one_of_the_corpus() -> None:
    """The table of differences names rows that are there, and nothing that does not differ."""
    assert set(DIFFERENCES) <= set(ROWS)
    assert [name for name, (outcome, _) in DIFFERENCES.items() if outcome == ROWS[name].lean] == []


@pytest.mark.parametrize(
    "wire",
    [SIZED, CHUNKED + b"1\r\n{\r\n1;a\r\n}\r\n0\r\nx-a: b\r\n\r\n"],
    ids=["sized", "chunks"],
)
async def test_answer_that_is_cut_anywhere_is_never_whole(
    client: Client, upstream: RawUpstream, wire: bytes
) -> None:
    """Within the head nothing came; within the body it broke; at no byte was that all."""
    head_bytes = wire.index(b"\r\n\r\n") + 4
    for at in range(len(wire)):
        row = Row(wire[:at], GONE if at < head_bytes else Broken(), cut=True)
        caller = Caller(client, upstream.url)
        upstream.answers(lambda line, row=row: play(row, line, [row.raw]))  # type: ignore[misc]
        assert await seen(caller) == row.lean, at
