"""A file is taken whole, or refused with everything that is wrong with it."""

from decimal import Decimal
from pathlib import Path

import pytest
from documents import GOOD, loaded, problems_of, spoiled
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.fields import nanousd_of
from proxy.config.load import MAX_FILE_BYTES, MAX_PROBLEMS, load, parse
from proxy.config.problems import ConfigProblems, ConfigUnreadable, Problem

ROOT = Path(__file__).parents[3]


def test_good_config_has_no_problems() -> None:
    """The text that the other tests spoil is fine by itself."""
    assert problems_of(GOOD) == []


def test_shipped_gateway_config_loads() -> None:
    """The config that operators copy has no problem."""
    config = load(ROOT / "config" / "gateway.yaml")

    assert set(config.snapshot.routes) == {"auto", "fast", "premium", "embeddings"}
    assert "demo" in config.snapshot.tenants


def test_shipped_gateway_config_shows_the_defaults() -> None:
    """What its `server` part writes out is what leaving it out gives."""
    text = (ROOT / "config" / "gateway.yaml").read_text()
    head, rest = text.split("\nserver:\n")
    _, routing = rest.split("\nproviders:\n")
    without = f"{head}\nproviders:\n{routing}"

    assert loaded(text) == loaded(without)


def test_examples_in_the_shipped_config_load_when_uncommented() -> None:
    """A commented example that would be refused is worse than none."""
    lines = (ROOT / "config" / "gateway.yaml").read_text().splitlines()
    starts = {"  # groq:", "  # local:", "  # groq/gpt-oss-20b:", "  # local/qwen:"}
    taken, text = False, []
    for line in lines:
        taken = line in starts or (taken and line.startswith("  # "))
        text.append("  " + line[4:] if taken else line)

    snapshot = loaded("\n".join(text)).snapshot

    assert {"openai", "groq", "local"} == set(snapshot.providers)
    assert {"groq/gpt-oss-20b", "local/qwen"} <= set(snapshot.targets)
    assert snapshot.providers["local"].endpoint_base == "http://127.0.0.1:8000/v1"


BAD = [
    # keys
    ("server:\n", "sever:\n", 1, "sever", "is not a known key; did you mean 'server'?"),
    ("    base_url: https", "    baseurl: https", 8, "providers.one.baseurl", "'base_url'?"),
    ("    region: eu", "    Region: eu", 10, "providers.one.Region", "'region'?"),
    ("{connect_s: 0.5}", "{conect_s: 0.5}", 12, "providers.one.timeouts.conect_s", "'connect_s'?"),
    ("input_usd_per_million: 2.50", "input: 2.50", 25,
     "targets[one/big].price.input", "known are input_usd_per_million, "),
    ("{max_json_depth: 32}", "{x: 1}", 4, "server.limits.x", "known are max_body_bytes, "),
    ("    model: big\n", "", 20, "targets[one/big].model", "is missing; add it"),
    ("    tier: free\n", "", 50, "tenants.demo.tier", "is missing; add it"),
    ("  one:\n    dialect", "  one two:\n    dialect", 6, "providers[one two]", "must be an id"),
    ("  auto:\n", f"  a{'b' * 128}:\n", 43, "routes", "must be an id"),
    ("  demo:\n", "  /demo:\n", 50, "tenants[/demo]", "must be an id"),
    # kinds
    ("    timeouts: {connect_s: 0.5}", "    timeouts: 5", 12,
     "providers.one.timeouts", "a mapping"),
    ("    targets: [one/vectors]", "    targets: one/vectors", 48,
     "routes.embeddings.targets", "must be a list"),
    ("    model: small", "    model: 4", 33, "targets[two/small].model", "must be text"),
    ("    model: small", "    model: true", 33, "targets[two/small].model", "must be text"),
    ("    model: small", '    model: "a\\tb"', 33, "targets[two/small].model", "control"),
    ("    model: small", '    model: " a"', 33, "targets[two/small].model", "spaces around"),
    ("    model: small", '    model: ""', 33, "targets[two/small].model", "1 to 1024"),
    ("    model: small", "    model:", 33, "targets[two/small].model", "is blank"),
    ("128000", '"128000"', 28, "targets[one/big].context_window_tokens", "a whole number"),
    ("128000", "128000.5", 28, "targets[one/big].context_window_tokens", "a whole number"),
    ("128000", "0", 28, "targets[one/big].context_window_tokens", "must be at least 1"),
    ("128000", "1000000000", 28, "targets[one/big].context_window_tokens", "must be at most"),
    ("{max_connections: 50}", "{max_connections: true}", 13,
     "providers.one.limits.max_connections", "a whole number"),
    ("[tools, vision]", "[tools, vison]", 29, "targets[one/big].capabilities[1]",
     "did you mean 'vision'?"),
    ("[tools, vision]", "[tools, 5]", 29, "targets[one/big].capabilities[1]", "must be 'comple"),
    ("tier: premium", "tier: gold", 23, "targets[one/big].tier", "'economy', 'standard' or"),
    ("usage_in_stream: always", "usage_in_stream: alway", 30,
     "targets[one/big].usage_in_stream", "did you mean 'always'?"),
    ("tier: free", "tier: fre", 51, "tenants.demo.tier", "did you mean 'free'?"),
    ("[soc2, dpa]", "[soc2, d p a]", 11, "providers.one.certifications[1]", "must be an id"),
    ("region: eu", "region: e u", 10, "providers.one.region", "must be an id"),
    # times
    ("deadline_s: 30", "deadline_s: 0", 45, "routes.auto.deadline_s", "more than 0"),
    ("deadline_s: 30", "deadline_s: -1", 45, "routes.auto.deadline_s", "between 0 and"),
    ("deadline_s: 30", "deadline_s: 1e9", 45, "routes.auto.deadline_s", "between 0 and"),
    ("deadline_s: 30", "deadline_s: .nan", 45, "routes.auto.deadline_s", "finite"),
    ("deadline_s: 30", "deadline_s: .inf", 45, "routes.auto.deadline_s", "finite"),
    ("deadline_s: 30", "deadline_s: 30s", 45, "routes.auto.deadline_s", "without quotes or a"),
    ("deadline_s: 30", "deadline_s: true", 45, "routes.auto.deadline_s", "must be a number"),
    ("max_attempts: 2", "max_attempts: 4", 46, "routes.auto.max_attempts", "at most 3"),
    # server
    ('"127.0.0.1:0"', "8080", 2, "server.listen", "must be text"),
    ('"127.0.0.1:0"', "everywhere", 2, "server.listen", '"host:port"'),
    ("unix:///run/redis.sock", "redis://:hush@h/0", 3, "server.redis", "env:NAME"),
    ("  limits: {max_json_depth: 32}", "  pepper: hush", 4, "server.pepper", "env:NAME"),
    ("  limits: {max_json_depth: 32}", "  tls: {certificate: a.pem}", 4,
     "server.tls.key", "missing"),
    ("  limits: {max_json_depth: 32}", "  drain_delay_s: -1", 4, "server.drain_delay_s", "between"),
    # providers
    ("https://one.example/v1", "one.example", 8, "providers.one.base_url", "must be a URL"),
    ("https://one.example/v1", "https://a:hush@b", 8, "providers.one.base_url", "'credential'"),
    ("env:ONE_KEY", "sk-hush", 9, "providers.one.credential", "never stands in the config"),
    ("{X-Title: Pointsman}", "{Authorization: hush}", 14,
     "providers.one.headers.Authorization", "use the provider's 'credential'"),
    ("{X-Title: Pointsman}", "{Api-Key: hush}", 14,
     "providers.one.headers.Api-Key", "'credential'"),
    ("{X-Title: Pointsman}", "{Connection: close}", 14,
     "providers.one.headers.Connection", "belongs to the connection"),
    ("{X-Title: Pointsman}", "{x_title: a}", 14, "providers.one.headers.x_title", "no underscore"),
    ("{X-Title: Pointsman}", '{X-Title: "a\\r\\nb: c"}', 14,
     "providers.one.headers.X-Title", "control characters"),
    ("{X-Title: Pointsman}", "{X-Title: ü}", 14, "providers.one.headers.X-Title", "plain ASCII"),
    ("{X-Title: Pointsman}", "{X-Title: 5}", 14, "providers.one.headers.X-Title", "must be text"),
    ("{X-Title: Pointsman}", "{X-A: a, x-a: b}", 14, "providers.one.headers", "twice"),
    ("    region: eu", "    allow_private: yes", 10,
     "providers.one.allow_private", "true or false"),
    ("    region: eu", "    tls: {}", 10, "providers.one.tls.ca", "missing"),
    ("    base_url: http://127", "    tls: {ca: a}\n    base_url: http://127", 16,
     "providers.two", "its base_url is not https://"),
    ("{api-version: preview}", "{api-version: 1.0}", 15,
     "providers.one.query.api-version", "must be text"),
    # references
    ("    provider: one\n    model: big", "    provider: on\n    model: big", 21,
     "targets[one/big].provider", "no 'on' among the providers; did you mean 'one'?"),
    ("[one/big, two/small]", "[one/big, xyz]", 44, "routes.auto.targets[1]",
     "there is no 'xyz' among the targets; add it under 'targets'"),
    ("[one/big, two/small]", "[one/big, one/big]", 44, "routes.auto.targets[1]", "already"),
    ("[one/big, two/small]", "[]", 44, "routes.auto.targets", "needs at least 1"),
    ("[one/big, two/small]", "[[one/big]]", 44, "routes.auto.targets[0]", "must be text"),
    ("[auto, embeddings]", "[aut, embeddings]", 52, "tenants.demo.routes[0]", "'auto'?"),
    ("[auto, embeddings]", "[auto, auto]", 52, "tenants.demo.routes[1]", "already"),
    ('[auto, embeddings]', '"*"', 52, "tenants.demo.routes", "must be a list"),
    ("[one/vectors]", "[one/vectors, two/vectors]", 48, "routes.embeddings.targets[1]",
     "has the embedding space 'space-2', while 'one/vectors' before it has 'space-1'"),
    ("[one/vectors]", "[one/vectors, two/small]", 48, "routes.embeddings.targets[1]",
     "is for chat, while 'one/vectors' before it serves embeddings"),
    ("[one/big, two/small]", "[one/big, two/vectors]", 44, "routes.auto.targets[1]",
     "is for embeddings, while 'one/big' before it serves chat"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "where", "part"), BAD)
def test_bad_config_is_refused_with_line_place_and_advice(
    old: str, new: str, line: int, where: str, part: str
) -> None:
    """Each mistake is found, in its line, with what to do; no value is repeated."""
    problems = problems_of(spoiled(old, new))

    matching = [each for each in problems if part in each[2]]
    assert len(matching) == 1, problems
    assert matching[0][0] == line
    assert matching[0][1].startswith(where)
    assert "hush" not in str(problems)


@pytest.mark.parametrize("section", ["providers", "targets", "routes", "tenants"])
def test_section_that_is_missing_empty_or_blank_is_refused(section: str) -> None:
    """A config without one of its parts can serve nothing, so it is a mistake."""
    before, _, after = GOOD.partition(f"\n{section}:\n")
    rest = "".join(line for line in _following_sections(after))

    for written, part in (
        ("", "is missing"),
        (f"{section}: {{}}\n", "at least 1"),
        (f"{section}:\n", "is blank"),
        (f"{section}: []\n", "a mapping"),
    ):
        messages = [
            m for _, where, m in problems_of(f"{before}\n{written}{rest}") if where == section
        ]
        assert len(messages) == 1
        assert part in messages[0]


def _following_sections(text: str) -> list[str]:
    lines = text.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if not line.startswith(" ")), len(lines))
    return lines[start:]


@pytest.mark.parametrize("text", ["[]", "just text", "5"])
def test_file_that_is_no_mapping_is_refused(text: str) -> None:
    """The answer says which keys belong there."""
    ((line, _, message),) = problems_of(text)

    assert line == 1
    assert "must be a mapping with providers" in message


def test_every_problem_is_reported_at_once_in_the_order_of_the_file() -> None:
    """YAML's, the schema's and the references' problems come together, however many."""
    text = GOOD
    for old, new in [
        ("unix:///run/redis.sock", "nowhere"),
        ("    region: eu\n", "    region: eu\n    region: us\n"),
        ("env:ONE_KEY", "*key"),
        ("input_usd_per_million: 2.50", "input_usd_per_million: -1"),
        ("    provider: two\n    model: small", "    provider: too\n    model: 5"),
        ("[one/big, two/small]", "[one/big, one/tiny]"),
        ("    max_attempts: 2", "    max_atempts: 2"),
        ("tier: free", "tier: gratis"),
    ]:
        assert text.count(old) == 1
        text = text.replace(old, new)

    places = [(line, where) for line, where, _ in problems_of(text)]

    assert places == [
        (3, "server.redis"),
        (9, "providers.one.credential"),
        (11, "providers.one.region"),
        (26, "targets[one/big].price.input_usd_per_million"),
        (33, "targets[two/small].provider"),
        (34, "targets[two/small].model"),
        (45, "routes.auto.targets[1]"),
        (47, "routes.auto.max_atempts"),
        (52, "tenants.demo.tier"),
    ]


def test_what_was_reported_once_is_not_reported_again() -> None:
    """A blank or aliased value brings one problem, not a second one for what follows from it."""
    assert (
        len(
            problems_of(
                spoiled("    provider: one\n    model: big", "    provider:\n    model: big")
            )
        )
        == 1
    )
    assert len(problems_of(spoiled("    headers: {X-Title: Pointsman}", "    headers: *x"))) == 1


def test_target_and_provider_may_lie_unused() -> None:
    """Something prepared for later is no mistake."""
    assert problems_of(spoiled("[one/big, two/small]", "[one/big]")) == []


def test_route_may_have_a_hundred_targets_and_no_more() -> None:
    """The cap is exact."""
    ids = [f"one/m{n}" for n in range(101)]
    entries = "".join(f"  {id}: {{provider: one, model: m}}\n" for id in ids)
    text = GOOD.replace("targets:\n  one/big", f"targets:\n{entries}  one/big")

    assert problems_of(text.replace("[one/big, two/small]", f"[{', '.join(ids[:100])}]")) == []
    ((_, where, message),) = problems_of(
        text.replace("[one/big, two/small]", f"[{', '.join(ids)}]")
    )
    assert where == "routes.auto.targets"
    assert "at most 100" in message


@pytest.mark.parametrize(
    ("written", "nanousd"),
    [
        ("0", 0),
        ("0.15", 150_000_000),
        ("0.075", 75_000_000),
        ("2.50", 2_500_000_000),
        ("10000", 10_000_000_000_000),
        ("0.000000001", 1),
        ("1e-9", 1),
        ("1.000000000", 1_000_000_000),
        ("9999.999999999", 9_999_999_999_999),
    ],
)
def test_price_is_exact(written: str, nanousd: int) -> None:
    """What is written is what is charged, to the nano-dollar; no binary fraction comes between."""
    text = spoiled("input_usd_per_million: 2.50", f"input_usd_per_million: {written}")

    price = loaded(text).snapshot.targets["one/big"].price

    assert price is not None
    assert price.input_nanousd == nanousd


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("-0.01", "between 0 and 10000 dollars"),
        ("10000.01", "between 0 and 10000 dollars"),
        (".nan", "finite"),
        (".inf", "finite"),
        ("1e-10", "at most 9 decimals"),
        ("0.1234567891", "at most 9 decimals"),
        ("9999.99999999999999999999999999999999999", "at most 9 decimals"),
        ("'0.15'", "must be a number"),
        ("$0.15", "must be a number"),
        ("0,15", "must be a number"),
        ("true", "must be a number"),
    ],
)
def test_price_that_is_no_exact_price_is_refused(written: str, part: str) -> None:
    """No price is rounded, clipped or guessed."""
    text = spoiled("input_usd_per_million: 2.50", f"input_usd_per_million: {written}")

    ((line, where, message),) = problems_of(text)

    assert (line, where) == (25, "targets[one/big].price.input_usd_per_million")
    assert part in message


@given(st.decimals(min_value=0, max_value=10_000, places=9))
def test_price_of_nine_decimals_is_never_rounded(usd: Decimal) -> None:
    """Any price of up to nine decimals is kept, digit by digit."""
    assert Decimal(nanousd_of(usd)).scaleb(-9) == usd


def test_problem_reads_like_a_compilers() -> None:
    """`file:line:column: place: message`, which editors can jump to."""
    assert str(Problem("a.yaml", 3, 7, "server.redis", "must be…")) == (
        "a.yaml:3:7: server.redis: must be…"
    )
    assert str(Problem("a.yaml", 1, 1, "", "is empty")) == "a.yaml:1:1: is empty"


def test_file_that_is_missing_or_a_directory_is_unreadable(tmp_path: Path) -> None:
    """An unreadable file is a problem of its own kind, with the reason."""
    with pytest.raises(ConfigUnreadable, match=r"absent\.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(ConfigUnreadable, match="directory"):
        load(tmp_path)


def test_file_over_the_cap_is_refused(tmp_path: Path) -> None:
    """A megabyte is enough for any config; more is not even parsed."""
    path = tmp_path / "big.yaml"
    path.write_bytes(GOOD.encode().ljust(MAX_FILE_BYTES, b"\n"))
    assert load(path).snapshot == loaded(GOOD).snapshot

    path.write_bytes(GOOD.encode().ljust(MAX_FILE_BYTES + 1, b"\n"))
    with pytest.raises(ConfigProblems, match="is over 1048576 bytes"):
        load(path)


def test_problems_are_capped() -> None:
    """A hostile file cannot make the report, or the search for near names, endless."""
    names = "\n".join(f"    key{n}: 1" for n in range(MAX_PROBLEMS + 50))
    text = spoiled("    region: eu", names)

    with pytest.raises(ConfigProblems) as found:
        parse(text.encode(), "test.yaml")

    assert len(found.value.problems) == MAX_PROBLEMS + 1
    assert "has more problems" in found.value.problems[-1].message


@pytest.mark.parametrize("word", ["x" * 600, "targt"])
def test_no_near_name_is_sought_at_great_cost(word: str) -> None:
    """Suggestions stop where they would cost more than they help."""
    entries = "".join(f"  target{n}: {{provider: one, model: m}}\n" for n in range(501))
    text = GOOD.replace("targets:\n  one/big", f"targets:\n{entries}  one/big")

    ((_, _, message),) = problems_of(text.replace("[one/big, two/small]", f"[{word}]"))

    assert "add it under 'targets'" in message
