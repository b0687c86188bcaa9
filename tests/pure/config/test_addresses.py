"""Base URLs, Redis URLs and listening addresses."""

import pytest

from proxy.config.addresses import Listen, endpoint_base, listen_address, redis_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("HTTPS://API.Example.COM:8443/V1", "https://api.example.com:8443/V1"),
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("http://model_server:8000", "http://model_server:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]/v1"),
        ("https://h/a%20b/~x@1", "https://h/a%20b/~x@1"),
    ],
)
def test_base_url_becomes_what_paths_are_appended_to(url: str, expected: str) -> None:
    """Without a path it gets /v1; with one it is kept; the closing slash goes."""
    assert endpoint_base(url) == expected
    assert endpoint_base(expected) == expected


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "must be a URL"),
        ("api.openai.com/v1", "must be a URL"),
        ("localhost:8000", "must be a URL"),
        ("https:/api.openai.com", "must be a URL"),
        ("https://[::1/v1", "must be a URL"),
        ("ftp://host/v1", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("https://user:secret@host/v1", "use 'credential'"),
        ("https://secret@host", "use 'credential'"),
        ("https://host/v1?api-version=1", "use 'query'"),
        ("https://host/v1?", "use 'query'"),
        ("https://host/v1#x", "fragment"),
        ("https://host/v1#", "fragment"),
        ("https://", "must name a host"),
        ("https:///v1", "must name a host"),
        ("https://-host", "must name a host"),
        ("https://ho%73t", "must name a host"),
        ("https://:8000", "must name a host"),
        ("https://host:99999", "port up to 65535"),
        ("https://host:secret", "port up to 65535"),
        ("https://host:", "port up to 65535"),
        ("https://[::g]/v1", "must"),
        ("https://[1.2.3.4]/v1", "must"),
        ("https://host//v1", "empty parts"),
        ("https://host/v1//", "empty parts"),
        ("https://host/v%1", "odd characters"),
        ("https://host/<v1>", "odd characters"),
        ("https://host/../v1", ". or .."),
        ("https://host/v1/chat/completions", "before the endpoint's own path"),
        ("https://host/v1/embeddings/", "before the endpoint's own path"),
        ("https://host/a b", "plain ASCII"),
        ("https://host\\v1", "plain ASCII"),
        ("https://hôst/v1", "plain ASCII"),
        ("https://host/\tv1", "plain ASCII"),
    ],
)
def test_base_url_that_could_mislead_is_refused(url: str, part: str) -> None:
    """Anything but a plain http(s) URL is refused, with a message that repeats nothing of it."""
    with pytest.raises(ValueError, match=r"must|holds|has") as refused:
        endpoint_base(url)

    assert part in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://redis",
        "redis://redis/",
        "rediss://[::1]:6380/15?ssl_cert_reqs=required",
        "unix:///run/redis.sock",
        "unix:///run/redis.sock?db=1",
        "env:POINTSMAN_REDIS_URL",
        "file:/run/secrets/redis",
    ],
)
def test_redis_url_passes_unchanged(url: str) -> None:
    """TCP, TLS, sockets and references to a URL are ways to name a Redis."""
    assert redis_url(url) == url


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("127.0.0.1:6379", "must be redis://"),
        ("http://host", "must begin with redis://"),
        ("redis://:secret@host/0", "env:NAME"),
        ("redis://host/0?password=secret", "env:NAME"),
        ("unix://run/redis.sock", "whole path"),
        ("unix://", "whole path"),
        ("redis:///0", "must name a host"),
        ("redis://host/zero", "database's number"),
    ],
)
def test_redis_url_that_is_wrong_or_holds_a_password_is_refused(url: str, part: str) -> None:
    """A password stays out of the file: the whole URL then comes from a reference."""
    with pytest.raises(ValueError, match=r"must|holds") as refused:
        redis_url(url)

    assert part in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080)),
        ("0.0.0.0:0", Listen("0.0.0.0", 0)),
        ("localhost:65535", Listen("localhost", 65535)),
        ("[::1]:8080", Listen("::1", 8080)),
    ],
)
def test_listen_address_is_host_and_port(text: str, expected: Listen) -> None:
    """Port 0 means any free one; IPv6 stands in brackets."""
    assert listen_address(text) == expected


@pytest.mark.parametrize("text", ["8080", "host", ":8080", "host:", "::1:8080", "h:70000", "[x]:1"])
def test_listen_address_without_both_parts_is_refused(text: str) -> None:
    """A half address would listen somewhere unexpected."""
    with pytest.raises(ValueError, match="must"):
        listen_address(text)
