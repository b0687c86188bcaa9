"""The catalogue as it is written, joined and renewed."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from models import USD, a_catalogue, a_model, any_catalogues

from proxy.config.catalogue import Catalogue, joined, line_of, render, renewed, usd
from proxy.config.price_spec import Mode
from proxy.config.prices import catalogue_of, is_one_model_a_line, read_catalogue, read_lines
from proxy.domain.catalog import Capability
from proxy.domain.price import DatedPrice, Price, PriceTier


@given(any_catalogues())
@settings(max_examples=30, deadline=None)
def test_written_and_read_again_is_the_same(catalogue: Catalogue) -> None:
    """Every price, date, tier and limit survives, digit by digit, by the fast way too."""
    text = render(catalogue)

    assert read_catalogue(text.encode(), "test.yaml") == catalogue
    assert catalogue_of(read_lines(text.encode())) == catalogue
    assert render(read_catalogue(text.encode(), "test.yaml")) == text


@pytest.mark.parametrize(
    ("nanousd", "written"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (75_000_000, "0.075"),
        (USD, "1"),
        (10 * USD, "10"),
        (12_500_000_001, "12.500000001"),
    ],
)
def test_money_is_written_exactly(nanousd: int, written: str) -> None:
    """No digit is lost, none is added."""
    assert usd(nanousd) == written


def test_model_is_one_line() -> None:
    """Everything that is known stands in it, what is not known does not."""
    tier = PriceTier(200_000, Price(2 * USD, 10 * USD, batch_discount_per_mille=500))
    model = a_model(
        "one/big",
        prices=(
            DatedPrice(20_000, Price(USD, 10 * USD, tiers=(tier,), batch_discount_per_mille=500)),
            DatedPrice(20_783, Price(0, 0, 0)),
        ),
        mode=Mode.EMBEDDING,
        context_window_tokens=8192,
        max_output_tokens=100,
        capabilities=frozenset({Capability.VISION, Capability.TOOLS}),
        override=True,
    )

    assert line_of(model) == (
        "  one/big: {input_usd_per_million: 1, output_usd_per_million: 10, "
        "tiers: [{above_tokens: 200000, input_usd_per_million: 2}], "
        "batch_discount_per_mille: 500, valid_from: 2024-10-04, "
        "later: [{valid_from: 2026-11-26, input_usd_per_million: 0, output_usd_per_million: 0, "
        "cached_input_usd_per_million: 0}], mode: embedding, context_window_tokens: 8192, "
        "max_output_tokens: 100, capabilities: [tools, vision], override: true}\n"
    )
    assert line_of(a_model("one/small")) == (
        "  one/small: {input_usd_per_million: 1, output_usd_per_million: 2}\n"
    )


OWN = """\
# Ours.
as_of: 2026-01-01
source: "somewhere"

models:
  # the big ones
  one/big: {input_usd_per_million: 1.00, output_usd_per_million: 2}
  one/c: {input_usd_per_million: 1.00, output_usd_per_million: 2}
  # the last"""


def test_renewing_touches_only_what_changed() -> None:
    """Comments, order and the writing of all other lines stay; new models go to their place."""
    catalogue = a_catalogue(
        *(a_model(id, Price(3 * USD, 0)) for id in ("one/a", "one/big", "one/c", "two/z"))
    )

    text = renewed(OWN, catalogue, {"one/a", "one/big", "two/z"})

    line = "input_usd_per_million: 3, output_usd_per_million: 0}"
    assert text == (
        '# Ours.\nas_of: 2026-11-01\nsource: "a test"\nmodels:\n  # the big ones\n'
        f"  one/a: {{{line}\n  one/big: {{{line}\n"
        "  one/c: {input_usd_per_million: 1.00, output_usd_per_million: 2}\n"
        f"  # the last\n  two/z: {{{line}\n"
    )
    assert is_one_model_a_line(text.encode())


@given(any_catalogues(), any_catalogues())
@settings(max_examples=30, deadline=None)
def test_renewed_text_means_the_renewed_catalogue(before: Catalogue, after: Catalogue) -> None:
    """Renewing by lines comes to the same as writing the whole catalogue anew."""
    wanted = replace(after, models={**before.models, **after.models})

    text = renewed(render(before), wanted, after.models)

    assert read_catalogue(text.encode(), "test.yaml") == wanted


def test_younger_catalogue_counts_but_never_against_an_override() -> None:
    """What a gateway fetched since holds until the file is younger; each keeps what only it has."""
    mine = a_model("one/mine", Price(1, 1), override=True)
    of_file = a_catalogue(mine, a_model("one/a", Price(1, 1)), a_model("one/b"), as_of="2026-11-02")
    of_feed = a_catalogue(
        a_model("one/mine", Price(2, 2)), a_model("one/a", Price(2, 2)), a_model("one/new")
    )

    older = joined(of_file, of_feed)
    younger = joined(of_file, replace(of_feed, as_of="2026-11-02T00:00:01Z"))

    assert older.models["one/a"] == of_file.models["one/a"]
    assert younger.models["one/a"] == of_feed.models["one/a"]
    assert older.models["one/mine"] == younger.models["one/mine"] == mine
    assert set(older.models) == set(younger.models) == {"one/mine", "one/a", "one/b", "one/new"}
    assert (older.as_of, younger.as_of) == ("2026-11-02", "2026-11-02T00:00:01Z")


def test_kind_is_what_stands_before_the_slash() -> None:
    """A model's name may hold slashes of its own."""
    assert a_model("groq/openai/gpt-oss-20b").kind == "groq"
