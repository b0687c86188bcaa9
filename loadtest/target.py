"""What the load is sent to, and how a request to it looks on the wire. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A server on 127.0.0.1 that answers chat calls.

    `root_pid` is the top of its tree of operating-system processes. `exact` says that a stream
    must come through byte for byte; otherwise its events are counted. `most_streams` is how
    many it carries at once before it lets further ones wait.
    """

    name: str
    port: int
    token: str
    model: str
    root_pid: int
    exact: bool = True
    most_streams: int = 1 << 16

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
