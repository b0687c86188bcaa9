"""The whole gateway for tests: real Redis, real sockets, a simulated provider behind it.

Nothing is replaced but where log lines go (a list) and how long the drain takes.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from textwrap import dedent
from typing import Any

import orjson
from aiohttp import ClientSession, web

from proxy.assembly import Log, gateway_parts
from proxy.config.catalogue import Catalogue
from proxy.config.load import LoadedConfig, parse
from proxy.secret_values import Secrets
from proxy.server.runner import GatewayRunner
from proxy.server.serve import bind
from proxy.server.tls import TlsFiles
from proxy.simulator.config import DEFAULT_MODELS, SimulatedProvider, SimulatorConfig
from proxy.simulator.server import Simulator, running_simulator
from proxy.state.connection import Connection
from proxy.state.store import KeyStore
from proxy.state.tokens import Pepper
from proxy.units import UnixMs

PEPPER = Pepper(b"a pepper for tests only")

NAMES = ("first", "second", "third")
"""The simulated providers, in the order in which the route `auto` tries them."""


class KeptLines:
    """Takes log lines in place of standard output."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.text: list[bytes] = []
        self._came = asyncio.Event()

    def write(self, line: bytes) -> None:
        self.text.append(line)
        self.rows.append(orjson.loads(line))
        self._came.set()

    def lose(self, lines: int) -> None:
        raise AssertionError(f"{lines} log lines lost")

    def close(self) -> None:
        pass

    async def requests(self, count: int) -> list[dict[str, Any]]:
        """The first *count* lines of requests, once they are written."""
        while len(found := [row for row in self.rows if row["event"] == "request"]) < count:
            self._came.clear()
            await asyncio.wait_for(self._came.wait(), 20)
        return found[:count]


@dataclass
class GatewayUnderTest:
    """A running gateway. `token` is a key of tenant `acme`, which may ask for every route."""

    port: int
    token: str
    simulator: Simulator
    lines: KeptLines
    store: KeyStore
    runner: GatewayRunner
    config: LoadedConfig

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    async def rows(self) -> list[dict[str, Any]]:
        """All lines so far, with those of requests that ended just now: a scrape asks for them."""
        async with ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            assert answer.status == 200
        return self.lines.rows

    def script(self, provider: str = "first", **fields: Any) -> None:
        """Make the simulated *provider* behave by a script of these *fields* from now on."""
        self.simulator.set_script(fields, provider=provider)

    def calls(self, provider: str) -> int:
        """How many calls the simulated *provider* has had."""
        return self.simulator.providers[provider].stats.calls

    def all_calls(self) -> list[int]:
        """The same of each of `NAMES`."""
        return [self.calls(name) for name in NAMES]


def gateway_yaml(simulator: Simulator, extra: str = "") -> str:
    """A config with each simulated provider, one chat and one embeddings target on each."""
    lines = ["providers:"]
    for name, url in simulator.urls.items():
        lines += [
            f"  {name}:",
            "    dialect: openai",
            f"    base_url: {url}",
            "    allow_private: true",
            "    timeouts: {connect_s: 2, first_byte_s: 5, plain_first_byte_s: 5, "
            "between_chunks_s: 5, total_s: 60}",
        ]
    lines.append("targets:")
    for name in simulator.urls:
        lines += [
            f"  {name}/sim-medium:",
            f"    provider: {name}",
            "    model: sim-medium",
            "    price: {input_usd_per_million: 0.50, output_usd_per_million: 1.50}",
            f"  {name}/sim-embed:",
            f"    provider: {name}",
            "    model: sim-embed",
            "    embedding_space: sim",
            "    price: {input_usd_per_million: 0.02, output_usd_per_million: 0}",
        ]
    chats = ", ".join(f"{name}/sim-medium" for name in simulator.urls)
    embeds = ", ".join(f"{name}/sim-embed" for name in simulator.urls)
    lines += [
        "routes:",
        f"  auto: {{targets: [{chats}]}}",
        f"  one: {{targets: [{NAMES[0]}/sim-medium]}}",
        f"  org/model:v1: {{targets: [{NAMES[0]}/sim-medium]}}",
        f"  embeddings: {{targets: [{embeds}]}}",
        "tenants:",
        "  acme: {tier: pro, routes: [auto, one, 'org/model:v1', embeddings]}",
        "  small: {tier: free, routes: [one]}",
    ]
    return "\n".join(lines) + "\n" + dedent(extra)


@asynccontextmanager
async def running_gateway(
    redis_url: str,
    *,
    config_text: str | None = None,
    names: Iterable[str] = NAMES,
    tls: TlsFiles | None = None,
    catalogue: Catalogue | None = None,
    **server: Any,
) -> AsyncIterator[GatewayUnderTest]:
    """A gateway that serves for as long as the block runs.

    *config_text*: in place of `gateway_yaml`, with `{first}` and so on for the providers' URLs.
    *catalogue*: in place of the file that the config names as `prices.file`.
    *server*: replaces single settings, those of `Limits` by name.
    """
    providers = {name: SimulatedProvider(DEFAULT_MODELS, seed=7) for name in names}
    async with running_simulator(SimulatorConfig(providers)) as simulator:
        text = gateway_yaml(simulator)
        if config_text is not None:
            text = dedent(config_text).format(**simulator.urls)
        read = None if catalogue is None else lambda _: catalogue
        loaded = _with(parse(text.encode(), "test.yaml", read), server)
        credentials = {id_: f"sk-{secrets.token_hex(16)}" for id_ in loaded.snapshot.providers}
        lines = KeptLines()
        parts = gateway_parts(
            loaded, Secrets(redis_url, PEPPER, credentials), Log(lambda _: lines), tls
        )
        runner = GatewayRunner(
            parts, loaded.settings, lambda *_, **__: None, tls.context if tls else None
        )
        connection = Connection(redis_url)
        store = KeyStore(connection, PEPPER, lambda: UnixMs(1_790_000_000_000))
        token, _ = await store.create("acme", "test")
        await runner.setup()
        sock = bind("127.0.0.1", 0)
        port = sock.getsockname()[1]
        await web.SockSite(runner, sock, ssl_context=runner.tls_context).start()
        try:
            yield GatewayUnderTest(port, token, simulator, lines, store, runner, loaded)
        finally:
            await runner.cleanup()
            await connection.close()


def _with(loaded: LoadedConfig, server: dict[str, Any]) -> LoadedConfig:
    limits = loaded.settings.limits
    of_limits = {name: value for name, value in server.items() if hasattr(limits, name)}
    others = {name: value for name, value in server.items() if name not in of_limits}
    settings = replace(
        loaded.settings,
        limits=replace(limits, **of_limits),
        **{"drain_delay_s": 0.0, "drain_grace_s": 1.0, **others},
    )
    return replace(loaded, settings=settings)
