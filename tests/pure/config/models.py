"""Models and catalogues to test with, and strategies that make any."""

from typing import Any

from hypothesis import strategies as st

from proxy.config.catalogue import Catalogue, Model
from proxy.config.price_spec import Mode
from proxy.domain.catalog import Capability
from proxy.domain.price import DatedPrice, Price, PriceTier

USD = 1_000_000_000
DAY = 20_783
"""2026-11-26."""


def a_model(id: str = "one/big", price: Price | None = None, **fields: Any) -> Model:
    """A model at a dollar in, two out, since ever."""
    prices = fields.pop("prices", (DatedPrice(0, price or Price(USD, 2 * USD)),))
    return Model(id, prices, **fields)


def a_catalogue(*models: Model, as_of: str = "2026-11-01") -> Catalogue:
    """A catalogue of *models*."""
    return Catalogue(as_of, "a test", {model.id: model for model in models})


nanousd = st.integers(0, 10_000 * USD)


@st.composite
def any_prices(draw: st.DrawFn) -> Price:
    """Any price that a catalogue can write: a tier names what differs, and never unsays a class."""
    classes = [draw(nanousd), draw(nanousd), *(draw(st.none() | nanousd) for _ in range(3))]
    discount = draw(st.integers(0, 1000))
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=3)))
    tiers = []
    for bound in bounds:
        own = [draw(st.none() | nanousd) for _ in range(5)]
        rates = [base if new is None else new for new, base in zip(own, classes, strict=True)]
        tiers.append(PriceTier(bound, Price(*rates, batch_discount_per_mille=discount)))
    return Price(*classes, tiers=tuple(tiers), batch_discount_per_mille=discount)


@st.composite
def any_models(draw: st.DrawFn) -> Model:
    """Any model that a catalogue can write."""
    kind = draw(st.sampled_from(["one", "two", "9-a.b_c"]))
    name = draw(st.sampled_from("aZ9@")) + draw(st.text("aZ9._:/@+-", max_size=12))
    days = sorted(draw(st.sets(st.integers(0, 30_000), min_size=1, max_size=3)))
    tokens = st.none() | st.integers(1, 10**8)
    return Model(
        f"{kind}/{name}",
        tuple(DatedPrice(day, draw(any_prices())) for day in days),
        draw(st.sampled_from(Mode)),
        draw(tokens),
        draw(tokens),
        draw(st.none() | st.frozensets(st.sampled_from(Capability))),
        draw(st.booleans()),
    )


@st.composite
def any_catalogues(draw: st.DrawFn) -> Catalogue:
    """Any catalogue."""
    models = draw(st.lists(any_models(), max_size=4))
    source = draw(st.sampled_from(["a test", 'with "quotes" and \\ and é: # too']))
    as_of = draw(st.sampled_from(["2026-11-26", "2026-11-26T04:10:00Z"]))
    return Catalogue(as_of, source, {model.id: model for model in models})
