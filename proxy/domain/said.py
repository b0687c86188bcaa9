"""What the caller says about its own request, in headers or in `routing`. Pure values."""

from dataclasses import field

from proxy.domain.labels import LatencyClass, Risk, Sensitivity, Workload
from proxy.values import value


@value
class Said:
    """The caller's words, checked; None where it said nothing.

    `scopes` are (name, value), sorted by name, each name once. Values are the caller's own
    and do not show when this is printed; `domain.traits` makes keyed hashes of them.
    """

    workload: Workload | None = None
    sensitivity: Sensitivity | None = None
    max_latency_ms: int | None = None
    feature: str | None = None
    scopes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    session: str | None = field(default=None, repr=False)
    user_type: str | None = None
    risk: Risk | None = None
    latency_class: LatencyClass | None = None


SAID_NOTHING = Said()
