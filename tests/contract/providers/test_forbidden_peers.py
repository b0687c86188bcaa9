"""Which peers are spoken to: judged by the address that was connected."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession

from proxy.config.load import parse
from proxy.domain.outcome import FailureKind
from proxy.secret_values import read_secrets
from tests.contract.providers.callers import Caller, Client
from tests.contract.providers.names import Names
from tests.contract.providers.replies import WHOLE, a_used, sending
from tests.contract.providers.test_transport_tls import Secured, secure_upstream
from tests.gateway import running_gateway
from tests.server.upstream import RawUpstream, config_of

ASK = b'{"model":"auto","messages":[{"role":"user","content":"Hi"}]}'


class Wiretap:
    """A server that keeps whatever it is sent."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard = b""
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.heard += await reader.read()
        writer.close()
        self.left.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_private_peer_hears_nothing(client: Client, scheme: str) -> None:
    """Unless it is allowed, not a byte of HTTP or TLS goes out, and no place stays taken."""
    tap = Wiretap()
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
    url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    caller = Caller(client, url, max_connections=1, allow_private=False)

    for _ in range(3):
        assert await caller.post() is FailureKind.FORBIDDEN_PEER

    if tap.connections:
        await tap.left.wait()
    assert tap.heard == b""
    server.close()


async def test_private_peer_that_is_allowed_is_called(
    client: Client, upstream: RawUpstream
) -> None:
    """A server of one's own is a provider like others."""
    await a_used(Caller(client, upstream.url, allow_private=True), upstream)


@pytest.mark.parametrize("mapped", [False, True])
async def test_name_that_comes_to_mean_a_private_address_is_not_called(
    client: Client, upstream: RawUpstream, mapped: bool
) -> None:
    """What a name meant before, or who looked it up, is not asked: DNS may rebind."""
    upstream.answers(sending(WHOLE))
    Names("::ffff:127.0.0.1" if mapped else "127.0.0.1")
    url = f"http://rebound.example:{upstream.port}"

    failure = await Caller(client, url, allow_private=False).post()

    assert failure is FailureKind.FORBIDDEN_PEER
    assert upstream.bodies == []


async def test_forbidden_peer_leaves_its_target_out(redis_url: str, upstream: RawUpstream) -> None:
    """The next target answers; the log says why the first did not."""
    upstream.answers(sending(WHOLE.replace(b"content-length: 2", b"content-length: 14")[:-2]
                             + b'{"choices":[]}'))  # fmt: skip
    config = config_of(upstream.url, upstream.url).replace("allow_private: true", "region: eu", 1)
    async with (
        running_gateway(redis_url, config_text=config) as gateway,
        ClientSession(headers=gateway.headers) as session,
        session.post(f"{gateway.url}/v1/chat/completions", data=ASK) as response,
    ):
        assert response.status == 200
        (row,) = await gateway.lines.requests(1)

    assert [attempt.get("failure") for attempt in row["attempts"]] == ["forbidden_peer", None]


SECURE = """
server: {{pepper: "file:{pepper}"}}
providers:
  one: {{dialect: openai, base_url: "https://one.example", tls: {{ca: "{ca}"}}}}
targets:
  one/m: {{provider: one, model: m}}
routes:
  auto: {{targets: [one/m]}}
tenants:
  acme: {{tier: pro, routes: [auto]}}
"""


async def test_authority_of_ones_own_is_trusted_where_it_is_named(
    client: Client, tmp_path: Path
) -> None:
    """The provider's `tls.ca` takes the place of the system's authorities."""
    secured = Secured()
    (tmp_path / "pepper").write_text("a pepper of sufficient length for a test")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(secured.authority_pem)
    text = SECURE.format(pepper=tmp_path / "pepper", ca=ca)
    trust = read_secrets(parse(text.encode(), "test.yaml")).trusts["one"]
    async with secure_upstream(secured) as upstream:
        url = upstream.url.replace("http", "https")
        await a_used(Caller(client, url, tls=trust), upstream)
    async with secure_upstream(Secured()) as another:
        url = another.url.replace("http", "https")
        assert await Caller(client, url, tls=trust).post() is FailureKind.TLS


@pytest.mark.parametrize("content", [None, b"", b"words"])
def test_authority_that_cannot_be_read_is_a_problem_at_the_start(
    tmp_path: Path, content: bytes | None
) -> None:
    """It is named, by file; nothing is trusted in its place."""
    (tmp_path / "pepper").write_text("a pepper of sufficient length for a test")
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)
    text = SECURE.format(pepper=tmp_path / "pepper", ca=ca)

    with pytest.raises(ValueError, match=f"tls.ca: {ca} holds no certificates"):
        read_secrets(parse(text.encode(), "test.yaml"))
