"""Addresses that a config names: base URLs, Redis, where to listen. Pure.

Every function raises ValueError with a message that says what to write instead and that never
repeats the address, which may hold a password by mistake.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from proxy.config.credentials import is_reference

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?")
_AUTHORITY = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REDIS_DATABASE = re.compile(r"/?|/[0-9]{1,4}")
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings")
_SHAPE = "must be a URL such as https://api.example.com/v1"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens. Port 0: any free one."""

    host: str
    port: int


def endpoint_base(url: str) -> str:
    """The URL that endpoint paths are appended to, after a slash: with a path, without a slash.

    An empty path becomes `/v1`; any other is kept, as vendors put theirs where they like.
    """
    parts = _split(url, _SHAPE)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    _refuse_userinfo(parts, "holds a user or password; use 'credential' instead")
    if "?" in url:
        raise ValueError("must not hold a query (?…); use 'query' instead")
    if "#" in url:
        raise ValueError("must not hold a fragment (#…); remove it")
    _host_and_port(parts.netloc)
    path = parts.path.removesuffix("/")
    _check_path(path)
    return f"{parts.scheme}://{parts.netloc.lower()}{path or '/v1'}"


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path) or _BROKEN_ESCAPE.search(path):
        raise ValueError("has a path with empty parts, spaces or odd characters; write it plainly")
    if any(part in {".", ".."} for part in path.split("/")):
        raise ValueError("has a path with . or .. in it; write it plainly")
    if path.endswith(_ENDPOINTS):
        raise ValueError("must end before the endpoint's own path, mostly with /v1")


def redis_url(url: str) -> str:
    """*url*, if it can name a Redis; a reference to such a URL passes unread."""
    if is_reference(url):
        return url
    parts = _split(url, "must be redis://host:port/0, rediss://…, unix:///path or env:NAME")
    _refuse_userinfo(
        parts, "holds a user or password; put the whole URL into env:NAME or file:PATH"
    )
    if "password=" in parts.query:
        raise ValueError("holds a password; put the whole URL into env:NAME or file:PATH")
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("must name the socket by a whole path: unix:///run/redis.sock")
    elif parts.scheme in {"redis", "rediss"}:
        _host_and_port(parts.netloc)
        if not _REDIS_DATABASE.fullmatch(parts.path):
            raise ValueError("must end with the database's number: redis://host:port/0")
    else:
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return url


def listen_address(text: str) -> Listen:
    """`host:port`; an IPv6 address stands in brackets."""
    host, port = _host_and_port(text)
    if port is None:
        raise ValueError('must be "host:port", such as "127.0.0.1:8080" or "[::1]:8080"')
    return Listen(host, port)


def _split(url: str, shape: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must be plain ASCII without spaces or backslashes")
    try:
        parts = urlsplit(url)
    except ValueError:
        # urllib's own message repeats the address
        raise ValueError(shape) from None
    if not parts.scheme or not url[len(parts.scheme) :].startswith("://"):
        raise ValueError(shape)
    return parts


def _refuse_userinfo(parts: SplitResult, message: str) -> None:
    if "@" in parts.netloc:
        raise ValueError(message)


def _host_and_port(text: str) -> tuple[str, int | None]:
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found[3] or 0) > 65535:
        raise ValueError("must name a host, and after a colon a port up to 65535")
    if found[1] is not None:
        _check_ipv6(found[1])
    elif not _HOST.fullmatch(found[2]):
        raise ValueError("must name a host: letters, digits, dots and hyphens")
    return found[1] or found[2], int(found[3]) if found[3] else None


def _check_ipv6(text: str) -> None:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("must have an IPv6 address between the brackets") from None
