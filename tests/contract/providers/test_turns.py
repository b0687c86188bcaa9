"""The lean transport where things happen in one turn of the loop: pauses, ends, deadlines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from proxy.domain.outcome import Ending, FailureKind
from proxy.providers.reply import HIGH_WATER_BYTES
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.replies import OK, WHOLE, a_used, answered, body_of, sending
from tests.contract.providers.test_transport_tls import Secured, secure_upstream
from tests.fakes import FakeSink, LoopTime
from tests.server.upstream import (
    CHUNKED,
    EVENT_STREAM,
    LAST_CHUNK,
    Line,
    RawUpstream,
    chunked,
)


class SlowSink(FakeSink):
    """Is behind from its first bytes until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.behind = asyncio.Event()
        self.go_on = asyncio.Event()

    def write(self, data: bytes) -> bool:
        super().write(data)
        if not self.go_on.is_set():
            self.paused = True
            self.behind.set()
        return not self.paused

    async def writable(self) -> bool:
        await self.go_on.wait()
        self.paused = False
        return True


class StrictSink(FakeSink):
    """Ends its body at a marker, and wants nothing after it."""

    def write(self, data: bytes) -> bool:
        assert not self.closed, "written to after its end"
        super().write(data)
        if b"END" in data:
            self.end()
        return not self.closed


async def turns(count: int = 20) -> None:
    """Let the other side's bytes come in."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("then", ["end", "cut", "reset"])
async def test_end_that_comes_while_the_client_is_behind_is_kept(
    client: Client, upstream: RawUpstream, then: str
) -> None:
    """All that came before is written once the client reads on, and then the end is told."""
    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED)
        await line.send(chunked(b"one"))
        await go_on.wait()
        await line.send(chunked(b"two"))
        if then == "end":
            await line.send(LAST_CHUNK)
        else:
            await sending(then="cut" if then == "cut" else "reset")(line)

    upstream.answers(script)
    reply = await answered(Caller(client, upstream.url))
    sink = SlowSink()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(reply.relay_to(sink))
        await sink.behind.wait()
        go_on.set()
        await turns()
        sink.go_on.set()
    reply.close()

    assert relaying.result() is (Ending.COMPLETE if then == "end" else Ending.UPSTREAM_CUT)
    # aiohttp's client drops what it has when it hears of the cut.
    assert sink.written == b"onetwo" or then == "reset" or not client.is_lean


async def test_connection_that_was_paused_is_kept_reading(
    client: Client, upstream: RawUpstream
) -> None:
    """A reply held up by its reader leaves a connection that works like any other."""
    wire = EVENT_STREAM + CHUNKED + chunked(b"x" * (2 * HIGH_WATER_BYTES)) + LAST_CHUNK
    upstream.answers(sending(wire))
    caller = Caller(client, upstream.url, max_connections=1)
    for _ in range(3):
        reply = await answered(caller)
        await turns()
        assert await body_of(reply) == b"x" * (2 * HIGH_WATER_BYTES)
        reply.close()
    await a_used(caller, upstream)

    assert upstream.connections == 1


async def test_relay_that_ended_paused_leaves_a_connection_that_reads(
    client: Client, upstream: RawUpstream
) -> None:
    """The client fell behind with the last bytes: the next call is none the wiser."""
    upstream.answers(sending(EVENT_STREAM + CHUNKED + chunked(b"one") + LAST_CHUNK))
    caller = Caller(client, upstream.url, max_connections=1)
    reply = await answered(caller)
    sink = SlowSink()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(reply.relay_to(sink))
        await sink.behind.wait()
        sink.go_on.set()
    reply.close()
    await turns()

    assert (relaying.result(), sink.written) == (Ending.COMPLETE, b"one")
    await a_used(caller, upstream)
    assert upstream.connections == 1


async def test_rest_of_a_body_is_waited_for(client: Client, upstream: RawUpstream) -> None:
    """The answer is at its end, its framing is not yet: the connection is kept when that comes."""
    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED + chunked(b"END"))
        await go_on.wait()
        await line.send(chunked(b": bye") + LAST_CHUNK)

    upstream.answers(script)
    caller = Caller(client, upstream.url, max_connections=1)
    reply = await answered(caller)
    sink = StrictSink()

    assert await reply.relay_to(sink) is Ending.COMPLETE
    reply.close()
    go_on.set()
    await a_used(caller, upstream)
    assert upstream.connections == 1


async def test_nothing_is_written_after_the_end(client: Client, upstream: RawUpstream) -> None:
    """Whatever else comes with the last bytes or behind them."""
    for at_once in (True, False):
        pieces = [EVENT_STREAM + CHUNKED + chunked(b"END"), chunked(b"more") * 3, LAST_CHUNK]
        upstream.answers(sending(*([b"".join(pieces)] if at_once else pieces)))
        reply = await answered(Caller(client, upstream.url))
        await turns()
        sink = StrictSink()
        assert await reply.relay_to(sink) is Ending.COMPLETE
        await turns()
        reply.close()
        reply.close()


async def test_sink_that_is_closed_already_gets_nothing(
    client: Client, upstream: RawUpstream
) -> None:
    """What was read ahead is dropped."""
    if not client.is_lean:
        return
    upstream.answers(sending(EVENT_STREAM + CHUNKED + chunked(b"one"), chunked(b"two"), LAST_CHUNK))
    reply = await answered(Caller(client, upstream.url))
    await turns()
    sink = StrictSink()
    sink.end()

    assert await reply.relay_to(sink) is Ending.COMPLETE
    reply.close()


async def test_deadline_holds_while_the_client_is_behind(
    client: Client, upstream: RawUpstream
) -> None:
    """A client that reads a little now and then does not keep a stream for ever."""
    upstream.answers(sending(EVENT_STREAM + CHUNKED, chunked(b"one"), then="silence"))
    reply = await answered(Caller(client, upstream.url), within_s=0.1)

    assert await reply.relay_to(SlowSink()) is Ending.DEADLINE
    reply.close()
    await upstream.until_answered()


async def test_end_in_the_turn_of_the_deadline_is_the_end(
    client: Client, upstream: RawUpstream
) -> None:
    """Both are seen together: what came whole is whole, and later timers change nothing."""
    if not client.is_lean:
        return
    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.send(EVENT_STREAM + CHUNKED + chunked(b"one"))
        await go_on.wait()
        await line.send(LAST_CHUNK)

    upstream.answers(script)
    caller = Caller(client, upstream.url, max_connections=1)
    reply = await answered(caller, within_s=60)
    time = LoopTime()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(reply.relay_to(FakeSink()))
        await turns()
        time.skip(100)
        reply._look()  # type: ignore[attr-defined]  # the timer's turn
        reply._connection.data_received(LAST_CHUNK)  # type: ignore[attr-defined]  # the socket's
    reply.close()

    assert relaying.result() is Ending.COMPLETE


async def test_transport_that_closes_breaks_its_relays(
    client: Client, upstream: RawUpstream
) -> None:
    """Nobody is left waiting for bytes that will not come."""
    upstream.answers(sending(EVENT_STREAM + CHUNKED, chunked(b"one"), then="silence"))
    replies = [await answered(Caller(client, upstream.url)) for _ in range(2)]
    async with asyncio.TaskGroup() as tasks:
        relaying = [tasks.create_task(reply.relay_to(FakeSink())) for reply in replies]
        await turns()
        await client.close()

    assert [task.result() for task in relaying] == [Ending.UPSTREAM_CUT] * 2
    for reply in replies:
        reply.close()


async def test_answer_before_the_request_is_through_ends_the_connection(
    client: Client, upstream: RawUpstream
) -> None:
    """What the server has not read would be taken for the next request."""
    if not client.is_lean:
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(await reader.read(100))
        writer.write(WHOLE)
        await gone.wait()
        writer.transport.abort()

    served: list[bytes] = []
    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    caller = Caller(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for _ in range(2):
        reply = await caller.post(b"x" * 20_000_000)
        assert not isinstance(reply, FailureKind)
        assert await body_of(reply) == b"{}"
        reply.close()
    gone.set()
    server.close()

    assert len(served) == 2


async def test_half_close_is_an_end(client: Client) -> None:
    """A server that ends its side and reads on, or does not, is not waited for."""
    if not client.is_lean:
        return

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        await gone.wait()
        writer.transport.abort()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    caller = Caller(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    # The connection may be seen to end before it is used, or after.
    assert await caller.post(b"x" * 20_000_000) in {FailureKind.DISCONNECTED, FailureKind.CONNECT}
    gone.set()
    server.close()


@asynccontextmanager
async def wire_to(port: int, cut: asyncio.Event) -> AsyncIterator[int]:
    """A cable to *port* that is pulled at *cut*: the client then sees a FIN, and nothing else."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            pumps = [
                tasks.create_task(pump(reader, up_writer)),
                tasks.create_task(pump(up_reader, writer)),
            ]
            await cut.wait()
            for task in pumps:
                task.cancel()
        for one in (writer, up_writer):
            one.close()
            with suppress(ConnectionError):
                await one.wait_closed()
        pulled.set()

    pulled = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await pulled.wait()
    finally:
        server.close()


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_cut_below_tls_is_not_the_end_of_a_body(
    client: Client, clean: bool, body: bytes
) -> None:
    """Without framing a body ends with the peer's close_notify: anybody can send a FIN."""
    if not client.is_lean:
        return  # aiohttp's client takes the cut for the end
    secured = Secured()
    cut = asyncio.Event()
    pieces = [OK + b"\r\n" + body]
    async with secure_upstream(secured) as upstream, wire_to(upstream.port, cut) as port:
        upstream.answers(sending(*pieces, then="cut" if clean else "silence"))
        reply = await answered(Caller(client, f"https://127.0.0.1:{port}", tls=secured.client))
        if not clean:
            cut.set()
        whole = await body_of(reply)
        reply.close()
        cut.set()

    assert whole == (body if clean else FailureKind.DISCONNECTED)


async def test_host_is_named_in_the_hello(client: Client) -> None:
    """Servers choose their certificate by it."""
    secured = Secured("localhost")
    named: list[str | None] = []
    secured.server.sni_callback = lambda _, name, __: named.append(name)
    async with secure_upstream(secured) as upstream:
        url = f"https://localhost:{upstream.port}"
        await a_used(Caller(client, url, tls=secured.client), upstream)

    assert named == ["localhost"]


async def test_system_trust_is_the_default(client: Client) -> None:
    """Nobody has to ask for verification, and an authority of one's own must be named."""
    async with secure_upstream(Secured()) as upstream:
        caller = Caller(client, upstream.url.replace("http", "https"))

        assert await caller.post() is FailureKind.TLS


async def test_large_body_over_tls_is_whole(client: Client) -> None:
    """Through pauses and all."""
    secured = Secured()
    body = b"0123456789" * 300_000
    async with secure_upstream(secured) as upstream:
        upstream.answers(sending(EVENT_STREAM + CHUNKED + chunked(body) + LAST_CHUNK))
        caller = Caller(client, upstream.url.replace("http", "https"), tls=secured.client)
        for _ in range(2):
            reply = await answered(caller)
            await turns()
            assert await body_of(reply) == body
            reply.close()
        assert upstream.connections == 1
