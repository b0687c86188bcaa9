"""What a dialect needs of HTTP. Two transports offer it: `http1_transport`, and
`client_transport` by aiohttp's client. Protocols, and what both must do alike.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from proxy.domain.outcome import Ending, FailureKind
from proxy.ports import Push, Reply
from proxy.units import LoopSeconds


class UpstreamReply(Reply, Protocol):
    """A response of any status."""

    @property
    def status(self) -> int:
        """The response's status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers, names in lower case."""

    async def read_capped(self, limit_bytes: int) -> bytes:
        """At most *limit_bytes* of the body; what could not be read counts as its end."""


class UpstreamEndpoint(Protocol):
    """One URL with the headers that every request to it bears."""

    async def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: LoopSeconds,
        fresh_connection: bool,
    ) -> UpstreamReply | FailureKind:
        """Send *body*, with *headers* (names in lower case) beside the endpoint's own, which win,
        and wait for a response's head.

        The caller bounds the wait and closes the reply; *deadline* ends the body that follows.
        """


class Transport(Protocol):
    """Connections to one provider, made inside a running loop."""

    def endpoint(self, url: str, headers: Mapping[str, str]) -> UpstreamEndpoint:
        """The endpoint at *url*, which is of this transport's origin."""

    async def close(self) -> None:
        """Close every connection."""


async def writable_by(push: Push, deadline: LoopSeconds) -> Ending | None:
    """Wait for *push* until *deadline*; how the relay ends if it may not go on."""
    try:
        async with asyncio.timeout_at(deadline):
            return None if await push.writable() else Ending.CLIENT_STALLED
    except TimeoutError:
        return Ending.DEADLINE
