"""Warming up: every part of the classifier has run before the first request does."""

from hunting import scan_of

from proxy.domain.classing import BUILT_IN_ONLY
from proxy.domain.labels import Kind
from proxy.routing.warm import SAMPLES, warm


def test_warming_leaves_nothing_behind() -> None:
    """It only fills caches: what is found stays the same."""
    before = [scan_of(sample) for sample in SAMPLES]

    warm(BUILT_IN_ONLY)

    assert [scan_of(sample) for sample in SAMPLES] == before


def test_samples_touch_most_kinds() -> None:
    """What is verified by a library is verified once."""
    kinds = {kind for sample in SAMPLES for kind in scan_of(sample).kinds}

    assert kinds >= {
        Kind.EMAIL, Kind.PHONE, Kind.PAYMENT_CARD, Kind.IBAN, Kind.NATIONAL_ID, Kind.IP_ADDRESS,
        Kind.HEALTH,
    }  # fmt: skip
