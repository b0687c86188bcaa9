"""What Prometheus may scrape. I/O: with several worker processes, files in a shared directory.

Several processes: set PROMETHEUS_MULTIPROC_DIR to a directory of this gateway's own before this
module is imported (prometheus_client reads it once, on import). Each worker then counts in a
file of its own there, and a scrape of any worker sums them all.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.record import Attempt, Record
from proxy.domain.usage import Evidence, Usage
from proxy.telemetry import series
from proxy.telemetry.paths import endpoint_of

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

REFRESH_S: Final = 1.0

NONE: Final = "none"
"""The label of a request that has no such thing (no route, no tenant)."""

ANSWERED: Final = "answered"
"""The outcome of an attempt without a failure."""

TOKEN_CLASSES: Final = ("prompt", "cached", "cache_write", "completion", "reasoning")

FETCHED: Final = "fetched"
NOT_FETCHED: Final = "failed"
PRICE_FATES: Final = ("taken", "held", "refused")


class _Ended(NamedTuple):
    """What every request of one kind counts in."""

    requests: Counter
    seconds: Histogram
    endings: Counter


class Metrics:
    """Implements the Meter port. What a label set counts in is looked up once, then kept."""

    def __init__(self, version: str) -> None:
        """*version* is the program's own."""
        # A second series with the time of creation for each series helps nobody here.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
        self._registry = CollectorRegistry()
        self._requests = self._counter(series.REQUESTS)
        self._request_seconds = self._histogram(series.REQUEST_SECONDS)
        self._first_byte_seconds = self._histogram(series.FIRST_BYTE_SECONDS)
        self._endings = self._counter(series.ENDINGS)
        self._attempts = self._counter(series.ATTEMPTS)
        self._tokens = self._counter(series.TOKENS)
        self._cost = self._counter(series.COST)
        self._maybe_cost = self._counter(series.MAYBE_COST)
        self._keyring = self._counter(series.KEYRING)
        self._price_fetches = self._counter(series.PRICE_FETCHES)
        self._price_models = self._counter(series.PRICE_MODELS)
        self._lines_lost = self._counter(series.LINES_LOST)
        self._in_flight = self._gauge(series.IN_FLIGHT)
        self._config = self._gauge(series.CONFIG)
        self._config_version: str | None = None
        self._gauge(series.BUILD).labels(version).set(1)

        self._ended_by: dict[tuple[str, str | None, int, bool, Ending], _Ended] = {}
        self._first_byte_by: dict[str, Histogram] = {}
        self._attempts_by: dict[tuple[str, FailureKind | None], Counter] = {}
        self._tokens_by: dict[tuple[str, Evidence], tuple[Counter, ...]] = {}
        self._cost_by: dict[tuple[str | None, str | None], Counter] = {}
        self._keyring_seen: dict[str, int] = {}
        self._pending: dict[Counter, int] = {}
        self._running = 0
        self._read_keyring: Callable[[], Mapping[str, int]] = dict

    def request_started(self) -> None:
        """A request came in."""
        self._running += 1

    def request_ended(self, record: Record) -> None:
        """A request left, with all that is known of it. Counts wait for `refresh`: a lock for
        each, or with several workers a write into a mapped file, would cost twice the rest.
        """
        self._running -= 1
        ended = self._ended(record)
        self._add(ended.requests)
        self._add(ended.endings)
        ended.seconds.observe(record.total_ms / 1000)
        for attempt in record.attempts:
            self._add(self._attempt(attempt))
            if attempt.maybe_nanousd:
                tenant = record.tenant_id or NONE
                self._add(self._maybe_cost.labels(tenant, attempt.target_id), attempt.maybe_nanousd)
        if record.target_id is not None:
            self._count_answer(record, record.target_id)
        if record.cost_nanousd:
            self._add(self._cost_of(record), record.cost_nanousd)

    def follow_keyring(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Count what *read* gives: totals by event (closed words) since this process began."""
        self._read_keyring = read

    def refresh(self) -> None:
        """Take over what waits and what is followed. `render` does so for its own process; each
        worker that another one may render for does it once a second (`keep_fresh`).
        """
        self._in_flight.set(self._running)
        for counter, amount in self._pending.items():
            counter.inc(amount)
        self._pending.clear()
        for event, total in self._read_keyring().items():
            if (growth := total - self._keyring_seen.get(event, 0)) > 0:
                self._keyring.labels(event).inc(growth)
                self._keyring_seen[event] = total

    async def keep_fresh(self) -> None:
        """Refresh once a second, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            self.refresh()

    def lines_lost(self, count: int) -> None:
        """*count* log lines could not be written."""
        self._lines_lost.inc(count)

    def prices_fetched(self, *, taken: int, held: int, refused: int) -> None:
        """A price list was fetched; so many of its models were taken, held back, refused."""
        self._price_fetches.labels(FETCHED).inc()
        for fate, count in zip(PRICE_FATES, (taken, held, refused), strict=True):
            self._price_models.labels(fate).inc(count)

    def prices_not_fetched(self) -> None:
        """A price list could not be fetched, or not be read."""
        self._price_fetches.labels(NOT_FETCHED).inc()

    def config_in_force(self, version: str) -> None:
        """The routing config *version* decides from now on."""
        if self._config_version is not None:
            self._config.labels(self._config_version).set(0)
        self._config_version = version
        self._config.labels(version).set(1)

    def render(self) -> tuple[bytes, str]:
        """All metrics in Prometheus's text form, and its content type.

        With several workers: of all of them, the dead ones' counts included.
        """
        self.refresh()
        registry = self._registry
        if DIRECTORY_VARIABLE in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # theirs
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _ended(self, record: Record) -> _Ended:
        endpoint = endpoint_of(record.path)
        key = (endpoint, record.route_id, record.status, record.stream, record.ending)
        if (ended := self._ended_by.get(key)) is None:
            ended = self._ended_by[key] = _Ended(
                self._requests.labels(endpoint, record.route_id or NONE, record.status),
                self._request_seconds.labels(endpoint, "yes" if record.stream else "no"),
                self._endings.labels(record.ending.value),
            )
        return ended

    def _attempt(self, attempt: Attempt) -> Counter:
        key = (attempt.target_id, attempt.failure)
        if (counter := self._attempts_by.get(key)) is None:
            counter = self._attempts_by[key] = self._attempts.labels(
                attempt.target_id, attempt.failure.value if attempt.failure else ANSWERED
            )
        return counter

    def _count_answer(self, record: Record, target_id: str) -> None:
        if record.first_byte_ms is not None:
            if (first_byte := self._first_byte_by.get(target_id)) is None:
                first_byte = self._first_byte_seconds.labels(target_id)
                self._first_byte_by[target_id] = first_byte
            first_byte.observe(record.first_byte_ms / 1000)
        if not record.usage.is_zero:
            counters = self._tokens_of(target_id, record.evidence)
            for counter, tokens in zip(counters, _by_class(record.usage), strict=True):
                if tokens:
                    self._add(counter, tokens)

    def _tokens_of(self, target_id: str, evidence: Evidence) -> tuple[Counter, ...]:
        key = (target_id, evidence)
        if (counters := self._tokens_by.get(key)) is None:
            counters = self._tokens_by[key] = tuple(
                self._tokens.labels(target_id, token_class, evidence.value)
                for token_class in TOKEN_CLASSES
            )
        return counters

    def _cost_of(self, record: Record) -> Counter:
        key = (record.tenant_id, record.target_id)
        if (counter := self._cost_by.get(key)) is None:
            counter = self._cost_by[key] = self._cost.labels(
                record.tenant_id or NONE, record.target_id or NONE
            )
        return counter

    def _add(self, counter: Counter, amount: int = 1) -> None:
        self._pending[counter] = self._pending.get(counter, 0) + amount

    def _counter(self, of: series.Count) -> Counter:
        return Counter(of.name, of.text, of.labels, registry=self._registry)

    def _gauge(self, of: series.Level) -> Gauge:
        return Gauge(
            of.name, of.text, of.labels, registry=self._registry, multiprocess_mode=of.across
        )

    def _histogram(self, of: series.Spread) -> Histogram:
        return Histogram(of.name, of.text, of.labels, registry=self._registry, buckets=of.buckets_s)


def _by_class(usage: Usage) -> tuple[int, ...]:
    """In the order of `TOKEN_CLASSES`."""
    return (
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.completion_tokens,
        usage.reasoning_tokens,
    )


def mark_process_dead(pid: int) -> None:
    """Take the worker *pid* out of what is alive; its counts stay. For the parent process."""
    if DIRECTORY_VARIABLE in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # theirs


def clear_directory(directory: Path) -> None:
    """Make *directory*, free of what an earlier run counted there. Before any worker starts."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)
