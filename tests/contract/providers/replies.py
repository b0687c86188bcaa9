"""What an upstream is told to send, and what a caller makes of it."""

from proxy.domain.outcome import FailureKind
from proxy.providers.upstream import UpstreamReply
from tests.contract.providers.callers import Caller
from tests.server.upstream import (
    JSON_BODY,
    Line,
    RawUpstream,
    Script,
)

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = JSON_BODY + b"content-length: 2\r\n\r\n{}"


def sending(*pieces: bytes, then: str = "") -> Script:
    """A script that sends *pieces* one by one; then cuts, resets or stays silent, if so told."""

    async def script(line: Line) -> None:
        for piece in pieces:
            await line.send(piece)
        if then == "cut":
            line.cut()
        elif then == "reset":
            line.reset()
        elif then == "silence":
            await line.until_left()

    return script


async def answered(caller: Caller, **options: float) -> UpstreamReply:
    """A reply, which must begin."""
    reply = await caller.post(**options)
    assert not isinstance(reply, FailureKind), reply
    return reply


async def body_of(reply: UpstreamReply) -> bytes | FailureKind:
    """The whole body, or what it broke with."""
    whole = b""
    while not isinstance(piece := await reply.read(), FailureKind):
        if not piece:
            return whole
        whole += piece
    return piece


async def a_used(caller: Caller, upstream: RawUpstream) -> None:
    """Make a call that ends well, so that its connection is kept."""
    upstream.answers(sending(WHOLE))
    reply = await answered(caller)
    assert await body_of(reply) == b"{}"
    reply.close()
    await upstream.until_answered()
