"""What holds for one process from start to end; changing it takes a restart. Pure values."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what clients send, and how long they may take.

    `header_timeout_s` and `body_timeout_s` bound a request's whole head and whole body;
    `client_stall_s` how long a client may read nothing while an answer waits for it.
    Connections are counted in each process.
    """

    max_body_bytes: int = 20 * 1024 * 1024
    max_header_bytes: int = 32 * 1024
    max_header_count: int = 100
    max_json_depth: int = 64
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    max_connections: int = 10_000
    client_stall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Tls:
    """The listener's own certificate chain and key, PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The `server` part of the config.

    `redis` is a URL, or a reference to one that holds a password (`credentials.reveal` gives
    the URL either way). `pepper` is a reference. `drain_delay_s` is how long a process that was
    told to stop still accepts; `drain_grace_s` how long running answers may then take.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    redis: str = "redis://127.0.0.1:6379/0"
    pepper: str = "env:POINTSMAN_PEPPER"
    tls: Tls | None = None
    drain_delay_s: float = 5.0
    drain_grace_s: float = 60.0
    limits: Limits = field(default_factory=Limits)
