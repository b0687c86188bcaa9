"""New prices: put in force, counted and logged. I/O: by the logs."""

from proxy.config.catalogue import Catalogue
from proxy.config.load import Pricing
from proxy.config.price_diff import Revision
from proxy.ports import SnapshotSlot
from proxy.telemetry.logs import log_event
from proxy.telemetry.metrics import Metrics

MAX_NAMED = 20


class PriceNews:
    """Hears what becomes of prices (`state.prices.Listener`)."""

    def __init__(self, pricing: Pricing, slot: SnapshotSlot, metrics: Metrics) -> None:
        self._pricing = pricing
        self._slot = slot
        self._metrics = metrics

    def take(self, fetched: Catalogue | None, day: int) -> None:
        """Price the targets anew; the next decision sees it."""
        current = self._slot.current
        snapshot = self._pricing.repriced(current, fetched, day)
        if snapshot is current:
            return
        changed = [id for id, target in snapshot.targets.items() if target != current.targets[id]]
        self._slot.replace(snapshot)
        self._metrics.config_in_force(snapshot.version)
        log_event(
            "prices_changed",
            config=snapshot.version,
            targets=changed[:MAX_NAMED],
            count=len(changed),
        )

    def synced(self, revision: Revision) -> None:
        """Tell what a fetch came to, and whom people should look at."""
        self._metrics.prices_fetched(
            taken=len(revision.taken), held=len(revision.held), refused=len(revision.refused)
        )
        log_event("prices_fetched", taken=len(revision.taken), refused=len(revision.refused))
        if revision.held:
            # Only names that the catalogue has already: a feed must not write into our logs.
            known = [change.model.id for change in revision.held if not change.is_new]
            log_event(
                "prices_held", level="warning", models=known[:MAX_NAMED], count=len(revision.held)
            )

    def failed(self, reason: str) -> None:
        """Tell why there is nothing new."""
        self._metrics.prices_not_fetched()
        log_event("prices_failed", level="warning", reason=reason)
