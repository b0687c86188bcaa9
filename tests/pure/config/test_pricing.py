"""Targets that take what they cost and can do from the catalogue."""

from pathlib import Path

import pytest
from documents import GOOD, spoiled, warnings_of
from models import DAY, USD, a_catalogue, a_model

from proxy.config.catalogue import Catalogue, render
from proxy.config.load import LoadedConfig, load, parse, today
from proxy.config.price_spec import Mode
from proxy.config.problems import ConfigProblems
from proxy.domain.catalog import Capability, Target
from proxy.domain.price import DatedPrice, Price, UnpricedPolicy

BIG = a_model(
    "kind/big",
    prices=(DatedPrice(0, Price(USD, 2 * USD)), DatedPrice(DAY, Price(3 * USD, 4 * USD))),
    context_window_tokens=1000,
    max_output_tokens=100,
    capabilities=frozenset({Capability.JSON_SCHEMA}),
)
VECTORS = a_model("kind/vectors", Price(5, 0), mode=Mode.EMBEDDING)
CATALOGUE = a_catalogue(BIG, VECTORS, a_model("kind/small", Price(7, 8)))
PRICES = "prices: {file: p.yaml}\n"


def loaded(text: str, catalogue: Catalogue = CATALOGUE, day: int = 1) -> LoadedConfig:
    """The config *text* on *day*, with *catalogue* for the file that it names."""
    return parse(text.encode(), "test.yaml", lambda _: catalogue, day)


def small(extra: str, text: str = GOOD) -> str:
    """*text* with *extra* lines for the target two/small."""
    place = "    model: small\n"
    assert text.count(place) == 1
    return PRICES + text.replace(place, place + extra)


def target(text: str, day: int = 1) -> Target:
    """The target two/small of the config *text*."""
    return loaded(text, day=day).snapshot.targets["two/small"]


def problems_of(text: str) -> list[tuple[int, str, str]]:
    """Line, place and message of everything that is wrong with *text*."""
    with pytest.raises(ConfigProblems) as found:
        loaded(text)
    return [(each.line, each.where, each.message) for each in found.value.problems]


def test_target_takes_what_its_model_has() -> None:
    """Price, window, longest answer and capabilities; the price of the day."""
    text = small("    catalog: kind/big\n")

    before, after = target(text, DAY - 1), target(text, DAY)

    assert before.price == Price(USD, 2 * USD)
    assert after.price == Price(3 * USD, 4 * USD)
    assert (after.context_window_tokens, after.max_output_tokens) == (1000, 100)
    assert after.capabilities == BIG.capabilities


def test_what_the_target_says_itself_counts() -> None:
    """Each value by itself; an empty list of capabilities is a value."""
    own = target(
        small(
            "    catalog: kind/big\n    context_window_tokens: 5\n    capabilities: []\n"
            "    price: {input_usd_per_million: 9, output_usd_per_million: 9,"
            " batch_discount_per_mille: 5,"
            " tiers: [{above_tokens: 3, output_usd_per_million: 10}]}\n"
        )
    )

    assert own.price is not None
    assert (own.price.input_nanousd, own.price.batch_discount_per_mille) == (9 * USD, 5)
    assert own.price.tiers[0].price.output_nanousd == 10 * USD
    assert (own.context_window_tokens, own.max_output_tokens) == (5, 100)
    assert own.capabilities == frozenset()


def test_provider_says_under_which_kind_its_models_are_found() -> None:
    """By the model's name there; a target may name another, or lie unknown."""
    text = PRICES + GOOD.replace(
        "    base_url: http://127.0.0.1:8000\n",
        "    base_url: http://127.0.0.1:8000\n    catalog: kind\n",
    )
    targets = loaded(text).snapshot.targets

    assert targets["two/small"].price == Price(7, 8)
    assert targets["two/vectors"].price == Price(5, 0)
    assert targets["one/vectors"].price is None
    other = text.replace("    model: small\n", "    model: small\n    catalog: kind/big\n")
    assert target(other).price == Price(USD, 2 * USD)
    assert target(text.replace("model: small", "model: unheard-of")).price is None


def test_config_without_a_catalogue_looks_nothing_up() -> None:
    """Then there is nothing to price anew, either."""
    config = parse(GOOD.encode(), "test.yaml", lambda _: CATALOGUE)

    assert config.pricing is None
    assert config.snapshot.targets["two/small"].price is None
    assert config.snapshot.unpriced_policy is UnpricedPolicy.REFUSE


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        ("    catalog: kind/bgi\n", "did you mean 'kind/big'"),
        ("    catalog: nobody/knows\n", "there is no 'nobody/knows' in the catalogue; add it"),
        ("    catalog: kind/vectors\n", "is a model for embedding, while this target serves chat"),
        ("    catalog: kind\n", "must be a kind of provider, a slash"),
    ],
)
def test_model_that_the_catalogue_lacks_is_a_problem(extra: str, part: str) -> None:
    """With the place where it is named."""
    ((line, where, message),) = [p for p in problems_of(small(extra)) if part in p[2]]

    assert (line, where) == (35, "targets[two/small].catalog")
    assert message


def test_embeddings_want_a_model_for_embeddings() -> None:
    """A chat model cannot stand behind an embedding space."""
    text = PRICES + GOOD.replace(
        "    model: vectors\n    embedding_space: space-2",
        "    model: vectors\n    catalog: kind/big\n    embedding_space: space-2",
    )

    assert "serves embeddings" in problems_of(text)[0][2]


def test_naming_a_model_needs_a_catalogue() -> None:
    """Without one there is nothing to take."""
    text = small("    catalog: kind/big\n").removeprefix(PRICES)

    ((_, where, message),) = problems_of(text)
    assert where == "targets[two/small].catalog"
    assert "name one as prices.file" in message


def test_catalogue_that_is_no_text_is_the_schemas_problem() -> None:
    """It brings one problem, not two."""
    assert len(problems_of(small("    catalog: 5\n"))) == 1
    assert len(problems_of("prices: {file: 5}\n" + GOOD)) == 1


@pytest.mark.parametrize(
    ("prices", "where", "part"),
    [
        ("{sync: {from: https://a.example/x}}", "prices", "has 'sync' but no 'file'"),
        ("{file: p, sync: {from: http://a.example/x}}", "prices.sync.from", "https://"),
        ("{file: p, sync: {from: https:///x}}", "prices.sync.from", "must be a URL"),
        ("{file: p, sync: {from: 'https://[x/'}}", "prices.sync.from", "must be a URL"),
        ("{file: p, sync: {from: https://u:p@a/x}}", "prices.sync.from", "without a user"),
        ("{file: p, sync: {from: https://a/x, every_h: 0}}", "prices.sync.every_h", "at least 1"),
        ("{file: p, jump_percent: 0}", "prices.jump_percent", "at least 1"),
        ("{unpriced: ignore}", "prices.unpriced", "must be 'refuse' or 'flag'"),
    ],
)
def test_section_is_checked(prices: str, where: str, part: str) -> None:
    """As all of the config is, without repeating what may be a secret."""
    ((_, place, message),) = problems_of(f"prices: {prices}\n{GOOD}")

    assert place == where
    assert part in message


def test_sync_may_be_from_this_machine() -> None:
    """A mirror beside the gateway needs no TLS."""
    config = loaded("prices: {file: p, sync: {from: 'http://[::1]:80/x'}}\n" + GOOD)

    assert config.pricing is not None
    assert config.pricing.config.prices.sync is not None
    assert config.pricing.config.prices.sync.feed == "http://[::1]:80/x"


def test_unpriced_targets_may_be_flagged() -> None:
    """As the config says, on the snapshot for decisions to read."""
    policy = loaded("prices: {unpriced: flag}\n" + GOOD).snapshot.unpriced_policy

    assert policy is UnpricedPolicy.FLAG


def test_version_follows_prices_that_are_used() -> None:
    """What a decision may depend on is in it; unused models, and where prices come from, not."""
    text = small("    catalog: kind/big\n")
    version = loaded(text).snapshot.version
    more = a_catalogue(*CATALOGUE.models.values(), a_model("kind/unused"), as_of="2026-12-01")

    assert loaded(text, more).snapshot.version == version
    assert loaded(text.replace("{file: p.yaml}", "{file: other}")).snapshot.version == version
    assert loaded(text, day=DAY).snapshot.version != version
    assert loaded(text.replace("p.yaml", "p.yaml, unpriced: flag")).snapshot.version != version
    no_abilities = a_catalogue(a_model("kind/big", BIG.prices[0].price), VECTORS)
    assert loaded(text, no_abilities).snapshot.version != version


BUDGETED = spoiled("tier: free", "tier: free\n    budgeted: true")


def test_tenant_may_have_to_know_what_it_spends() -> None:
    """By its own word; nobody else has to. It is part of the version."""
    budgeted = loaded(BUDGETED).snapshot

    assert budgeted.tenants["demo"].budgeted
    assert not loaded(GOOD).snapshot.tenants["demo"].budgeted
    assert budgeted.version != loaded(GOOD).snapshot.version


def test_route_without_any_price_is_odd_for_who_has_a_budget() -> None:
    """It is asked in vain, as long as unpriced targets are refused; one price is enough."""
    line = BUDGETED.splitlines().index("    budgeted: true") + 1

    ((at, where, message),) = warnings_of(BUDGETED)

    assert (at, where) == (line, "tenants.demo.budgeted")
    assert "route 'embeddings'" in message
    assert warnings_of("prices: {unpriced: flag}\n" + BUDGETED) == []


def test_repricing_swaps_targets_and_leaves_the_rest() -> None:
    """A new price is a new snapshot, with a version of its own; no change, the very same one."""
    config = loaded(small("    catalog: kind/big\n"))
    assert config.pricing is not None
    fetched = a_catalogue(a_model("kind/big", Price(11, 12)), as_of="2026-11-02")

    same = config.pricing.repriced(config.snapshot, None, 1)
    dearer = config.pricing.repriced(config.snapshot, fetched, 1)
    tomorrow = config.pricing.repriced(config.snapshot, None, DAY)

    assert same is config.snapshot
    assert dearer.targets["two/small"].price == Price(11, 12)
    assert dearer.routes["auto"].targets[1] is dearer.targets["two/small"]
    assert dearer.tenants is config.snapshot.tenants
    assert len({config.snapshot.version, dearer.version, tomorrow.version}) == 3
    assert config.pricing.repriced(dearer, fetched, 1) is dearer


def test_catalogue_lies_beside_the_config(tmp_path: Path) -> None:
    """Its path is relative to the config's directory; what is wrong with it is told with it."""
    config = tmp_path / "gateway.yaml"
    config.write_text(small("    catalog: kind/big\n"))
    catalogue = tmp_path / "p.yaml"

    with pytest.raises(ConfigProblems, match=r"p\.yaml:1:1: cannot be read"):
        load(config)
    catalogue.write_text(render(CATALOGUE).replace("tokens: 1000", "tokens: -1"))
    with pytest.raises(ConfigProblems, match=r"p\.yaml:7:.*at least 1"):
        load(config)
    catalogue.write_text(render(CATALOGUE))
    assert load(config).snapshot.targets["two/small"].price == BIG.prices[today() >= DAY].price


def test_problems_of_both_files_come_together(tmp_path: Path) -> None:
    """One run of `check` names them all."""
    (tmp_path / "p.yaml").write_text("[]")
    config = tmp_path / "gateway.yaml"
    config.write_text(PRICES + spoiled("tier: free", "tier: gratis"))

    with pytest.raises(ConfigProblems) as found:
        load(config)

    assert [Path(each.file).name for each in found.value.problems] == ["gateway.yaml", "p.yaml"]
