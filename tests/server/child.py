"""`pointsman serve` as operators run it: a process of its own, a config file, signals."""

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from proxy.state.connection import Connection
from proxy.state.store import KeyStore
from proxy.state.tokens import Pepper
from proxy.units import UnixMs
from tests.server.downstream import WAIT_S, Answer, connected, get
from tests.server.waiting import tick

COMMAND = (str(Path(sys.executable).with_name("pointsman")), "serve", "--config")
PEPPER = "a pepper for tests only"
UNWRITABLE = "/proc"
"""A working directory and a home in which not even root can write."""


@dataclass
class Served:
    """A running child. `token` is a key of its tenant; `scratch` its empty TMPDIR."""

    process: asyncio.subprocess.Process
    port: int
    token: str
    scratch: Path
    out: Path
    tls: ssl.SSLContext | None = None

    def stop(self) -> None:
        """Tell it to stop, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self, within_s: float = WAIT_S) -> int:
        """Its exit code, once it ended by itself."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def ask(self, request: bytes) -> Answer:
        """The answer to *request* on a connection of its own."""
        async with connected(self.port, tls=self.tls) as client:
            return await client.ask(request)

    async def until_ready(self) -> None:
        """Wait until it takes requests; fails if it ends before."""
        async with asyncio.timeout(WAIT_S):
            while not await self._is_ready():
                assert self.process.returncode is None, self.out.read_text()
                await tick()

    async def _is_ready(self) -> bool:
        try:
            return (await self.ask(get("/readyz"))).status == 200
        except (OSError, asyncio.IncompleteReadError):
            return False

    def pids(self) -> list[int]:
        """The processes that it started and that run."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of *event* so far."""
        rows = (orjson.loads(line) for line in self.out.read_bytes().splitlines())
        return [row for row in rows if row["event"] == event]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def config_text(port: int, redis_url: str, upstream_url: str, server: str = "") -> str:
    """A config with one target; *server*: more of its server part, in flow style."""
    return f"""
server: {{listen: "127.0.0.1:{port}", redis: "{redis_url}"{server}}}
providers:
  first: {{dialect: openai, base_url: "{upstream_url}", allow_private: true}}
targets:
  first/m: {{provider: first, model: sim-medium}}
routes:
  auto: {{targets: [first/m]}}
tenants:
  acme: {{tier: pro, routes: [auto]}}
"""


def environment(scratch: Path, **more: str) -> dict[str, str]:
    """The least that a process needs: no HOME, no user, a TMPDIR of its own."""
    return {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(scratch),
        "POINTSMAN_PEPPER": PEPPER,
        **more,
    }


async def refused_start(config: Path, env: dict[str, str]) -> tuple[int, str]:
    """The exit code and the words of a start that must fail."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, str(config)),
        cwd=UNWRITABLE,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WAIT_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@asynccontextmanager
async def served(
    tmp_path: Path,
    redis_url: str,
    upstream_url: str,
    *,
    server: str = "",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Served]:
    """A gateway in a process of its own, ready; killed at the end if it still runs."""
    port = free_port()
    scratch, out, config = tmp_path / "scratch", tmp_path / "out", tmp_path / "gateway.yaml"
    scratch.mkdir()
    config.write_text(config_text(port, redis_url, upstream_url, server))
    connection = Connection(redis_url)
    store = KeyStore(connection, Pepper(PEPPER.encode()), lambda: UnixMs(1_790_000_000_000))
    token, _ = await store.create("acme", "test")
    await connection.close()
    with out.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, str(config)),
            cwd=UNWRITABLE,
            env=environment(scratch),
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    child = Served(process, port, token, scratch, out, tls)
    try:
        await child.until_ready()
        yield child
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
