"""TLS on the gateway's own listener, from files that may change while it serves."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from proxy.server.serve import bind
from proxy.server.tls import LOOK_EVERY_S, TlsFiles
from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.child import served
from tests.server.downstream import a_chat, connected, get, post
from tests.server.waiting import tick


class Files:
    """A certificate and its key, written anew on demand; clients trust whoever signed them."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.certificate = directory / "certificate.pem"
        self.key = directory / "key.pem"
        self.write()

    def write(self) -> None:
        """Write a new pair."""
        issued = self.authority.issue_cert("localhost")
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())

    def client(self) -> ssl.SSLContext:
        """What a client of ours connects with."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A pair of files."""
    return Files(tmp_path)


async def serial_of(gateway: GatewayUnderTest, files: Files) -> str:
    """The serial number of the certificate that a new connection sees, which then works."""
    async with connected(gateway.port, tls=files.client()) as client:
        answer = await client.ask(post(gateway.token, a_chat(stream=True)))
        assert answer.is_whole
        certificate = client.writer.get_extra_info("peercert")
    return str(certificate["serialNumber"])


async def test_changed_files_serve_new_connections(redis_url: str, files: Files) -> None:
    """A renewed certificate is used without a restart; open connections live on."""
    tls = TlsFiles(files.certificate, files.key)
    async with (
        running_gateway(redis_url, tls=tls) as gateway,
        connected(gateway.port, tls=files.client()) as before,
    ):
        old = await serial_of(gateway, files)
        assert not tls.reload_if_changed()
        files.write()
        assert tls.reload_if_changed()
        new = await serial_of(gateway, files)
        kept = await before.ask(post(gateway.token, a_chat()))

    assert new != old
    assert kept.is_whole


@pytest.mark.parametrize("broken", ["garbage", "another key", "gone"])
async def test_pair_that_does_not_load_leaves_the_old_one(
    redis_url: str, files: Files, broken: str
) -> None:
    """Half a renewal, or a bad one, changes nothing, and a later good one is taken."""
    tls = TlsFiles(files.certificate, files.key)
    async with running_gateway(redis_url, tls=tls) as gateway:
        old = await serial_of(gateway, files)
        if broken == "garbage":
            files.certificate.write_text("not a certificate")
        elif broken == "gone":
            files.key.unlink()
        else:
            files.key.write_bytes(files.authority.issue_cert("x").private_key_pem.bytes())
        with pytest.raises((OSError, ssl.SSLError)):
            tls.reload_if_changed()
        assert await serial_of(gateway, files) == old
        files.write()
        assert tls.reload_if_changed()
        assert await serial_of(gateway, files) != old


@pytest.mark.slow
async def test_every_worker_follows_the_files(redis_url: str, tmp_path: Path, files: Files) -> None:
    """With several processes too, each by itself, new connections get the new certificate."""
    pair = f"{{certificate: {files.certificate}, key: {files.key}}}"
    server = f", workers: 2, drain_delay_s: 0, drain_grace_s: 1, tls: {pair}"
    upstream = "http://127.0.0.1:9"
    async with served(tmp_path, redis_url, upstream, server=server, tls=files.client()) as child:
        old = await serial_at(child.port, files)
        files.write()
        async with asyncio.timeout(3 * LOOK_EVERY_S):
            while {await serial_at(child.port, files) for _ in range(8)} & {old}:
                await tick()
        child.stop()
        assert await child.exit_code() == 0


NO_HANDSHAKE = {"nothing": b"", "half a greeting": b"\x16\x03\x01\x02\x00\x01"}


@pytest.mark.parametrize("sent", NO_HANDSHAKE)
async def test_handshake_that_does_not_come_is_not_waited_for(
    redis_url: str, files: Files, sent: str
) -> None:
    """It has as long as a head; whoever takes longer is dropped, whoever speaks TLS is served."""
    tls = TlsFiles(files.certificate, files.key)
    async with running_gateway(redis_url, tls=tls, header_timeout_s=0.1) as gateway:
        sock = bind("127.0.0.1", 0)
        port = sock.getsockname()[1]
        await gateway.runner.listen(sock)
        async with connected(port) as silent:
            silent.send(NO_HANDSHAKE[sent])
            assert await silent.rest() == b""
        async with connected(port, tls=files.client()) as client:
            assert (await client.ask(get("/healthz"))).status == 200


@pytest.mark.slow
async def test_every_worker_bounds_handshakes(redis_url: str, tmp_path: Path, files: Files) -> None:
    """Several processes listen as one does: their handshakes have the deadline too."""
    pair = f"{{certificate: {files.certificate}, key: {files.key}}}"
    server = f", workers: 2, drain_delay_s: 0, limits: {{header_timeout_s: 1}}, tls: {pair}"
    upstream = "http://127.0.0.1:9"
    async with (
        served(tmp_path, redis_url, upstream, server=server, tls=files.client()) as child,
        asyncio.timeout(10),
        connected(child.port) as silent,
    ):
        assert await silent.rest() == b""


async def serial_at(port: int, files: Files) -> str:
    """The serial number of the certificate that a new connection to *port* sees."""
    async with connected(port, tls=files.client()) as client:
        await client.ask(get("/healthz"))
        return str(client.writer.get_extra_info("peercert")["serialNumber"])
