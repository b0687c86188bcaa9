"""HTTP to one provider, by aiohttp's client. I/O: sockets.

The second implementation of `upstream.Transport`, for what the first does not do (an HTTP proxy
on the way), and the one that the first is tested against. The only place that knows the client
library and maps its exceptions. Connections are pooled; a second, poolless session makes the
fresh connections that a retry after a stale one needs.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.payload import Payload
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.domain.catalog import Timeouts
from proxy.domain.outcome import Ending, FailureKind
from proxy.ports import Push
from proxy.providers.peers import ForbiddenPeerError, check_peer
from proxy.providers.stall import Stalled, StallWatch
from proxy.providers.upstream import writable_by
from proxy.tasks import Supervisor
from proxy.units import LoopSeconds
from proxy.wire.ratelimits import share_left

POOL_IDLE_S = 15.0
"""Shorter than any provider's own keep-alive, so that we close first."""

REST_S = 0.1
"""How long a connection may take to deliver the end of a body whose content is complete."""

_READ_BUFFER_BYTES = 64 * 1024


_BROKEN_BODY = (aiohttp.ClientError, RuntimeError)
"""aiohttp says RuntimeError where the connection went before the reader came."""


class ClientTransport:
    """Connections to one provider (implements `upstream.Transport`)."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        max_connections: int,
        supervisor: Supervisor,
        ssl_context: ssl.SSLContext | None = None,
        allow_private: bool = False,
    ) -> None:
        self._timeouts = timeouts
        self._supervisor = supervisor
        tls = True if ssl_context is None else ssl_context
        opened = partial(_socket, allow_private)
        pooled = aiohttp.TCPConnector(
            limit=max_connections,
            keepalive_timeout=POOL_IDLE_S,
            ttl_dns_cache=30,
            ssl=tls,
            socket_factory=opened,
        )
        unpooled = aiohttp.TCPConnector(
            limit=max_connections, force_close=True, ssl=tls, socket_factory=opened
        )
        self._pooled = self._session(pooled)
        self._unpooled = self._session(unpooled)

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        reuse = aiohttp.TraceConfig()
        reuse.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=self._timeouts.connect_s,
                sock_connect=self._timeouts.connect_s,
                sock_read=None,
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[reuse],
            read_bufsize=_READ_BUFFER_BYTES,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        )

    def endpoint(self, url: str, headers: Mapping[str, str]) -> "ClientEndpoint":
        """The endpoint at *url*."""
        return ClientEndpoint(self, URL(url, encoded=True), headers)

    async def post(
        self,
        url: URL,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: LoopSeconds,
        fresh_connection: bool,
    ) -> "HttpReply | FailureKind":
        """Send *body* and wait for a response head of any status."""
        session = self._unpooled if fresh_connection else self._pooled
        seen = SimpleNamespace(reused=False)
        try:
            response = await session.post(
                url,
                data=_Body(body),
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=seen,
            )
        except aiohttp.ClientError as error:
            return _kind_of(error, reused=seen.reused)
        return HttpReply(response, self._timeouts.between_chunks_s, deadline, self._supervisor)

    async def close(self) -> None:
        """Close every connection."""
        await self._pooled.close()
        await self._unpooled.close()


class ClientEndpoint:
    """One URL (implements `upstream.UpstreamEndpoint`)."""

    def __init__(self, transport: ClientTransport, url: URL, headers: Mapping[str, str]) -> None:
        self._transport = transport
        self._url = url
        self._headers = headers

    async def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: LoopSeconds,
        fresh_connection: bool,
    ) -> "HttpReply | FailureKind":
        """Send *body* and wait for a response's head."""
        return await self._transport.post(
            self._url,
            body,
            {**headers, **self._headers},
            deadline=deadline,
            fresh_connection=fresh_connection,
        )


class HttpReply:
    """A response whose head has come (implements `upstream.UpstreamReply`)."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        between_chunks_s: float,
        deadline: LoopSeconds,
        supervisor: Supervisor,
    ) -> None:
        self._response = response
        self._between_chunks_s = between_chunks_s
        self._deadline = deadline
        self._supervisor = supervisor
        self._worth_keeping = False
        self._closed = False
        self.content_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        connection = response.connection
        protocol = None if connection is None else connection.protocol
        self._lost = None if protocol is None else protocol.closed
        if self._lost is not None:
            self._lost.add_done_callback(self._connection_lost)

    @property
    def status(self) -> int:
        """The response's status."""
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The response's headers, names in any case."""
        return self._response.headers

    @property
    def limits_left(self) -> float | None:
        """The share of its limits that the provider says is left."""
        return share_left(self.headers)

    @property
    def content_length(self) -> int | None:
        """The body's length in bytes, None if the upstream did not say."""
        return self._response.content_length

    async def read(self) -> bytes | FailureKind:
        """The next bytes of the body, empty at its clean end."""
        try:
            return await self._response.content.readany()
        except _BROKEN_BODY:
            return FailureKind.DISCONNECTED

    async def relay_to(self, push: Push) -> Ending:
        """Push the rest of the body into *push* as it arrives."""
        content = self._response.content
        with StallWatch(content, self._between_chunks_s, self._deadline) as watch:
            try:
                while not push.closed:
                    data = await content.readany()
                    if not data:
                        break
                    if not push.write(data) and push.paused:
                        watch.rest()
                        stopped = await writable_by(push, self._deadline)
                        if stopped is not None:
                            return stopped
                    watch.moved()
            except Stalled as stall:
                return stall.ending
            except _BROKEN_BODY:
                return Ending.UPSTREAM_CUT
        self._worth_keeping = True
        return Ending.COMPLETE

    async def read_capped(self, limit_bytes: int) -> bytes:
        """At most *limit_bytes* of the body; what could not be read counts as its end."""
        parts = bytearray()
        while len(parts) < limit_bytes:
            data = await self.read()
            if isinstance(data, FailureKind) or not data:
                break
            parts += data
        return bytes(parts[:limit_bytes])

    def close(self) -> None:
        """Give the connection back if the body is at its end or about to be, else drop it."""
        if self._closed:
            return
        self._closed = True
        if self._lost is not None:
            self._lost.remove_done_callback(self._connection_lost)
        if self._response.content.at_eof():
            self._response.release()
        elif self._worth_keeping:
            _ = self._supervisor.start("rest of a body", self._read_rest())
        else:
            self._response.close()

    def _connection_lost(self, _: asyncio.Future[None]) -> None:
        # Framing that cannot be parsed closes aiohttp's connection without a word to whoever
        # reads the body, who would wait for ever.
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection is gone"))

    async def _read_rest(self) -> None:
        try:
            async with asyncio.timeout(REST_S):
                while await self._response.content.readany():
                    pass
            self._response.release()
        except (TimeoutError, *_BROKEN_BODY):
            self._response.close()
        except asyncio.CancelledError:
            self._response.close()
            raise


class _Body(Payload):
    """A request body in memory, of any size (aiohttp's own warns above 1 MiB)."""

    _value: bytes
    _autoclose = True

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: aiohttp.abc.AbstractStreamWriter) -> None:
        await writer.write(self._value)


def _socket(allow_private: bool, address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, (host, *_) = address
    check_peer(str(host), allow_private=allow_private)
    return socket.socket(family, kind, protocol)


async def _note_reuse(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    context.trace_request_ctx.reused = True


def _kind_of(error: aiohttp.ClientError, *, reused: bool) -> FailureKind:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return FailureKind.CONNECT_TIMEOUT
        case aiohttp.ClientSSLError():
            return FailureKind.TLS
        case aiohttp.ClientConnectorError(os_error=ForbiddenPeerError()):
            return FailureKind.FORBIDDEN_PEER
        case aiohttp.ClientConnectorError():
            return FailureKind.CONNECT
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            # On a reused connection this says nothing of the server's health.
            return FailureKind.STALE_CONNECTION if reused else FailureKind.DISCONNECTED
        case _:
            return FailureKind.BAD_REPLY
