"""Reading a catalogue: two ways, one meaning, every problem with its line."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import USD, a_catalogue, a_model

from proxy.config.catalogue import Catalogue, catalogue_of, render
from proxy.config.price_spec import MAX_TIERS
from proxy.config.prices import (
    MAX_FILE_BYTES,
    is_one_model_a_line,
    load_catalogue,
    read_catalogue,
    read_lines,
)
from proxy.config.problems import ConfigProblems, ConfigUnreadable
from proxy.domain.price import DatedPrice, Price, PriceTier
from tests.architecture.trees import ROOT

HEAD = "as_of: 2026-11-26\nsource: a test\nmodels:\n"
PRICED = "input_usd_per_million: 1, output_usd_per_million: 2"


def read(text: str) -> Catalogue:
    """The catalogue that *text* writes."""
    return read_catalogue(text.encode(), "test.yaml")


def problems_of(text: str) -> list[tuple[int, str, str]]:
    """Line, place and message of everything that is wrong with *text*."""
    with pytest.raises(ConfigProblems) as found:
        read(text)
    return [(each.line, each.where, each.message) for each in found.value.problems]


def test_shipped_catalogue_is_fine_and_quick_to_read() -> None:
    """It is of the quick form, and says when it was taken from where."""
    path = ROOT / "config" / "prices.yaml"
    catalogue = load_catalogue(path)

    assert is_one_model_a_line(path.read_bytes())
    assert "MIT" in catalogue.source
    assert len(catalogue.models) > 800
    assert {model.kind for model in catalogue.models.values()} >= {"openai", "anthropic", "gemini"}
    mini = catalogue.models["openai/gpt-4o-mini"]
    assert mini.prices[0].price.cached_input_nanousd == 75_000_000
    pro = catalogue.models["gemini/gemini-2.5-pro"].prices[0].price
    assert [tier.above_tokens for tier in pro.tiers] == [200_000]


def test_catalogue_may_be_written_as_any_yaml() -> None:
    """Indented blocks mean the same as one model a line; they are only slower to read."""
    block = HEAD + (
        "  one/big:\n    input_usd_per_million: 1.0\n    output_usd_per_million: 2\n"
        "    tiers:\n      - above_tokens: 10\n        output_usd_per_million: 3\n"
    )
    tier = PriceTier(10, Price(USD, 3 * USD))

    assert not is_one_model_a_line(block.encode())
    assert read(block).models == {"one/big": a_model("one/big", Price(USD, 2 * USD, tiers=(tier,)))}


def test_tier_takes_from_the_price_what_it_does_not_say() -> None:
    """A class with a price keeps it above the bound; one without still follows its parent."""
    line = (
        f"  one/big: {{{PRICED}, cached_input_usd_per_million: 0.5, "
        "tiers: [{above_tokens: 10, input_usd_per_million: 4}]}\n"
    )

    price = read(HEAD + line).models["one/big"].prices[0].price

    assert price.tiers == (PriceTier(10, Price(4 * USD, 2 * USD, USD // 2)),)


def test_prices_to_come_stand_with_their_days() -> None:
    """Later prices are dated; without a date of its own a price holds since ever."""
    later = f"later: [{{valid_from: 1970-01-03, {PRICED}}}]"

    text = f"{HEAD}  one/a: {{{PRICED}, {later}}}\n  one/b: {{{PRICED}, valid_from: 1970-01-02}}\n"

    models = read(text).models
    price = Price(USD, 2 * USD)
    assert models["one/a"].prices == (DatedPrice(0, price), DatedPrice(2, price))
    assert models["one/b"].prices == (DatedPrice(1, price),)


@pytest.mark.parametrize(
    ("model", "where", "part"),
    [
        ("input_usd_per_million: 1", "output_usd_per_million", "is missing"),
        (f"{PRICED}, reasoning_usd_per_million: .nan", "reasoning_usd_per_million", "finite"),
        (f"{PRICED}, reasoning_usd_per_million: -1", "reasoning_usd_per_million", "between 0"),
        (f"{PRICED}, reasoning_usd_per_million: 10001", "reasoning_usd_per_million", "10000"),
        (f"{PRICED}, reasoning_usd_per_million: nan", "reasoning_usd_per_million", "a number"),
        (f"{PRICED}, valid_from: 2026-02-30", "valid_from", "must be a date"),
        (f"{PRICED}, valid_from: 20260230", "valid_from", "must be a date"),
        (f"{PRICED}, valid_from: 2026-W01-1", "valid_from", "must be a date"),
        (f"{PRICED}, batch_discount_per_mille: 1001", "batch_discount_per_mille", "at most 1000"),
        (f"{PRICED}, context_window_tokens: 0", "context_window_tokens", "at least 1"),
        (f"{PRICED}, capabilities: [tolls]", "capabilities[0]", "did you mean 'tools'"),
        (f"{PRICED}, outptu: 1", "outptu", "is not a known key"),
        (f"{PRICED}, tiers: [{{above_tokens: 5, inptu: 1}}]", "tiers[0].inptu", "known are above"),
        (f"{PRICED}, tiers: [{{above_tokens: 5}}, {{above_tokens: 5}}]", "tiers", "lowest first"),
        (
            f"{PRICED}, tiers: [{', '.join(f'{{above_tokens: {n}}}' for n in range(1, 10))}]",
            "tiers",
            f"at most {MAX_TIERS}",
        ),
        (
            f"{PRICED}, valid_from: 2026-01-02, later: [{{valid_from: 2026-01-02, {PRICED}}}]",
            "",
            "earliest first",
        ),
        (f"{PRICED}, {PRICED}", "input_usd_per_million", "stands twice"),
        (f"{PRICED}, mode: null", "mode", "is blank"),
    ],
)
def test_problem_has_its_line_and_place(model: str, where: str, part: str) -> None:
    """However a file is read, what is wrong with it is said as for the config."""
    text = f"{HEAD}  one/fine: {{{PRICED}}}\n  one/big: {{{model}}}\n"

    line, place, message = problems_of(text)[0]

    assert line == 5
    assert place == "models[one/big]" + (f".{where}" if where else "")
    assert part in message


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("[]", 1, "must be a mapping with as_of"),
        ("", 1, "empty"),
        (f"{HEAD}  one/a: {{{PRICED}}}\n  one/a: {{{PRICED}}}\n", 5, "stands twice"),
        (f"{HEAD}  nokind: {{{PRICED}}}\n", 4, "kind of provider, a slash"),
        (f"{HEAD.replace('2026-11-26', '2026')}  one/a: {{{PRICED}}}\n", 1, "must be text"),
        (f"{HEAD.replace('-26', '-26T99:00:00Z')}  one/a: {{{PRICED}}}\n", 1, "a moment"),
        (f"{HEAD.replace('as_of', 'as_off')}  one/a: {{{PRICED}}}\n", 1, "did you mean 'as_of'"),
        (f"{HEAD}  one/a: {{{PRICED}\n", 5, "bracket"),
        (f"{HEAD}  one/a: *x\n", 4, "alias"),
    ],
)
def test_whole_file_may_be_wrong(text: str, line: int, part: str) -> None:
    """What is no catalogue at all is refused with a place, too."""
    found = problems_of(text)

    assert any(at == line and part in message for at, _, message in found), found


def test_file_is_missing_or_too_large(tmp_path: Path) -> None:
    """Neither is read as an empty catalogue."""
    with pytest.raises(ConfigUnreadable, match="cannot be read"):
        load_catalogue(tmp_path / "absent.yaml")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigProblems, match="bytes"):
        load_catalogue(large)


PIECES = st.sampled_from(
    ["{", "}", "[", "]", ": ", ", ", ":", ",", " ", "\n", "\n  ", "#", "# x", "1", "0.5", "1e5",
     "-", "01", "0x1", "0o7", "1_0", "true", "false", "null", "nan", ".nan", "~", "tools",
     "tools x",
     "2026-11-26", "2026-11-261", "input_usd_per_million", "tiers", "above_tokens", "one/a", "'",
     '"', "\\", "é", "\u2028", "\t", "mode", "chat", "truex", "8k", "_a", "[{}", "{}]", "}, {"]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), PIECES), max_size=4))
@settings(max_examples=100, deadline=None)
@example([])
def test_quick_reader_never_reads_another_meaning(edits: list[tuple[int, int, str]]) -> None:
    """Whatever the quick reader takes, the careful one takes too, and alike."""
    tier = PriceTier(10, Price(USD, 5))
    text = render(
        a_catalogue(
            a_model("one/a", Price(USD, 0, 5, tiers=(tier,))),
            a_model("two/b", prices=(DatedPrice(9, Price(1, 2)), DatedPrice(99, Price(3, 4)))),
        ),
        head="",
    )
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    try:
        quick = catalogue_of(read_lines(text.encode()))
    except Exception:
        return  # it may refuse for any reason; then there is nothing to hold

    assert read_slowly(text) == quick


def read_slowly(text: str) -> Catalogue:
    """What the careful reader makes of *text*: a tab in a comment keeps the quick one away."""
    catalogue = read(f"{text}\n# a\ttab\n")
    assert not is_one_model_a_line(f"{text}\n# a\ttab\n".encode())
    return catalogue


@pytest.mark.parametrize(
    "body",
    [
        f"{{{PRICED}, tiers: [{{}}\n  one/b: {{}}]}}",
        "{}, {}",
        "{a:1}",
        "{a: 1,b: 2}",
        "{a:  1}",
        "{a: 0.0000000000000000000000000000001}",
        "{a: 1, a: 1}",
    ],
)
def test_quick_reader_refuses_what_it_cannot_be_sure_of(body: str) -> None:
    """What YAML and JSON might read differently is left to the YAML reader."""
    assert not is_one_model_a_line(f"{HEAD}  one/a: {body}\n".encode())


def test_quick_reader_refuses_other_heads() -> None:
    """It must know every line, to renew them one by one."""
    fine = f"  one/a: {{{PRICED}}}\n"

    assert is_one_model_a_line(f"# x\n{HEAD}{fine}".encode())
    assert not is_one_model_a_line(f"x: 1\n{HEAD}{fine}".encode())
    assert not is_one_model_a_line(f"# only this\nmodels:\n{fine}".encode())
    assert not is_one_model_a_line(b"\xff\nmodels:\n")
    assert not is_one_model_a_line(HEAD.encode().replace(b"models:\n", b""))
    assert not is_one_model_a_line(f"{HEAD}  one/a: {{{PRICED}}}  # x\n".encode())
