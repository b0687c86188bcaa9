"""HTTP/1.1 to one provider over our own connections. I/O: sockets.

A request is one write: its head is made once for each endpoint, and the client's few headers, the
length and the body are appended. Retrying is not done here.
"""

import ssl
from collections.abc import Mapping

from yarl import URL

from proxy.domain.catalog import Timeouts
from proxy.domain.outcome import FailureKind
from proxy.providers.pool import Pool
from proxy.providers.reply import Http1Reply
from proxy.units import LoopSeconds


class Http1Transport:
    """Connections to the origin of *base_url* (implements `upstream.Transport`)."""

    def __init__(
        self,
        base_url: str,
        timeouts: Timeouts,
        *,
        max_connections: int,
        ssl_context: ssl.SSLContext | None = None,
        allow_private: bool = False,
    ) -> None:
        url = URL(base_url)
        assert url.host is not None
        assert url.port is not None
        tls = None
        if url.scheme == "https":
            tls = ssl.create_default_context() if ssl_context is None else ssl_context
        self._timeouts = timeouts
        self._pool = Pool(
            url.host,
            url.port,
            tls=tls,
            max_connections=max_connections,
            connect_s=timeouts.connect_s,
            allow_private=allow_private,
        )

    def endpoint(self, url: str, headers: Mapping[str, str]) -> "Http1Endpoint":
        """The endpoint at *url*, which is of this transport's origin."""
        return Http1Endpoint(self._pool, self._timeouts, URL(url, encoded=True), headers)

    async def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class Http1Endpoint:
    """One URL (implements `upstream.UpstreamEndpoint`)."""

    def __init__(
        self, pool: Pool, timeouts: Timeouts, url: URL, headers: Mapping[str, str]
    ) -> None:
        self._pool = pool
        self._between_chunks_s = timeouts.between_chunks_s
        host = url.host_subcomponent or ""
        authority = host if url.is_default_port() else f"{host}:{url.port}"
        lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"host: {authority}"]
        lines += [_line(name, value) for name, value in headers.items()]
        self._names = frozenset(name.lower() for name in headers)
        self._head = ("\r\n".join(lines) + "\r\n").encode("latin-1")

    async def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: LoopSeconds,
        fresh_connection: bool,
    ) -> Http1Reply | FailureKind:
        """Send *body* and wait for a response's head."""
        own = self._own(headers) if headers else b""
        head = b"%b%bcontent-length: %d\r\n\r\n" % (self._head, own, len(body))
        connection = await self._pool.acquire(fresh=fresh_connection)
        if isinstance(connection, FailureKind):
            return connection
        reply = connection.send(head, body, self._between_chunks_s, deadline)
        failure = await reply.head()
        if failure is not None:
            reply.close()
            return failure
        return reply

    def _own(self, headers: Mapping[str, str]) -> bytes:
        lines = [
            f"{_line(name, value)}\r\n"
            for name, value in headers.items()
            if name not in self._names
        ]
        return "".join(lines).encode("utf-8", "surrogateescape")


def _line(name: str, value: str) -> str:
    # Whatever wrote these checked them; a line of its own making must never come of one.
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"the header {name} holds a control character")
    return f"{name}: {value}"
