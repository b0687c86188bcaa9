"""Whom the transports trust."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from proxy.domain.outcome import FailureKind
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.replies import a_used
from tests.server.upstream import (
    RawUpstream,
)


class Secured:
    """A certificate for 127.0.0.1, and the contexts of both sides."""

    def __init__(self, name: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.server)
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)
        self.authority_pem = authority.cert_pem.bytes()


@asynccontextmanager
async def secure_upstream(secured: Secured) -> AsyncIterator[RawUpstream]:
    """The misbehaving upstream behind TLS."""
    upstream = RawUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=secured.server)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        upstream.drop_all()


async def test_tls_is_checked_and_used(client: Client) -> None:
    """A trusted certificate of the right name carries calls, and its connection is kept."""
    secured = Secured()
    async with secure_upstream(secured) as upstream:
        caller = Caller(client, upstream.url.replace("http", "https"), tls=secured.client)
        for _ in range(2):
            await a_used(caller, upstream)

        assert upstream.connections == 1


@pytest.mark.parametrize("wrong", ["authority", "name", "plain"])
async def test_bad_certificate_ends_the_call(client: Client, wrong: str) -> None:
    """An unknown authority, another name, no TLS at all: nothing is sent."""
    secured = Secured("other.example" if wrong == "name" else "127.0.0.1")
    trusted = Secured().client if wrong == "authority" else secured.client
    async with secure_upstream(secured) as upstream:
        url = upstream.url.replace("http", "https")
        if wrong == "plain":
            async with slow_plain() as plain_url:
                assert await Caller(client, plain_url, tls=trusted).post() is FailureKind.TLS
            return
        assert await Caller(client, url, tls=trusted).post() is FailureKind.TLS
        assert upstream.bodies == []


@asynccontextmanager
async def slow_plain() -> AsyncIterator[str]:
    """A server that answers a TLS hello in plain text; its URL, which says https."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
