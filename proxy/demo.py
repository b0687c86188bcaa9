"""A first run on one machine: everything the gateway needs, started and stopped together.

I/O: an embedded Redis, the simulated providers that the config names, the gateway itself. What
must last between runs (keys, the pepper) lies in a directory of its own.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from proxy.config.load import LoadedConfig
from proxy.config.settings import Settings
from proxy.domain.snapshot import Snapshot
from proxy.simulator.config import Address, SimulatorConfig
from proxy.simulator.server import Simulator
from proxy.state.connection import Connection
from proxy.state.embedded import EmbeddedRedis
from proxy.state.store import KeyStore
from proxy.state.tokens import Pepper, claimed_id, is_well_formed
from proxy.units import UnixMs

TENANT: Final = "demo"
PEPPER: Final = "pepper"
REDIS_URL: Final = "redis-url"
DRAIN_GRACE_S: Final = 5.0


class SimulatorBusy(Exception):  # noqa: N818 - says what happened
    """The address of a simulated provider is taken; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What is running, for who started it. `key_is_new`: made by this run. `takes_keys`: commands
    that are given its config find its Redis and its pepper.
    """

    url: str
    key: str
    key_is_new: bool
    tenant_id: str
    routes: tuple[str, ...]
    simulated: tuple[tuple[str, str], ...]
    data_dir: Path
    takes_keys: bool


def run_demo(
    config: LoadedConfig,
    simulator: SimulatorConfig,
    *,
    port: int,
    data_dir: Path,
    on_running: Callable[[Demo], None],
) -> None:
    """Run everything until told to stop; *on_running* hears when requests can come.

    Raises:
        EmbeddedRedisError: Redis did not start; the message says what to do.
        SimulatorBusy: the address of a simulated provider is taken.
        and what `serving.serve` raises.
    """
    # Not imported with the command line: `pointsman serve` must set its environment before the
    # metrics library is (cli/serve).
    from proxy.serving import serve

    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config, simulator = on_free_ports(config, simulator)
    with EmbeddedRedis(data_dir / "redis") as redis, _told(redis.url, data_dir / REDIS_URL):
        demo = _prepare(config, simulator, redis.url, port, data_dir)
        serve(
            replace(config, settings=_settings(config.settings, redis.url, port, data_dir)),
            console=True,
            beside=_simulated(simulator, demo.simulated),
            on_ready=lambda: on_running(demo),
        )


def _prepare(
    config: LoadedConfig, simulator: SimulatorConfig, redis_url: str, port: int, data_dir: Path
) -> Demo:
    snapshot = config.snapshot
    tenant_id = TENANT if TENANT in snapshot.tenants else next(iter(snapshot.tenants))
    pepper = Pepper(_kept(data_dir / PEPPER, lambda: secrets.token_hex(32)).encode())
    kept_key = data_dir / "demo-key"
    kept = kept_key.read_text().strip() if kept_key.exists() else ""
    key = asyncio.run(_demo_key(redis_url, pepper, tenant_id, kept))
    if key != kept:
        _write(kept_key, key)
    return Demo(
        url=f"http://{config.settings.host}:{port}",
        key=key,
        key_is_new=key != kept,
        tenant_id=tenant_id,
        routes=tuple(route.id for route in snapshot.routes_of(snapshot.tenants[tenant_id])),
        simulated=simulated_providers(snapshot, simulator),
        data_dir=data_dir,
        takes_keys=(config.settings.redis, config.settings.pepper)
        == (f"file:{data_dir / REDIS_URL}", f"file:{data_dir / PEPPER}"),
    )


@contextmanager
def _told(redis_url: str, path: Path) -> Iterator[None]:
    """Say at *path*, for as long as the demo runs, where its Redis is: `pointsman keys` asks."""
    _write(path, redis_url)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@asynccontextmanager
async def _simulated(
    simulator: SimulatorConfig, wanted: tuple[tuple[str, str], ...]
) -> AsyncIterator[None]:
    """The simulated providers, for as long as the gateway serves; none if none is *wanted*."""
    if not wanted:
        yield
        return
    running = Simulator(simulator)
    try:
        await running.start()
    except OSError as error:
        raise SimulatorBusy(
            f"the simulated providers cannot listen: {(error.strerror or 'unknown').lower()}. "
            "Name another address in both configs, the gateway's and the simulator's."
        ) from error
    try:
        yield
    finally:
        await running.stop()


def simulated_providers(
    snapshot: Snapshot, simulator: SimulatorConfig
) -> tuple[tuple[str, str], ...]:
    """The providers of *snapshot* that are simulated ones: ids and base URLs."""
    addresses = {
        f"http://{each.listen.host}:{each.listen.port}/" for each in simulator.providers.values()
    }
    return tuple(
        (provider.id, provider.endpoint_base)
        for provider in snapshot.providers.values()
        if provider.endpoint_base.startswith(tuple(addresses))
    )


def on_free_ports(
    config: LoadedConfig, simulator: SimulatorConfig
) -> tuple[LoadedConfig, SimulatorConfig]:
    """Both, with each simulated provider whose port is taken moved to a free one, so that a second
    demo runs beside the first.
    """
    hosted = dict(simulator.providers)
    called = dict(config.snapshot.providers)
    for name, provider in simulator.providers.items():
        listen = provider.listen
        port = _free_port(listen)
        hosted[name] = replace(provider, listen=replace(listen, port=port))
        before, after = (f"http://{listen.host}:{each}/" for each in (listen.port, port))
        for id_, caller in called.items():
            base = caller.endpoint_base
            if base.startswith(before):
                called[id_] = replace(caller, endpoint_base=after + base.removeprefix(before))
    # The targets' own copies of their provider keep the old one: calls go by `providers`.
    snapshot = replace(config.snapshot, providers=called)
    return replace(config, snapshot=snapshot), replace(simulator, providers=hosted)


def _free_port(wanted: Address) -> int:
    """The port of *wanted* if it is free there, else any that is."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    for port in (wanted.port, 0):
        with suppress(OSError), socket.create_server((wanted.host, port), family=family) as sock:
            found: int = sock.getsockname()[1]
            return found
    return wanted.port  # not an address of this machine: the simulator will say so


def _settings(settings: Settings, redis_url: str, port: int, data_dir: Path) -> Settings:
    return replace(
        settings,
        port=port,
        workers=1,
        redis=redis_url,
        pepper=f"file:{data_dir / PEPPER}",
        drain_delay_s=0.0,
        drain_grace_s=DRAIN_GRACE_S,
    )


async def _demo_key(redis_url: str, pepper: Pepper, tenant_id: str, kept: str) -> str:
    """The token *kept* from an earlier run if it still holds, else a new one."""
    connection = Connection(redis_url)
    try:
        store = KeyStore(connection, pepper, lambda: UnixMs(int(time.time() * 1000)))
        if is_well_formed(kept):
            alive = {key.id for key in await store.list(tenant_id) if key.revoked_ms is None}
            if claimed_id(kept) in alive:
                return kept
        token, _ = await store.create(tenant_id, "demo")
        return token
    finally:
        await connection.close()


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        _write(path, make())
    return path.read_text().strip()


def _write(path: Path, secret: str) -> None:
    """Write *secret* for the owner's eyes only, whole or not at all."""
    partial = path.with_name(path.name + ".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    partial.replace(path)
