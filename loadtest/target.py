"""What the load is sent to, and how a request to it looks on the wire. Pure."""

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A server on 127.0.0.1 that answers chat calls.

    `root_pid` is the top of its tree of operating-system processes. `exact` says that a stream
    must come through byte for byte; otherwise its events are counted. `most_streams` is how
    many it carries at once before it lets further ones wait. `tls`: what its own clients speak
    TLS with, None for plain TCP.
    """

    name: str
    port: int
    token: str
    model: str
    root_pid: int
    exact: bool = True
    most_streams: int = 1 << 16
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    @property
    def scheme(self) -> str:
        """Of its URL."""
        return "http" if self.tls is None else "https"

    @property
    def server_name(self) -> str | None:
        """The name that its certificate must be for; None without TLS."""
        return None if self.tls is None else "localhost"

    def request(self, body: bytes) -> bytes:
        """The bytes of one chat request with *body*."""
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\n"
            f"host: 127.0.0.1:{self.port}\r\n"
            f"authorization: Bearer {self.token}\r\n"
            "content-type: application/json\r\n"
            "accept: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
