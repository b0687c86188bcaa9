"""Fetching a price list: bounded, and from where it was trusted only."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.providers import price_fetch
from proxy.providers.price_fetch import FeedUnavailableError, fetch_feed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves all paths by one handler; gives the base URL."""
    servers: list[TestServer] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{rest:.*}", handler)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/"))

    yield start
    for server in servers:
        await server.close()


async def test_body_is_fetched_through_redirects_of_the_same_host(serve: Serve) -> None:
    """As a feed that moves does."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/old":
            raise web.HTTPFound("/new")
        return web.Response(body=b"prices")

    assert await fetch_feed(await serve(handler) + "old") == b"prices"


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("https://elsewhere.example/prices", "redirects to another host"),
        ("http://localhost:1/prices", "redirects to another host"),
        ("http://elsewhere.example/prices", "where prices may not come from"),
        ("file:///etc/passwd", "where prices may not come from"),
        ("http://[::1", "where prices may not come from"),
        ("http://elsewhere.example:99999/", "where prices may not come from"),
        ("/again", "redirects more than 3 times"),
    ],
)
async def test_redirect_elsewhere_is_not_followed(serve: Serve, place: str, part: str) -> None:
    """Only the host that somebody named is trusted with prices."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": place})

    with pytest.raises(FeedUnavailableError, match=part):
        await fetch_feed(await serve(handler))


async def test_anything_but_200_is_no_feed(serve: Serve) -> None:
    """An error page is not read."""

    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPServiceUnavailable

    with pytest.raises(FeedUnavailableError, match="status 503"):
        await fetch_feed(await serve(handler))


@pytest.mark.parametrize("packed", [False, True])
async def test_size_is_bounded_also_when_packed(
    serve: Serve, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small answer that unpacks to a large one is as large."""
    monkeypatch.setattr(price_fetch, "MAX_FEED_BYTES", 100_000)

    async def handler(request: web.Request) -> web.StreamResponse:
        body = b" " * 100_001
        headers = {"Content-Encoding": "gzip"} if packed else {}
        return web.Response(body=gzip.compress(body) if packed else body, headers=headers)

    with pytest.raises(FeedUnavailableError, match="over 100000 bytes"):
        await fetch_feed(await serve(handler))


async def test_time_is_bounded(serve: Serve) -> None:
    """A feed that never ends is given up."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        assert request.transport is not None
        while not request.transport.is_closing():
            await response.write(b" ")
        return response

    with pytest.raises(FeedUnavailableError, match=r"in 0\.2 s|over"):
        await fetch_feed(await serve(handler), deadline_s=0.2)


async def test_nobody_there_is_told() -> None:
    """In our own words: an address may hold what no log should."""
    with pytest.raises(FeedUnavailableError, match="could not be fetched: Client"):
        await fetch_feed("http://127.0.0.1:9/x")
