"""What a checked config becomes."""

import dataclasses

import pytest
from documents import GOOD, loaded, spoiled

from proxy.config.settings import Limits, Settings, Tls
from proxy.domain.catalog import Capability, Provider, Route, Target, Tier, Timeouts, UsageInStream
from proxy.domain.price import Price
from proxy.domain.tenant import Tenant

ONE = Provider(
    id="one",
    dialect="openai",
    endpoint_base="https://one.example/v1",
    credential="env:ONE_KEY",
    region="eu",
    certifications=frozenset({"soc2", "dpa"}),
    timeouts=Timeouts(connect_s=0.5),
    max_connections=50,
    headers=(("x-title", "Pointsman"),),
    query=(("api-version", "preview"),),
)
TWO = Provider(id="two", dialect="openai", endpoint_base="http://127.0.0.1:8000/v1")
BIG = Target(
    id="one/big",
    provider=ONE,
    model="big",
    price=Price(2_500_000_000, 10_000_000_000, cached_input_nanousd=1_250_000_000),
    context_window_tokens=128_000,
    capabilities=frozenset({Capability.TOOLS, Capability.VISION}),
    tier=Tier.PREMIUM,
    usage_in_stream=UsageInStream.ALWAYS,
)
SMALL = Target(id="two/small", provider=TWO, model="small", price=None)


def test_snapshot_holds_what_was_written() -> None:
    """Every field reaches the snapshot; what was left out has the domain's own default."""
    snapshot = loaded(GOOD).snapshot

    assert snapshot.providers == {"one": ONE, "two": TWO}
    assert snapshot.targets["one/big"] == BIG
    assert snapshot.targets["two/small"] == SMALL
    assert snapshot.targets["two/vectors"].embedding_space == "space-2"
    assert snapshot.routes["auto"] == Route("auto", (BIG, SMALL), 30.0, 2)
    vectors = snapshot.targets["one/vectors"]
    assert snapshot.routes["embeddings"] == Route("embeddings", (vectors,))
    assert snapshot.tenants == {"demo": Tenant("demo", "free", frozenset({"auto", "embeddings"}))}


def test_provider_says_whom_to_trust_and_where_it_may_be() -> None:
    """Its own authorities and private addresses are the config's to allow, and off by default."""
    wanted = "    region: eu\n    tls: {ca: /etc/ca.pem}\n    allow_private: true"
    snapshot = loaded(GOOD.replace("    region: eu", wanted)).snapshot

    assert snapshot.providers["one"] == dataclasses.replace(
        ONE, ca_file="/etc/ca.pem", allow_private=True
    )
    assert (TWO.ca_file, TWO.allow_private) == (None, False)


def test_route_shares_the_indexed_targets() -> None:
    """A target is one value, wherever it is reached from."""
    snapshot = loaded(GOOD).snapshot

    assert snapshot.routes["auto"].targets[0] is snapshot.targets["one/big"]
    assert snapshot.targets["one/big"].provider is snapshot.providers["one"]


def test_empty_capabilities_differ_from_none_stated() -> None:
    """An empty list rules everything out; a missing one nothing."""
    text = spoiled("[tools, vision]", "[]")

    assert loaded(text).snapshot.targets["one/big"].capabilities == frozenset()
    assert loaded(text).snapshot.targets["two/small"].capabilities is None


def test_snapshot_cannot_be_changed() -> None:
    """A snapshot is swapped whole, never edited."""
    snapshot = loaded(GOOD).snapshot

    with pytest.raises(TypeError):
        snapshot.routes["auto"] = snapshot.routes["embeddings"]  # type: ignore[index]  # the rule
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.version = "x"  # type: ignore[misc]  # the rule


def test_settings_hold_what_was_written() -> None:
    """The `server` part becomes the process settings."""
    text = spoiled(
        "  limits: {max_json_depth: 32}\n",
        "  workers: 4\n  pepper: file:/run/pepper\n  tls: {certificate: /a.pem, key: /b.pem}\n"
        "  drain_delay_s: 0\n  drain_grace_s: 1.5\n  limits: {max_json_depth: 32}\n",
    )

    settings = loaded(text).settings

    assert settings == Settings(
        host="127.0.0.1",
        port=0,
        workers=4,
        redis="unix:///run/redis.sock",
        pepper="file:/run/pepper",
        tls=Tls(settings.tls.certificate, settings.tls.key) if settings.tls else None,
        drain_delay_s=0.0,
        drain_grace_s=1.5,
        limits=Limits(max_json_depth=32),
    )
    assert settings.tls is not None
    assert (str(settings.tls.certificate), str(settings.tls.key)) == ("/a.pem", "/b.pem")


def test_settings_may_be_left_out() -> None:
    """A config without `server` runs with the defaults."""
    routing = GOOD[GOOD.index("providers:") :]

    assert loaded(routing).settings == Settings()


def test_version_is_twelve_hex_digits() -> None:
    """Short enough for a header and a log line."""
    version = loaded(GOOD).snapshot.version

    assert len(version) == 12
    assert int(version, 16) >= 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"127.0.0.1:0"', '"127.0.0.1:9"'),
        ("    region: eu\n", "    region: eu  # a comment\n"),
        ("[soc2, dpa]", "[dpa, soc2, dpa]"),
        ("[tools, vision]", "[vision, tools]"),
        ("2.50", "2.5"),
        ("deadline_s: 30", "deadline_s: 30.0"),
        ("[auto, embeddings]", "[embeddings, auto]"),
        ("https://one.example/v1", "https://ONE.example/v1/"),
        ("    model: small\n", "    model: small\n    tier: standard\n"),
        ("  two:\n    dialect: openai\n    base_url: http://127.0.0.1:8000\n", ""),
    ],
)
def test_version_stays_where_the_meaning_stays(old: str, new: str) -> None:
    """Comments, order, ways of writing and the process settings are not part of it."""
    text = spoiled(old, new)
    if "two:" in old:
        text = text.replace("providers:\n", f"providers:\n{old}")

    assert loaded(text).snapshot.version == loaded(GOOD).snapshot.version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("region: eu", "region: us"),
        ("2.50", "2.500000001"),
        ("[one/big, two/small]", "[two/small, one/big]"),
        ("max_attempts: 2", "max_attempts: 3"),
        ("[tools, vision]", "[tools]"),
        ("tier: free", "tier: pro"),
        ("env:ONE_KEY", "env:OTHER_KEY"),
        ("    model: small\n", "    model: small\n    capabilities: []\n"),
    ],
)
def test_version_changes_with_the_meaning(old: str, new: str) -> None:
    """Whatever could change an answer or its price gives another version."""
    assert loaded(spoiled(old, new)).snapshot.version != loaded(GOOD).snapshot.version
