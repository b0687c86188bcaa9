"""What Prometheus may scrape. I/O: with several worker processes, files in a shared directory.

Several processes: set PROMETHEUS_MULTIPROC_DIR to a directory of this gateway's own before this
module is imported (prometheus_client reads it once, on import). Each worker then counts in a
file of its own there, and a scrape of any worker sums them all.
"""

import asyncio
import os
from bisect import bisect_left
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

from proxy.domain.catalog import Capability
from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.record import Record
from proxy.domain.usage import Evidence
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


class _Alike(NamedTuple):
    """What requests that are counted alike have in common."""

    path: str
    route_id: str | None
    status: int
    stream: bool
    ending: Ending
    tenant_id: str | None
    target_id: str | None
    evidence: Evidence


class _Tally:
    """What requests that are counted alike came to since the last refresh."""

    __slots__ = (
        "cost_nanousd", "estimates", "first_byte", "requests", "seconds", "tokens", "unpriced"
    )  # fmt: skip

    def __init__(self, evidence: Evidence) -> None:
        self.requests = 0
        self.seconds = _Figures(series.REQUEST_SECONDS.buckets)
        self.first_byte = _Figures(series.FIRST_BYTE_SECONDS.buckets)
        self.estimates: _Figures | None = None
        if evidence is Evidence.REPORTED:
            self.estimates = _Figures(series.PROMPT_ESTIMATE.buckets)
        self.tokens = [0] * len(TOKEN_CLASSES)
        self.cost_nanousd = 0
        self.unpriced = 0


class _Figures:
    """A histogram's observations since the last refresh, each in its bucket."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, figure: float) -> None:
        self.total += figure
        self.counts[bisect_left(self._bounds, figure)] += 1

    def pour_into(self, histogram: Histogram) -> None:
        # The library has no way to add many at once, and one observation costs 3 us.
        histogram._sum.inc(self.total)
        for bucket, count in zip(histogram._buckets, self.counts, strict=True):
            if count:
                bucket.inc(count)


class Metrics:
    """Implements the Meter port."""

    def __init__(self, version: str) -> None:
        """*version* is the program's own."""
        # A second series with the time of creation for each series helps nobody here.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
        self._registry = CollectorRegistry()
        self._requests = self._counter(series.REQUESTS)
        self._request_seconds = self._histogram(series.REQUEST_SECONDS)
        self._first_byte_seconds = self._histogram(series.FIRST_BYTE_SECONDS)
        self._prompt_estimate = self._histogram(series.PROMPT_ESTIMATE)
        self._endings = self._counter(series.ENDINGS)
        self._attempts = self._counter(series.ATTEMPTS)
        self._tokens = self._counter(series.TOKENS)
        self._cost = self._counter(series.COST)
        self._unpriced = self._counter(series.UNPRICED)
        self._maybe_cost = self._counter(series.MAYBE_COST)
        self._keyring = self._counter(series.KEYRING)
        self._price_fetches = self._counter(series.PRICE_FETCHES)
        self._price_models = self._counter(series.PRICE_MODELS)
        self._lines_lost = self._counter(series.LINES_LOST)
        self._in_flight = self._gauge(series.IN_FLIGHT)
        self._config = self._gauge(series.CONFIG)
        self._config_version: str | None = None
        self._gauge(series.BUILD).labels(version).set(1)

        self._tallies: dict[_Alike, _Tally] = {}
        self._attempted: dict[tuple[str, FailureKind | None], int] = {}
        self._maybe_billed: dict[tuple[str, str], int] = {}
        self._keyring_seen: dict[str, int] = {}
        self._running = 0
        self._read_keyring: Callable[[], Mapping[str, int]] = dict
        self._ask_books: Callable[[], None] = lambda: None

    def request_started(self) -> None:
        """A request came in."""
        self._running += 1

    def request_ended(self, record: Record) -> None:
        """A request left, with all that is known of it. It is added up with its like until
        `refresh`: a lock for each count, or with several workers a write into a mapped file,
        would cost several times as much.
        """
        self._running -= 1
        alike = _Alike(
            record.path,
            record.route_id,
            record.status,
            record.stream,
            record.ending,
            record.tenant_id,
            record.target_id,
            record.evidence,
        )
        tally = self._tallies.get(alike)
        if tally is None:
            tally = self._tallies[alike] = _Tally(alike.evidence)
        tally.requests += 1
        tally.seconds.add(record.total_ms / 1000)
        if record.first_byte_ms is not None:
            tally.first_byte.add(record.first_byte_ms / 1000)
        usage, tokens = record.usage, tally.tokens
        tokens[0] += usage.prompt_tokens
        tokens[1] += usage.cached_tokens
        tokens[2] += usage.cache_write_tokens
        tokens[3] += usage.completion_tokens
        tokens[4] += usage.reasoning_tokens
        if tally.estimates is not None and usage.prompt_tokens:
            estimate = _prompt_estimate(record)
            if estimate is not None:
                tally.estimates.add(estimate / usage.prompt_tokens)
        if record.cost_nanousd is None:
            tally.unpriced += 1
        else:
            tally.cost_nanousd += record.cost_nanousd
        self._count_attempts(record)

    def _count_attempts(self, record: Record) -> None:
        attempted = self._attempted
        for attempt in record.attempts:
            outcome = (attempt.target_id, attempt.failure)
            attempted[outcome] = attempted.get(outcome, 0) + 1
            if attempt.maybe_nanousd:
                billed = (record.tenant_id or NONE, attempt.target_id)
                total = self._maybe_billed.get(billed, 0)
                self._maybe_billed[billed] = total + attempt.maybe_nanousd

    def follow_books(self, ask: Callable[[], None]) -> None:
        """Before each refresh, *ask* for the requests that ended and wait to be counted."""
        self._ask_books = ask

    def follow_keyring(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Count what *read* gives: totals by event (closed words) since this process began."""
        self._read_keyring = read

    def refresh(self) -> None:
        """Take over what waits and what is followed. `render` does so for its own process; each
        worker that another one may render for does it once a second (`keep_fresh`).
        """
        self._ask_books()
        self._in_flight.set(self._running)
        for alike, tally in self._tallies.items():
            self._count(alike, tally)
        self._tallies.clear()
        for (target_id, failure), count in self._attempted.items():
            self._attempts.labels(target_id, failure.value if failure else ANSWERED).inc(count)
        self._attempted.clear()
        for billed, nanousd in self._maybe_billed.items():
            self._maybe_cost.labels(*billed).inc(nanousd)
        self._maybe_billed.clear()
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

    def _count(self, alike: _Alike, tally: _Tally) -> None:
        endpoint = endpoint_of(alike.path)
        self._requests.labels(endpoint, alike.route_id or NONE, alike.status).inc(tally.requests)
        self._endings.labels(alike.ending.value).inc(tally.requests)
        stream = "yes" if alike.stream else "no"
        tally.seconds.pour_into(self._request_seconds.labels(endpoint, stream))
        if (target_id := alike.target_id) is None:
            return
        tally.first_byte.pour_into(self._first_byte_seconds.labels(target_id))
        if tally.estimates is not None and any(tally.estimates.counts):
            tally.estimates.pour_into(self._prompt_estimate.labels(target_id))
        for token_class, tokens in zip(TOKEN_CLASSES, tally.tokens, strict=True):
            if tokens:
                self._tokens.labels(target_id, token_class, alike.evidence.value).inc(tokens)
        tenant = alike.tenant_id or NONE
        if tally.cost_nanousd:
            self._cost.labels(tenant, target_id).inc(tally.cost_nanousd)
        if tally.unpriced:
            self._unpriced.labels(tenant, target_id).inc(tally.unpriced)

    def _counter(self, of: series.Count) -> Counter:
        return Counter(of.name, of.text, of.labels, registry=self._registry)

    def _gauge(self, of: series.Level) -> Gauge:
        return Gauge(
            of.name, of.text, of.labels, registry=self._registry, multiprocess_mode=of.across
        )

    def _histogram(self, of: series.Spread) -> Histogram:
        return Histogram(of.name, of.text, of.labels, registry=self._registry, buckets=of.buckets)


def _prompt_estimate(record: Record) -> int | None:
    """The prompt tokens that the decision reckoned with for the target that answered; None where
    there is no such figure, it was for a longer prompt than was sent, or bytes tell nothing of
    tokens (images, files, sound).
    """
    decision, facts = record.decision, record.facts
    if decision is None or facts is None or decision.degradation is not None:
        return None
    if facts.images or Capability.AUDIO in facts.needs:
        return None
    for candidate in decision.ranking:
        if candidate.target.id == record.target_id:
            return candidate.prompt_tokens
    return None


def mark_process_dead(pid: int) -> None:
    """Take the worker *pid* out of what is alive; its counts stay. For the parent process."""
    if DIRECTORY_VARIABLE in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # theirs


def clear_directory(directory: Path) -> None:
    """Make *directory*, free of what an earlier run counted there. Before any worker starts."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)
