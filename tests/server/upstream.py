"""An upstream that sends exactly the bytes it is told to, piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

TURNS = 8
"""Turns of the loop after which bytes that were written have been read by the other side."""

EVENT_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
JSON_BODY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

Script = Callable[["Line"], Awaitable[None]]
"""Answers one request on its line."""


class Line:
    """The connection on which one request came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def is_closing(self) -> bool:
        """Whether the other side, or a script, closed the connection."""
        return self._writer.is_closing() or self._reader.at_eof()

    async def send(self, data: bytes) -> None:
        """Send *data* and let it arrive apart from what follows."""
        self._writer.write(data)
        await _turns()

    async def flood(self, data: bytes) -> None:
        """Send *data* and wait as long as the other side does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def pieces(self, pieces: Iterable[bytes]) -> None:
        """Send each of *pieces* as a chunk of its own; empty ones are left out."""
        for piece in pieces:
            if piece:
                await self.send(chunked(piece))

    def cut(self) -> None:
        """Close the connection after what was sent."""
        self._writer.close()

    def reset(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()

    async def until_left(self) -> None:
        """Stay silent until the other side is gone."""
        with suppress(ConnectionError):
            await self._reader.read()


class RawUpstream:
    """Answers each call by the script that is set; keeps connections alive unless it cuts them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._answered = asyncio.Event()
        self._script: Script | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, script: Script) -> None:
        """Answer every call from now on by *script*."""
        self._script = script

    def sends(self, *pieces: bytes, head: bytes = EVENT_STREAM) -> None:
        """Answer every call from now on with *pieces*, then the end of the body."""

        async def script(line: Line) -> None:
            await line.send(head + CHUNKED)
            await line.pieces(pieces)
            await line.send(LAST_CHUNK)

        self.answers(script)

    async def until_answered(self) -> None:
        """Wait until the script of the last call is through and its last bytes were read."""
        await self._answered.wait()
        await _turns()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take requests until the other side leaves or a script cuts."""
        self._writers.add(writer)
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.bodies.append(await reader.readexactly(int(length)))
                assert self._script is not None
                self._answered.clear()
                await self._script(Line(reader, writer))
                self._answered.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def drop_all(self) -> None:
        """Drop every connection."""
        for writer in self._writers:
            writer.transport.abort()


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def chunked(piece: bytes) -> bytes:
    """*piece* as one chunk of HTTP's chunked framing."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@asynccontextmanager
async def raw_upstream() -> AsyncIterator[RawUpstream]:
    """A RawUpstream that listens for as long as the block runs."""
    upstream = RawUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        upstream.drop_all()


def config_of(
    *urls: str, usage: str = "ask", route: str = "", timeouts: str = "", server: str = ""
) -> str:
    """A gateway config (a format string for `running_gateway`) whose route `auto` tries *urls* in
    turn; the rest is further text inside the flow mappings of its part.
    """
    names = [f"up{number}" for number, _ in enumerate(urls)]
    providers = [
        f'  {name}: {{{{dialect: openai, base_url: "{url}", allow_private: true, '
        f"timeouts: {{{{{timeouts}}}}}}}}}"
        for name, url in zip(names, urls, strict=True)
    ]
    targets = [
        f"  {name}/m: {{{{provider: {name}, model: sim-medium, usage_in_stream: {usage}, price: "
        "{{input_usd_per_million: 1, output_usd_per_million: 2}}}}"
        for name in names
    ]
    chain = ", ".join(f"{name}/m" for name in names)
    return "\n".join(
        [
            f"server: {{{{{server}}}}}",
            "providers:",
            *providers,
            "targets:",
            *targets,
            "routes:",
            f"  auto: {{{{targets: [{chain}]{route}}}}}",
            "tenants:",
            "  acme: {{tier: pro, routes: [auto]}}",
            "",
        ]
    )
