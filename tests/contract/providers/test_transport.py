"""What the transports promise of connections, heads and places in the pool."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.domain.outcome import FailureKind
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.replies import OK, WHOLE, a_used, answered, body_of, sending
from tests.server.upstream import (
    CHUNKED,
    EVENT_STREAM,
    LAST_CHUNK,
    Line,
    RawUpstream,
    chunked,
)


async def test_call_and_reply_are_whole(caller: Caller, upstream: RawUpstream) -> None:
    """The body goes out as it is; status, headers and body come back as they are."""
    head = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Type: Application/JSON; x=y\r\n"
    upstream.answers(sending(head + b"Content-Length: 4\r\n\r\n", b"ab", b"cd"))

    reply = await caller.post(b"x" * 3_000_000)

    assert not isinstance(reply, FailureKind)
    assert upstream.bodies == [b"x" * 3_000_000]
    assert (reply.status, reply.content_type, reply.content_length) == (429, "application/json", 4)
    assert reply.headers["retry-after"] == "7"
    assert await body_of(reply) == b"abcd"
    assert await reply.read() == b""
    reply.close()


@pytest.mark.parametrize("split", [1, 2, 7])
async def test_reply_in_shreds_is_whole(caller: Caller, upstream: RawUpstream, split: int) -> None:
    """Wherever the network cuts a reply, it reads the same."""
    wire = (
        b"HTTP/1.1 100 Continue\r\n\r\n" + EVENT_STREAM + CHUNKED + chunked(b"a\n") + chunked(b"b")
    )
    wire += LAST_CHUNK
    upstream.answers(sending(*(wire[at : at + split] for at in range(0, len(wire), split))))

    reply = await answered(caller)

    assert (reply.status, reply.content_type, reply.content_length) == (
        200,
        "text/event-stream",
        None,
    )
    assert await body_of(reply) == b"a\nb"
    reply.close()


async def test_compressed_body_stays_as_it_is(caller: Caller, upstream: RawUpstream) -> None:
    """Nothing is unpacked: a bomb stays as small as it came."""
    upstream.answers(
        sending(OK + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00")
    )

    reply = await answered(caller)

    assert reply.headers["content-encoding"] == "gzip"
    assert await body_of(reply) == b"\x1f\x8b\x08\x00"
    reply.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_a_status_like_others(
    caller: Caller, upstream: RawUpstream, status: int
) -> None:
    """No redirect is followed: the credential goes where the config says, and nowhere else."""
    head = b"HTTP/1.1 %d Moved\r\nlocation: %b/other\r\ncontent-length: 0\r\n\r\n"
    upstream.answers(sending(head % (status, upstream.url.encode())))

    reply = await answered(caller)

    assert reply.status == status
    reply.close()
    assert len(upstream.bodies) == 1


NO_REPLY = {
    "closed without a byte": (sending(then="cut"), FailureKind.DISCONNECTED),
    "reset without a byte": (sending(then="reset"), FailureKind.DISCONNECTED),
    "garbage": (sending(b"hello\r\n\r\n"), FailureKind.BAD_REPLY),
    "HTTP/2": (sending(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n\r\n"), FailureKind.BAD_REPLY),
    "TLS alert": (sending(b"\x15\x03\x01\x00\x02\x02\x46"), FailureKind.BAD_REPLY),
    "status in words": (sending(b"HTTP/1.1 OK\r\n\r\n"), FailureKind.BAD_REPLY),
    "another protocol": (sending(b"ICY 200 OK\r\n\r\n"), FailureKind.BAD_REPLY),
}
STRICT = {
    "closed within its head": (
        sending(b"HTTP/1.1 200 OK\r\nx", then="cut"),
        FailureKind.DISCONNECTED,
    ),
    "switched protocols": (
        sending(b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        FailureKind.BAD_REPLY,
    ),
    "length twice": (
        sending(OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}"),
        FailureKind.BAD_REPLY,
    ),
    "length and chunks": (
        sending(OK + b"content-length: 2\r\n" + CHUNKED + chunked(b"{}") + LAST_CHUNK),
        FailureKind.BAD_REPLY,
    ),
    "coding gzip, chunked": (
        sending(OK + b"transfer-encoding: gzip, chunked\r\n\r\n" + LAST_CHUNK),
        FailureKind.BAD_REPLY,
    ),
    "coding twice": (
        sending(OK + b"transfer-encoding: chunked\r\n" + CHUNKED + LAST_CHUNK),
        FailureKind.BAD_REPLY,
    ),
    "length with a plus": (sending(OK + b"content-length: +2\r\n\r\n{}"), FailureKind.BAD_REPLY),
    "name with a space": (sending(OK + b"content-length : 2\r\n\r\n{}"), FailureKind.BAD_REPLY),
    "endless line": (sending(OK + b"x: " + b"x" * 80_000), FailureKind.BAD_REPLY),
    "endless head": (sending(OK + b"x: yyyyyyyyyyyyyyyyyyyyy\r\n" * 4000), FailureKind.BAD_REPLY),
    "too many headers": (
        sending(OK + b"".join(b"x%d: y\r\n" % at for at in range(300)) + b"\r\n"),
        FailureKind.BAD_REPLY,
    ),
}


@pytest.mark.parametrize("case", [*NO_REPLY, *STRICT])
async def test_what_is_no_reply_is_a_failure(
    client: Client, upstream: RawUpstream, case: str
) -> None:
    """It has a kind, is no exception, and leaves its place in the pool to the next call."""
    if case in STRICT and not client.is_lean:
        return  # aiohttp's client takes some of these; ours is the one in use
    script, failure = {**NO_REPLY, **STRICT}[case]
    caller = Caller(client, upstream.url, max_connections=1)
    upstream.answers(script)

    assert await caller.post() is failure

    upstream.answers(sending(WHOLE))
    reply = await answered(caller)
    assert await body_of(reply) == b"{}"
    reply.close()


@pytest.mark.parametrize("then", ["cut", "reset"])
async def test_death_of_a_reused_connection_is_told_apart(
    caller: Caller, upstream: RawUpstream, then: str
) -> None:
    """Before a byte came it says nothing of the server; a fresh connection is asked for next."""
    await a_used(caller, upstream)
    upstream.answers(sending(then=then))

    assert await caller.post() is FailureKind.STALE_CONNECTION
    assert await caller.post(fresh=True) is FailureKind.DISCONNECTED
    assert upstream.connections == 2


async def test_death_after_a_first_byte_is_the_servers(
    client: Client, upstream: RawUpstream
) -> None:
    """A reused connection that dies within the head has begun to answer."""
    if not client.is_lean:
        return
    caller = Caller(client, upstream.url)
    await a_used(caller, upstream)
    upstream.answers(sending(b"HTTP/1.1 200 O", then="cut"))

    assert await caller.post() is FailureKind.DISCONNECTED


async def test_whole_reply_gives_its_connection_back(caller: Caller, upstream: RawUpstream) -> None:
    """Call after call goes over one connection; a fresh one is made when asked for."""
    for _ in range(3):
        await a_used(caller, upstream)
    assert upstream.connections == 1
    reply = await answered(caller, fresh=True)
    reply.close()

    assert upstream.connections == 2


async def test_connection_that_the_server_closes_idle_is_not_used(
    caller: Caller, upstream: RawUpstream
) -> None:
    """What was closed since the last call is noticed before the next."""
    upstream.answers(sending(WHOLE, then="cut"))
    for _ in range(3):
        reply = await answered(caller)
        assert await body_of(reply) == b"{}"
        reply.close()
        await upstream.until_answered()

    assert upstream.connections == 3


NOT_KEPT = {
    "connection: close": WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
    "HTTP/1.0": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "bytes behind the end": WHOLE + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    "one byte behind the end": WHOLE + b"x",
}


@pytest.mark.parametrize("case", NOT_KEPT)
async def test_reply_that_leaves_doubt_takes_its_connection_along(
    client: Client, upstream: RawUpstream, case: str
) -> None:
    """What came behind one reply is never taken for the next one's."""
    if "behind" in case and not client.is_lean:
        return
    caller = Caller(client, upstream.url)
    upstream.answers(sending(NOT_KEPT[case]))
    for _ in range(2):
        reply = await answered(caller)
        assert await body_of(reply) == b"{}"
        reply.close()
        await upstream.until_answered()

    assert upstream.connections == 2


async def test_bytes_on_an_idle_connection_drop_it(client: Client, upstream: RawUpstream) -> None:
    """A reply to no request is not kept for whoever asks next."""
    if not client.is_lean:
        return
    caller = Caller(client, upstream.url)

    async def script(line: Line) -> None:
        await line.send(WHOLE)
        await line.send(OK + b"content-length: 4\r\n\r\nevil")

    upstream.answers(script)
    for _ in range(2):
        reply = await answered(caller)
        assert await body_of(reply) == b"{}"
        reply.close()
        await upstream.until_answered()

    assert upstream.connections == 2


async def test_nobody_there_is_a_failure_to_connect(client: Client) -> None:
    """A refused connection and a name that means nothing are told without an exception."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    urls = [f"http://127.0.0.1:{port}", "http://nobody.invalid"]
    if client.is_lean:  # aiohttp's client raises what Python's codec for names raises
        urls.append(f"http://{'x' * 70}.invalid")
    for url in urls:
        assert await Caller(client, url).post() is FailureKind.CONNECT


async def test_full_pool_is_waited_for_no_longer_than_a_connection(
    client: Client, upstream: RawUpstream
) -> None:
    """The wait for a place counts as connecting; a place that is given back is taken at once."""
    caller = Caller(client, upstream.url, max_connections=1, connect_s=0.1)
    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(WHOLE[:-1])
        await go_on.wait()
        await line.send(WHOLE[-1:])

    upstream.answers(script)
    reply = await answered(caller)

    assert await caller.post() is FailureKind.CONNECT_TIMEOUT

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(caller.post())
        await asyncio.sleep(0)
        go_on.set()
        assert await body_of(reply) == b"{}"
        reply.close()
    second = waiting.result()
    assert not isinstance(second, FailureKind)
    second.close()
    assert upstream.connections == 1


async def test_closing_drops_every_connection(client: Client, upstream: RawUpstream) -> None:
    """Open replies and idle connections alike."""
    transport = client.transport(upstream.url)
    endpoint = transport.endpoint(f"{upstream.url}/v1/x", {})
    upstream.answers(sending(EVENT_STREAM + CHUNKED, then="silence"))
    deadline = asyncio.get_running_loop().time() + 60
    reply = await endpoint.post(b"", {}, deadline=deadline, fresh_connection=False)  # type: ignore[arg-type]

    assert not isinstance(reply, FailureKind)
    await transport.close()
    await upstream.until_answered()
    if client.is_lean:
        assert await reply.read() is FailureKind.DISCONNECTED
    reply.close()


@asynccontextmanager
async def slamming() -> AsyncIterator[str]:
    """A server that accepts every connection and resets it at once; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()

        def slam() -> None:
            taken, _ = listener.accept()
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            taken.close()

        loop.add_reader(listener.fileno(), slam)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.remove_reader(listener.fileno())


async def test_connection_that_is_slammed_is_a_failure(client: Client) -> None:
    """However soon it dies, it is a value and leaves its place."""
    async with slamming() as url:
        caller = Caller(client, url, max_connections=1, connect_s=1.0)
        kinds = {await caller.post() for _ in range(30)}

    assert kinds <= {FailureKind.DISCONNECTED, FailureKind.CONNECT}
