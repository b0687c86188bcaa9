"""Public price lists: what is taken of them, exactly, and what is refused."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import USD, a_model

from proxy.config import price_feed
from proxy.config.price_feed import COMMUNITY, Feed, FeedUnreadableError, Refused, read_feed
from proxy.config.price_spec import Mode
from proxy.domain.catalog import Capability
from proxy.domain.price import Price, PriceTier
from tests.architecture.trees import ROOT

FEEDS = ROOT / "tests" / "feeds"


def community(**fields: Any) -> Feed:
    """A feed of the one model `m` of the provider `one`, written with *fields* as JSON text."""
    entry = {"litellm_provider": '"one"', "mode": '"chat"', "input_cost_per_token": "1e-6"}
    entry |= {"output_cost_per_token": "2e-6", **fields}
    body = ", ".join(f'"{name}": {value}' for name, value in entry.items() if value is not None)
    return read_feed(f'{{"m": {{{body}}}}}'.encode())


def price_in(feed: Feed, id: str = "one/m") -> Price:
    """What the model *id* costs."""
    return feed.models[id].prices[0].price


def openrouter(**fields: Any) -> Feed:
    """OpenRouter's list with one model `a/m`, priced, with *fields*."""
    row = {"id": "a/m", "pricing": {"prompt": "0.000001", "completion": "0.000002"}, **fields}
    return read_feed(json.dumps({"data": [row]}).encode())


def test_community_feed_is_read_whole() -> None:
    """Names are those of our catalogue, prices exact, other endpoints are left out."""
    feed = read_feed((FEEDS / "community.json").read_bytes())

    tools, vision = Capability.TOOLS, Capability.VISION
    mini = Price(150_000_000, 600_000_000, 75_000_000, batch_discount_per_mille=500)
    above = Price(2_500_000_000, 15 * USD, 250_000_000, batch_discount_per_mille=500)
    assert feed.source == COMMUNITY
    assert feed.models == {
        "openai/gpt-4o-mini": a_model(
            "openai/gpt-4o-mini",
            mini,
            context_window_tokens=128_000,
            max_output_tokens=16_384,
            capabilities=frozenset({tools, vision, Capability.JSON_SCHEMA}),
        ),
        "openai/o9": a_model(
            "openai/o9",
            Price(2 * USD, 8 * USD, reasoning_nanousd=9 * USD),
            context_window_tokens=200_000,
            capabilities=frozenset({Capability.REASONING}),
        ),
        "openai/text-embedding-3-small": a_model(
            "openai/text-embedding-3-small",
            Price(20_000_000, 0),
            mode=Mode.EMBEDDING,
            context_window_tokens=8191,
        ),
        "gemini/gemini-2.5-pro": a_model(
            "gemini/gemini-2.5-pro",
            Price(
                1_250_000_000,
                10 * USD,
                125_000_000,
                tiers=(PriceTier(200_000, above),),
                batch_discount_per_mille=500,
            ),
            context_window_tokens=1_048_576,
            max_output_tokens=65_535,
            capabilities=frozenset({tools, Capability.AUDIO}),
        ),
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0": a_model(
            "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
            Price(3 * USD, 15 * USD, 300_000_000, 3_750_000_000),
            context_window_tokens=200_000,
            max_output_tokens=64_000,
            capabilities=frozenset({tools, vision}),
        ),
        "vertex_ai/claude-haiku-4-5@20251001": a_model(
            "vertex_ai/claude-haiku-4-5@20251001", Price(USD, 5 * USD)
        ),
    }
    assert (feed.refused, feed.left_out) == ((), 3)


def test_openrouter_is_a_kind_of_provider_of_its_own() -> None:
    """What OpenRouter charges is not what the vendor charges; its -1 is no price."""
    feed = read_feed((FEEDS / "openrouter.json").read_bytes())

    assert feed.models == {
        "openrouter/openai/gpt-4o-mini": a_model(
            "openrouter/openai/gpt-4o-mini",
            Price(150_000_000, 600_000_000, 75_000_000),
            context_window_tokens=128_000,
            max_output_tokens=16_384,
            capabilities=frozenset({Capability.TOOLS, Capability.VISION, Capability.JSON_SCHEMA}),
        ),
        "openrouter/some/free-model:free": a_model(
            "openrouter/some/free-model:free", Price(0, 0), context_window_tokens=32_768
        ),
    }
    assert feed.refused == (Refused("openrouter/some/broken", "prompt is not a number"),)
    assert feed.left_out == 2


def test_name_with_its_provider_counts_before_the_bare_one() -> None:
    """Where a feed has a model twice, the whole name is the exact one, whatever the order."""
    dear, cheap = '"input_cost_per_token": 2e-6', '"input_cost_per_token": 1e-6'
    rest = '"output_cost_per_token": 0, "litellm_provider": "one", "mode": "chat"'
    bare, whole = f'"m": {{{dear}, {rest}}}', f'"one/m": {{{cheap}, {rest}}}'

    for body in (f"{bare}, {whole}", f"{whole}, {bare}"):
        assert price_in(read_feed(f"{{{body}}}".encode())).input_nanousd == USD


@pytest.mark.parametrize(
    ("field", "written", "reason"),
    [
        ("input_cost_per_token", "-1e-9", "is negative"),
        ("input_cost_per_token", "NaN", "is not a finite number"),
        ("output_cost_per_token", "-Infinity", "is not a finite number"),
        ("output_cost_per_token", "0.0100001", "is over 10000 dollars"),
        ("cache_read_input_token_cost", "1", "is over 10000 dollars"),
        ("cache_creation_input_token_cost", '"1e-6"', "is not a number"),
        ("output_cost_per_reasoning_token", "true", "is not a number"),
        ("output_cost_per_reasoning_token", "{}", "is not a number"),
        ("input_cost_per_token", "1e-99999", "beyond all bounds"),
        ("input_cost_per_token", "1e99999", "beyond all bounds"),
        ("input_cost_per_token", "0." + "1" * 61, "beyond all bounds"),
        ("input_cost_per_token_above_200k_tokens", "-1", "is negative"),
        ("input_cost_per_token_batches", "-1", "is negative"),
        ("max_input_tokens", "0", "is not a whole number of tokens"),
        ("max_input_tokens", "1.5", "is not a whole number of tokens"),
        ("max_output_tokens", "true", "is not a whole number of tokens"),
        ("max_output_tokens", "100000001", "is not a whole number of tokens"),
        ("output_cost_per_token", None, "is missing"),
    ],
)
def test_absurd_value_spoils_its_model_and_is_named(
    field: str, written: str | None, reason: str
) -> None:
    """No value is clipped or guessed; the reason names the field and never repeats the value."""
    feed = community(**{field: written})

    ((refused),) = feed.refused
    assert feed.models == {}
    assert refused.model_id == "one/m"
    assert refused.reason.startswith(field)
    assert reason in refused.reason


def test_too_many_tiers_are_refused() -> None:
    """As many as a catalogue can hold, no more."""
    feed = community(**{f"input_cost_per_token_above_{n}k_tokens": "1e-6" for n in range(1, 10)})

    assert feed.refused == (Refused("one/m", "has more than 8 tiers"),)


def test_name_that_is_none_is_refused_and_shown_safely() -> None:
    """A name goes into a file, a table and a log: only plain ones do."""
    body = b'{"a\\nb": {"litellm_provider": "one", "mode": "chat", "input_cost_per_token": 1e-6, '
    feed = read_feed(body + b'"output_cost_per_token": 0}}')

    assert feed.models == {}
    assert feed.refused[0].model_id == "one/a?b"


@pytest.mark.parametrize(
    ("inputs", "outputs", "discount"),
    [
        ("5e-7", "1e-6", 500),
        ("5e-7", "1.5e-6", 250),
        ("5e-7", None, 0),
        ("2e-6", "1e-6", 0),
        ("3.333e-7", "6.666e-7", 666),
    ],
)
def test_batch_discount_is_never_more_than_either_class_gets(
    inputs: str, outputs: str | None, discount: int
) -> None:
    """A whole number of parts per thousand, rounded down: a batch never costs more than we say."""
    feed = community(input_cost_per_token_batches=inputs, output_cost_per_token_batches=outputs)

    assert price_in(feed).batch_discount_per_mille == discount


def test_free_class_has_no_say_in_the_discount() -> None:
    """Nothing can be taken off what costs nothing."""
    feed = community(output_cost_per_token="0", input_cost_per_token_batches="5e-7")

    assert price_in(feed).batch_discount_per_mille == 500


def test_noise_of_binary_fractions_is_rounded_away() -> None:
    """What is finer than a nano-dollar for a million tokens goes to the nearest."""
    feed = community(
        input_cost_per_token="9.499999999999999999E-7",
        output_cost_per_token="2.0000000000000002e-7",
    )

    assert price_in(feed) == Price(950_000_000, 200_000_000)


@given(st.integers(0, 10_000 * USD))
def test_whole_nanodollars_are_kept_to_the_digit(nanousd: int) -> None:
    """No price that we can hold changes on the way in."""
    written = f"{Decimal(nanousd).scaleb(-15):E}"

    assert price_in(community(input_cost_per_token=written)).input_nanousd == nanousd


@given(st.decimals(0, "0.01", allow_nan=False, places=30))
def test_any_price_is_at_most_half_a_nanodollar_off(per_token: Decimal) -> None:
    """Rounding is to the nearest, once."""
    nanousd = price_in(community(input_cost_per_token=f"{per_token:f}")).input_nanousd

    assert abs(Fraction(per_token) * 10**15 - nanousd) <= Fraction(1, 2)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"5", b"{}", b'{"a": 1}', b'{"data": {}}', b"\xff", b"{" * 100_000,
        b'{"data": [{"id": "a/m", "pricing": {"prompt": null}}]}',
        b'{"a": 1e99999999999999999999}', b'{"a": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_price_list_is_refused(content: bytes) -> None:
    """Broken, hostile or of another form: one error for all, and no crash."""
    with pytest.raises(FeedUnreadableError):
        read_feed(content)


def test_endless_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed has some thousand models, not millions."""
    monkeypatch.setattr(price_feed, "MAX_ENTRIES", 2)

    with pytest.raises(FeedUnreadableError, match="more than 2"):
        read_feed(b'{"data": [1, 2, 3]}')


def test_openrouter_row_may_lack_everything_else() -> None:
    """Only id and prices are needed; what has another form than expected is not stated."""
    feed = openrouter(architecture=None, top_provider=[], supported_parameters="tools")

    assert feed.models["openrouter/a/m"] == a_model("openrouter/a/m")
    assert openrouter(context_length="big").refused[0].reason.startswith("context_length")


def test_embeddings_need_no_price_of_answers() -> None:
    """There is nothing that they write."""
    feed = community(mode='"embedding"', output_cost_per_token=None)

    assert price_in(feed) == Price(USD, 0)


def test_openrouter_classes_may_be_numbers_or_none() -> None:
    """Written as text or not; no completion price is no price list's row to trust."""
    numbers = openrouter(pricing={"prompt": 0.000001, "completion": 0.000002})

    assert price_in(numbers, "openrouter/a/m") == Price(USD, 2 * USD)
    lacking = openrouter(pricing={"prompt": "0.000001"})
    assert lacking.refused == (Refused("openrouter/a/m", "completion is missing"),)


def test_openrouter_reads_what_a_model_can_do() -> None:
    """Parameters and modalities, as far as they mean something here."""
    feed = openrouter(
        supported_parameters=["reasoning", "seed"], architecture={"input_modalities": ["audio"]}
    )

    assert feed.models["openrouter/a/m"].capabilities == {Capability.REASONING, Capability.AUDIO}


def test_openrouters_zero_beside_a_price_is_no_price() -> None:
    """It writes 0 for a class that is not charged apart, which costs what its parent does."""
    feed = openrouter(
        pricing={
            "prompt": "0.000001",
            "completion": "0.000002",
            "input_cache_read": "0",
            "internal_reasoning": 0,
            "input_cache_write": "0.00000125",
        }
    )

    assert price_in(feed, "openrouter/a/m") == Price(USD, 2 * USD, None, 1_250_000_000, None)
