"""The gateway with everything around it made still: for tests of applications. I/O: sockets.

Its policies are the real ones, decided by the real code; what answers is simulated, says which
target it is, and costs nothing. Nothing else moves a decision: no Redis (each tenant has one key
that never changes), no figures that were measured, no draw, no credential. So the same request is
decided alike on every machine, unless a test lets a target fail (`Stub.script`).
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from proxy.assembly import SystemClock
from proxy.config.load import LoadedConfig
from proxy.deadlines import Deadlines
from proxy.domain.catalog import Provider, Target
from proxy.domain.outcome import FailureKind
from proxy.domain.policies import rebound
from proxy.domain.record import Record
from proxy.domain.request import Request
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Identity, KeyStanding, Tenant
from proxy.errors import GatewayError
from proxy.execution.executor import Executor
from proxy.execution.lessons import Lessons
from proxy.execution.plan import Asked, Planner
from proxy.execution.settle import Books
from proxy.execution.understand import Understanding
from proxy.pipeline import Pipeline, Steps
from proxy.policytests.spec import NOON
from proxy.ports import Answered, Exchange
from proxy.providers.http1_transport import Http1Transport
from proxy.providers.openai import OpenAIProvider
from proxy.server.app import Gateway, Operations
from proxy.server.lifecycle import Lifecycle
from proxy.server.runner import GatewayRunner
from proxy.server.serve import bind
from proxy.simulator.config import SimulatedModel, SimulatedProvider, SimulatorConfig
from proxy.simulator.script import Script, read_script
from proxy.simulator.server import Simulator, running_simulator
from proxy.state.answers import Answers
from proxy.state.call_caps import CallCaps
from proxy.state.tool_calls import ToolCallOrigins
from proxy.wire.limits import Caps

HOST: Final = "127.0.0.1"
DRAW: Final = 0.5
NOON_S: Final = int(datetime.fromisoformat(NOON).timestamp())
"""When every request of a stub comes: the moment of policy tests that name none."""
EMBEDDING_DIMENSIONS: Final = 64
DRAIN_GRACE_S: Final = 1.0
SETTLED_WITHIN_S: Final = 5.0
_HASH_KEY: Final = b"of a stub, known to all"


def key_of(tenant_id: str) -> str:
    """The API key of a tenant; it opens nothing but a stub."""
    return f"stub-{tenant_id}"


def saying(target: Target) -> Script:
    """What a target answers as long as no test says otherwise."""
    return Script(content=f"{target.id} answers.")


@dataclass(slots=True)
class Stub:
    """A stub that serves. `records` are what its requests left behind, oldest first."""

    url: str
    snapshot: Snapshot
    lifecycle: Lifecycle
    simulator: Simulator
    records: list[Record] = field(default_factory=list)

    def script(self, target_id: str, fields: Mapping[str, Any]) -> None:
        """Let a target behave by *fields*, as docs/simulator.md has them, from now on.

        Raises:
            KeyError: the config has no such target.
            ScriptError: *fields* are no script.
        """
        target = self.snapshot.targets[target_id]
        script = read_script(fields, saying(target))
        self.simulator.providers[target.provider.id].scripts[target.model] = script

    def reset(self) -> None:
        """Every target answers again, and nothing was asked yet."""
        self.records.clear()
        for provider in self.simulator.providers.values():
            provider.reset()
        for target_id in self.snapshot.targets:
            self.script(target_id, {})

    async def settle(self) -> None:
        """Wait until whatever was answered has left its record."""
        await self.lifecycle.until_idle(SETTLED_WITHIN_S)


@asynccontextmanager
async def running_stub(config: LoadedConfig, *, port: int = 0) -> AsyncIterator[Stub]:
    """A stub of *config* that serves on *port* (0: any free one) for as long as the block runs.

    Raises:
        CannotListen: the address is taken.
    """
    snapshot = _still(config.snapshot)
    async with AsyncExitStack() as running:
        simulator = await running.enter_async_context(running_simulator(_simulator(snapshot)))
        providers = {
            id_: replace(
                provider,
                endpoint_base=f"{simulator.urls[id_]}/v1",
                credential=None,
                ca_file=None,
                allow_private=True,
            )
            for id_, provider in snapshot.providers.items()
            if id_ in simulator.urls
        }
        stub = Stub("", snapshot, Lifecycle(), simulator)
        stub.reset()
        settings = replace(
            config.settings, tls=None, workers=1, drain_delay_s=0.0, drain_grace_s=DRAIN_GRACE_S
        )
        gateway = _gateway(stub, replace(config, settings=settings), _connect(running, providers))
        sock = bind(HOST, port)
        stub.url = f"http://{HOST}:{sock.getsockname()[1]}"
        runner = GatewayRunner(_parts(gateway, stub.lifecycle), settings, _say_nothing)
        await runner.setup()
        running.push_async_callback(runner.cleanup)
        await web.SockSite(runner, sock).start()
        yield stub


def _still(snapshot: Snapshot) -> Snapshot:
    policies = rebound(snapshot.policies, tuple(snapshot.routes.values()), _HASH_KEY)
    return replace(snapshot, policies=policies, standings={}, histories={})


def _simulator(snapshot: Snapshot) -> SimulatorConfig:
    """A simulated provider for each that has a target, with the models of its targets."""
    models: dict[str, dict[str, SimulatedModel]] = {}
    for target in snapshot.targets.values():
        dimensions = None if target.embedding_space is None else EMBEDDING_DIMENSIONS
        model = SimulatedModel(embedding_dimensions=dimensions)
        models.setdefault(target.provider.id, {})[target.model] = model
    return SimulatorConfig({id_: SimulatedProvider(each) for id_, each in models.items()})


def _connect(
    running: AsyncExitStack, providers: Mapping[str, Provider]
) -> dict[str, OpenAIProvider]:
    connected: dict[str, OpenAIProvider] = {}
    for id_, provider in providers.items():
        transport = Http1Transport(
            provider.endpoint_base,
            provider.timeouts,
            max_connections=provider.max_connections,
            allow_private=True,
        )
        running.push_async_callback(transport.close)
        connected[id_] = OpenAIProvider(provider, None, transport, time.time)
    return connected


def _gateway(stub: Stub, config: LoadedConfig, providers: Mapping[str, OpenAIProvider]) -> Gateway:
    clock, board = SystemClock(), NoBoard()
    answers, tool_calls, call_caps = Answers(clock.now), ToolCallOrigins(), CallCaps()
    limits = config.settings.limits
    caps = Caps(limits.max_body_bytes, limits.max_json_depth)
    pipeline = Pipeline(
        keyring=FixedKeys(stub.snapshot.tenants),
        snapshots=FixedSnapshot(stub.snapshot),
        books=Books(
            Kept(stub.records),
            NoMeter(),
            clock,
            Lessons(board, tool_calls, answers, call_caps).learn,
        ),
        steps=Steps(
            WithoutChance(tool_calls, clock),
            Planner(answers, call_caps, caps),
            Executor(providers, board, clock, Deadlines()),
        ),
        caps=caps,
    )
    return Gateway(
        pipeline,
        Operations(lambda: True, lambda: (b"", "text/plain")),
        lifecycle=stub.lifecycle,
        report=_say_nothing,
        limits=limits,
        clock=clock,
    )


@asynccontextmanager
async def _parts(
    gateway: Gateway, lifecycle: Lifecycle
) -> AsyncIterator[tuple[Gateway, Lifecycle]]:
    yield gateway, lifecycle


def _say_nothing(*_: object, **__: object) -> None:
    pass


class WithoutChance(Understanding):
    """Understands requests; draws the same for each of them, and takes it for the same noon."""

    async def of(
        self,
        request: Request,
        tenant: Tenant,
        exchange: Exchange,
        snapshot: Snapshot,
        key_tags: frozenset[str],
    ) -> Asked:
        """See `Understanding.of`."""
        asked = await super().of(request, tenant, exchange, snapshot, key_tags)
        asked.facts = replace(asked.facts, draw=DRAW, unix_s=NOON_S)
        return asked


class FixedKeys:
    """One key for each tenant (implements `ports.KeyRing`)."""

    def __init__(self, tenants: Mapping[str, Tenant]) -> None:
        self._known = {
            key_of(id_): KeyStanding(Identity(tenant_id=id_, key_id="stub")) for id_ in tenants
        }

    async def identify(self, token: str) -> KeyStanding:
        """See `ports.KeyRing`."""
        known = self._known.get(token)
        if known is None:
            raise GatewayError("invalid_api_key")
        return known


@dataclass(frozen=True, slots=True)
class FixedSnapshot:
    """A config that nothing replaces (implements `ports.Snapshots`)."""

    current: Snapshot


@dataclass(frozen=True, slots=True)
class Kept:
    """Keeps what requests leave behind (implements `ports.Recorder`)."""

    records: list[Record]

    def record(self, record: Record) -> None:
        """Take *record*."""
        self.records.append(record)


class NoMeter:
    """Counts nothing (implements `ports.Meter`)."""

    def request_started(self) -> None:
        """See `ports.Meter`."""

    def request_ended(self, record: Record) -> None:
        """See `ports.Meter`."""


class NoBoard:
    """Sees nothing, so that no failure moves a later decision (implements `ports.HealthBoard`)."""

    def attempt_ended(
        self, target_id: str, kind: FailureKind | None, first_token_ms: float | None
    ) -> None:
        """See `ports.HealthBoard`."""

    def answered(self, answer: Answered) -> None:
        """See `ports.HealthBoard`."""

    def limits_left(self, target_id: str, share: float) -> None:
        """See `ports.HealthBoard`."""
