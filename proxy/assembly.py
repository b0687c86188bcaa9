"""Composition root: the only module that knows every concrete class. I/O: starts all of it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import cast
from uuid import uuid4

from proxy.config.load import LoadedConfig, Pricing
from proxy.deadlines import Deadlines
from proxy.domain.snapshot import Snapshot
from proxy.execution.executor import Executor
from proxy.execution.lessons import Lessons
from proxy.execution.plan import Planner
from proxy.execution.settle import Books
from proxy.execution.understand import Understanding
from proxy.pipeline import Pipeline, Steps
from proxy.ports import Provider
from proxy.providers.http1_transport import Http1Transport
from proxy.providers.openai import OpenAIProvider
from proxy.providers.price_fetch import FeedUnavailableError, fetch_feed
from proxy.routing.warm import warm
from proxy.secret_values import Secrets
from proxy.server.app import Gateway, Operations
from proxy.server.lifecycle import Lifecycle
from proxy.server.runner import GatewayRunner
from proxy.server.tls import TlsFiles
from proxy.state.answers import Answers
from proxy.state.board import Board
from proxy.state.call_caps import CallCaps
from proxy.state.connection import Connection, StateUnavailableError, address_of, check_server
from proxy.state.keyring import KeyRing, RingHooks
from proxy.state.prices import FetchFailedError, PriceKeeper, PriceStore, Schedule
from proxy.state.snapshots import SnapshotHolder
from proxy.state.store import check_pepper
from proxy.state.tokens import Pepper
from proxy.state.tool_calls import ToolCallOrigins
from proxy.tasks import Supervisor
from proxy.telemetry.lines import LineWriter
from proxy.telemetry.logs import failure_fields, log_event, log_failure
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.price_news import PriceNews
from proxy.telemetry.recorder import LogRecorder
from proxy.units import LoopSeconds, UnixMs
from proxy.wire.limits import Caps

START_DEADLINE_S = 5.0
"""How long a starting process waits to hear of key changes before it takes requests."""

BOOKS_WAIT_S = 0.01
"""How long the books of a request wait for those of others. Long beside a request, so that there
are others; short beside a scrape, and what a crash loses is no more than the log's own wait.
"""


class SystemClock:
    """The machine's time (implements `ports.Clock`)."""

    def __init__(self) -> None:
        # Monotonic seconds: the event loop's own base, but uvloop's clock stands still within a
        # turn of the loop and knows whole milliseconds only. Asked ten times a request, so it is
        # the function itself.
        self.now = cast(Callable[[], LoopSeconds], time.monotonic)

    def unix_ms(self) -> UnixMs:
        """Wall-clock milliseconds."""
        return UnixMs(int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Log:
    """How a process logs. `open_lines` is told whom to tell how many lines were lost."""

    open_lines: Callable[[Callable[[int], None]], LineWriter]
    for_people: bool = False


class _Memory:
    """What one process remembers of the requests that it served."""

    def __init__(self, clock: SystemClock) -> None:
        self.board = Board(clock.now)
        self._answers = Answers(clock.now)
        self._tool_calls = ToolCallOrigins()
        self._call_caps = CallCaps()
        self.lessons = Lessons(self.board, self._tool_calls, self._answers, self._call_caps)

    def steps(self, providers: Mapping[str, Provider], caps: Caps, clock: SystemClock) -> Steps:
        """The steps that build on it."""
        return Steps(
            Understanding(self._tool_calls, clock),
            Planner(self._answers, self._call_caps, caps),
            Executor(providers, self.board, clock, Deadlines()),
        )


@asynccontextmanager
async def gateway_parts(
    config: LoadedConfig, secrets: Secrets, log: Log, tls: TlsFiles | None = None
) -> AsyncIterator[tuple[Gateway, Lifecycle]]:
    """Everything behind one process's listener: started, and stopped in reverse at the end."""
    clock = SystemClock()
    metrics = Metrics(program_version())
    metrics.config_in_force(config.snapshot.version)
    supervisor = Supervisor(log_failure)
    limits = config.settings.limits
    async with AsyncExitStack() as running:
        lines = log.open_lines(metrics.lines_lost)
        running.callback(lines.close)
        running.push_async_callback(supervisor.stop)
        memory = _Memory(clock)
        recorder = LogRecorder(lines, console=log.for_people)
        books = Books(recorder, metrics, clock, memory.lessons.learn, log_failure, _in_a_moment)
        metrics.follow_books(books.flush)
        lifecycle = Lifecycle(books.flush)
        running.callback(metrics.refresh)
        keyring = await _start_keyring(running, secrets, clock, supervisor)
        metrics.follow_keyring(lambda: asdict(keyring.counts))
        if config.settings.workers > 1:  # any of them may be asked for the counts of all
            _ = supervisor.start("metrics", metrics.keep_fresh())
        if tls is not None:
            _ = supervisor.start("tls files", tls.watch(_report_tls))
        snapshots = _start_snapshots(running, config, secrets, supervisor, metrics, memory.board)
        caps = Caps(limits.max_body_bytes, limits.max_json_depth)
        providers = _start_providers(running, config.snapshot, secrets)
        pipeline = Pipeline(
            keyring=keyring,
            snapshots=snapshots,
            books=books,
            steps=memory.steps(providers, caps, clock),
            caps=caps,
        )
        gateway = Gateway(
            pipeline,
            Operations(lambda: keyring.has_followed, metrics.render),
            lifecycle=lifecycle,
            report=_report_unexpected,
            limits=limits,
            clock=clock,
        )
        _report_ready(config, secrets)
        yield gateway, lifecycle


def _in_a_moment(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(BOOKS_WAIT_S, call)


def _report_ready(config: LoadedConfig, secrets: Secrets) -> None:
    for warning in config.warnings:
        log_event("config_warning", level="warning", problem=str(warning))
    log_event(
        "ready",
        listen=f"{config.settings.host}:{config.settings.port}",
        pid=os.getpid(),
        config=config.snapshot.version,
        routes=len(config.snapshot.routes),
        redis=address_of(secrets.redis_url),
    )


def gateway_runner(config: LoadedConfig, secrets: Secrets, log: Log) -> GatewayRunner:
    """The server of one process; its parts start with it.

    Raises:
        OSError, ssl.SSLError: the config's TLS files cannot be used.
    """
    files = config.settings.tls
    tls = None if files is None else TlsFiles(files.certificate, files.key)
    parts = gateway_parts(config, secrets, log, tls)
    context = None if tls is None else tls.context
    return GatewayRunner(parts, config.settings, log_event, context)


def program_version() -> str:
    """What this program calls itself, for metrics."""
    try:
        return version("pointsman")
    except PackageNotFoundError:
        return "checkout"


async def check_state(redis_url: str, pepper: Pepper) -> None:
    """Refuse to start on a Redis that would lose keys, or with another pepper than its keys'.

    One that is away is only reported.

    Raises:
        StateMisconfiguredError: its settings, or ours, must be changed first.
    """
    connection = Connection(redis_url)
    try:
        for warning in await check_server(connection):
            log_event("redis_unchecked", level="warning", reason=warning)
        await check_pepper(connection, pepper)
    except StateUnavailableError as error:
        address = address_of(redis_url)
        log_event("redis_unavailable", level="warning", redis=address, **failure_fields(error))
    finally:
        await connection.close()


async def _start_keyring(
    running: AsyncExitStack, secrets: Secrets, clock: SystemClock, supervisor: Supervisor
) -> KeyRing:
    await check_state(secrets.redis_url, secrets.pepper)
    keyring = KeyRing(
        secrets.redis_url,
        secrets.pepper,
        clock=clock,
        supervisor=supervisor,
        hooks=RingHooks(trouble=_redis_reporter(address_of(secrets.redis_url))),
    )
    running.push_async_callback(keyring.stop)
    keyring.start()
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            await keyring.until_following()
    except TimeoutError:
        pass  # it goes on trying, and has said so; keys that need Redis get 503 until then
    return keyring


def _start_snapshots(
    running: AsyncExitStack,
    config: LoadedConfig,
    secrets: Secrets,
    supervisor: Supervisor,
    metrics: Metrics,
    board: Board,
) -> SnapshotHolder:
    warm(config.snapshot.classing)  # else the first requests pay for it
    snapshots = SnapshotHolder(config.snapshot, board, secrets.pepper.derived("scopes"))
    _ = supervisor.start("figures", snapshots.keep_fresh())
    if config.pricing is not None:
        news = PriceNews(config.pricing, snapshots, metrics)
        _start_prices(running, config.pricing, secrets, supervisor, news)
    return snapshots


def _start_prices(
    running: AsyncExitStack,
    pricing: Pricing,
    secrets: Secrets,
    supervisor: Supervisor,
    news: PriceNews,
) -> None:
    connection = Connection(secrets.redis_url, max_connections=1)
    running.push_async_callback(connection.close)
    sync = pricing.config.prices.sync
    keeper = PriceKeeper(
        PriceStore(connection),
        pricing.catalogue,
        news,
        unix_ms=SystemClock().unix_ms,
        schedule=None
        if sync is None
        else Schedule(
            partial(_fetch_prices, sync.feed),
            sync.every_h,
            pricing.config.prices.jump_percent,
            owner=uuid4().hex,
        ),
    )
    _ = supervisor.start("prices", keeper.run())


async def _fetch_prices(url: str) -> bytes:
    try:
        return await fetch_feed(url)
    except FeedUnavailableError as error:
        raise FetchFailedError(str(error)) from error


def _start_providers(
    running: AsyncExitStack, snapshot: Snapshot, secrets: Secrets
) -> dict[str, Provider]:
    started: dict[str, Provider] = {}
    for provider in snapshot.providers.values():
        transport = Http1Transport(
            provider.endpoint_base,
            provider.timeouts,
            max_connections=provider.max_connections,
            ssl_context=None if provider.ca_file is None else secrets.trusts[provider.id],
            allow_private=provider.allow_private,
        )
        running.push_async_callback(transport.close)
        credential = secrets.credentials.get(provider.id)
        started[provider.id] = OpenAIProvider(provider, credential, transport, time.time)
    return started


def _redis_reporter(address: str) -> Callable[[StateUnavailableError | None], None]:
    lost = False

    def report(trouble: StateUnavailableError | None) -> None:
        nonlocal lost
        if trouble is not None:
            log_event("redis_lost", level="error", redis=address, **failure_fields(trouble))
        elif lost:  # the first connection is no news
            log_event("redis_back", redis=address)
        lost = trouble is not None

    return report


def _report_tls(outcome: str) -> None:
    log_event("tls_files", level="info" if outcome == "reloaded" else "error", outcome=outcome)


def _report_unexpected(request_id: str, error: BaseException) -> None:
    log_event("request_crashed", level="error", request_id=request_id, **failure_fields(error))
