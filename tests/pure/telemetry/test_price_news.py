"""New prices are put in force, counted and logged."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.config.catalogue import Catalogue, Model
from proxy.config.load import Pricing, load
from proxy.config.price_diff import Change, Revision
from proxy.config.price_feed import Refused
from proxy.domain.price import DatedPrice, Price
from proxy.domain.snapshot import Snapshot
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.price_news import PriceNews
from tests.pure.telemetry.test_metrics import samples

CONFIG = """\
prices: {file: prices.yaml}
providers:
  one: {dialect: openai, base_url: https://one.example/v1, catalog: one}
targets:
  one/a: {provider: one, model: a}
  one/b: {provider: one, model: b}
routes:
  auto: {targets: [one/a, one/b]}
tenants:
  acme: {tier: pro, routes: [auto]}
"""
CATALOGUE = """\
as_of: 2026-01-01
source: a test
models:
  one/a: {input_usd_per_million: 1, output_usd_per_million: 2}
"""


@dataclass
class Slot:
    """Holds a snapshot (implements `ports.SnapshotSlot`)."""

    current: Snapshot

    def replace(self, snapshot: Snapshot) -> None:
        self.current = snapshot


@pytest.fixture
def pricing(tmp_path: Path) -> tuple[Pricing, Slot]:
    """How to price a config anew, and its snapshot."""
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    (tmp_path / "prices.yaml").write_text(CATALOGUE)
    config = load(tmp_path / "gateway.yaml")
    assert config.pricing is not None
    return config.pricing, Slot(config.snapshot)


def a_model(id: str, nanousd: int) -> Model:
    """A model that costs the same in and out."""
    return Model(id, (DatedPrice(0, Price(nanousd, nanousd)),))


def test_new_prices_are_in_force_at_once_and_told(pricing: tuple[Pricing, Slot]) -> None:
    """The next decision sees them, under a version of its own."""
    anew, slot = pricing
    before = slot.current
    metrics = Metrics("0")
    news = PriceNews(anew, slot, metrics)
    fetched = Catalogue("2026-02-01", "a feed", {"one/b": a_model("one/b", 7)})

    with capture_logs() as logs:
        news.take(None, 20_000)
        assert slot.current is before
        news.take(fetched, 20_000)

    assert slot.current.targets["one/b"].price == Price(7, 7)
    assert slot.current.targets["one/a"] == before.targets["one/a"]
    version = slot.current.version
    assert version != before.version
    assert logs == [
        {
            "event": "prices_changed",
            "log_level": "info",
            "config": version,
            "targets": ["one/b"],
            "count": 1,
        }
    ]
    found = samples(metrics.render()[0])
    assert found[f'pointsman_config_info{{config="{version}"}}'] == 1


def test_fetch_is_counted_and_jumps_are_named(pricing: tuple[Pricing, Slot]) -> None:
    """But for names that only the feed has: it must not write into our logs."""
    metrics = Metrics("0")
    held = tuple(
        Change(a_model(id, 1), (), is_new, True)
        for id, is_new in (("one/a", False), ("one/new", True))
    )
    taken = (Change(a_model("one/b", 1), (), False, False),)
    nothing = Catalogue("2026-01-01", "", {})

    with capture_logs() as logs:
        news = PriceNews(*pricing, metrics)
        news.synced(Revision(nothing, taken, held, (Refused("one/x", "is negative"),), 1, 0, 0))
        news.synced(Revision(nothing, (), (), (), 1, 0, 0))
        news.failed("the price list was answered with status 503")

    assert [entry["event"] for entry in logs] == [
        "prices_fetched", "prices_held", "prices_fetched", "prices_failed",
    ]  # fmt: skip
    assert (logs[1]["models"], logs[1]["count"]) == (["one/a"], 2)
    found = samples(metrics.render()[0])
    assert found['pointsman_price_fetches_total{result="fetched"}'] == 2
    assert found['pointsman_price_fetches_total{result="failed"}'] == 1
    assert found['pointsman_price_models_total{fate="taken"}'] == 1
    assert found['pointsman_price_models_total{fate="held"}'] == 2
    assert found['pointsman_price_models_total{fate="refused"}'] == 1
