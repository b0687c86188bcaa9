"""Fetches a price list. I/O: one HTTP request, bounded in time and size.

A redirect is followed on the same host only: the operators trusted that one, and prices decide
about money. `config.price_spec.feed_url` says which URLs may be asked at all.
"""

import asyncio
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from proxy.config.price_spec import feed_url

MAX_FEED_BYTES: Final = 32 * 1024 * 1024
DEADLINE_S: Final = 60.0
MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class FeedUnavailableError(Exception):
    """The price list could not be had; the message says why, in a few words."""


async def fetch_feed(url: str, deadline_s: float = DEADLINE_S) -> bytes:
    """The body behind *url*, which may redirect within its host.

    Raises:
        FeedUnavailableError: not reached, not answered with 200, too slow or too large.
    """
    try:
        async with (
            asyncio.timeout(deadline_s),
            aiohttp.ClientSession(raise_for_status=False) as session,
        ):
            return await _follow(session, url)
    except TimeoutError as error:
        raise FeedUnavailableError(f"did not arrive in {deadline_s:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise FeedUnavailableError(f"could not be fetched: {type(error).__name__}") from error


async def _follow(session: aiohttp.ClientSession, url: str) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        async with session.get(url, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                return await _body(response)
            url = _on_the_same_host(url, response.headers.get("Location", ""))
    raise FeedUnavailableError(f"redirects more than {MAX_REDIRECTS} times")


def _on_the_same_host(url: str, place: str) -> str:
    try:
        onward = str(URL(url).join(URL(place)))
        feed_url(onward)
    except ValueError as error:
        raise FeedUnavailableError("redirects to where prices may not come from") from error
    if urlsplit(onward).netloc != urlsplit(url).netloc:
        raise FeedUnavailableError("redirects to another host; name that one if you trust it")
    return onward


async def _body(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise FeedUnavailableError(f"was answered with status {response.status}")
    parts: list[bytes] = []
    size = 0
    # Counted as unpacked, so that a small answer cannot grow beyond all bounds here.
    async for part in response.content.iter_chunked(256 * 1024):
        size += len(part)
        if size > MAX_FEED_BYTES:
            raise FeedUnavailableError(f"is over {MAX_FEED_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
