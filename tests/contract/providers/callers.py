"""Calls one upstream by the transport under test."""

import asyncio
import ssl
from typing import Any

from proxy.domain.catalog import Timeouts
from proxy.domain.outcome import FailureKind
from proxy.providers.client_transport import ClientTransport
from proxy.providers.http1_transport import Http1Transport
from proxy.providers.upstream import Transport, UpstreamReply
from proxy.tasks import Supervisor
from proxy.units import LoopSeconds

FOR_EVER_S = 3600.0


class Client:
    """Posts to one upstream by the transport under test."""

    def __init__(self, kind: str, supervisor: Supervisor) -> None:
        self.is_lean = kind == "http1"
        self._supervisor = supervisor
        self._transports: list[Transport] = []

    def transport(
        self,
        url: str,
        *,
        max_connections: int = 10,
        tls: ssl.SSLContext | None = None,
        allow_private: bool = True,
        **timeouts: float,
    ) -> Transport:
        """A transport to *url*, closed at the end of the test."""
        times = Timeouts(**{"connect_s": 5.0, "between_chunks_s": FOR_EVER_S, **timeouts})
        made: Transport
        if self.is_lean:
            made = Http1Transport(
                url,
                times,
                max_connections=max_connections,
                ssl_context=tls,
                allow_private=allow_private,
            )
        else:
            made = ClientTransport(
                times,
                max_connections=max_connections,
                supervisor=self._supervisor,
                ssl_context=tls,
                allow_private=allow_private,
            )
        self._transports.append(made)
        return made

    async def close(self) -> None:
        for transport in self._transports:
            await transport.close()


class Caller:
    """One endpoint of one upstream."""

    def __init__(self, client: Client, url: str, **options: Any) -> None:
        headers = {"authorization": "Bearer k", "content-type": "application/json"}
        self._endpoint = client.transport(url, **options).endpoint(f"{url}/v1/x?a=b", headers)

    async def post(
        self,
        body: bytes = b"{}",
        *,
        within_s: float = FOR_EVER_S,
        fresh: bool = False,
        **headers: str,
    ) -> UpstreamReply | FailureKind:
        """Post *body*; the reply's body must end *within_s*."""
        deadline = LoopSeconds(asyncio.get_running_loop().time() + within_s)
        return await self._endpoint.post(body, headers, deadline=deadline, fresh_connection=fresh)
