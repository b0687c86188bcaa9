"""`pointsman keys` against a real Redis."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from proxy.cli.keys import keys
from proxy.state.tokens import is_well_formed

CONFIG = """
server: {{redis: "{redis_url}", pepper: env:TEST_PEPPER}}
providers:
  one: {{dialect: openai, base_url: "http://127.0.0.1:9/v1"}}
targets:
  one/small: {{provider: one, model: small}}
routes:
  auto: {{targets: [one/small]}}
tenants:
  acme: {{tier: pro, routes: [auto]}}
  other: {{tier: free, routes: [auto]}}
"""

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the config under test is written."""
    monkeypatch.setenv("TEST_PEPPER", "a pepper of some length")
    return tmp_path / "gateway.yaml"


@pytest.fixture
def run(redis_url: str, config: Path) -> Run:
    """Runs a verb of `keys` with the config."""
    config.write_text(CONFIG.format(redis_url=redis_url))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(keys, [*arguments, "--config", str(config)])

    return run


def test_key_created_stands_alone_on_standard_output(run: Run) -> None:
    """Redirected to a file, the output is the key and nothing else."""
    result = run("create", "--tenant", "acme", "--name", "ci")

    assert result.exit_code == 0
    assert is_well_formed(result.stdout.removesuffix("\n"))
    assert result.stdout.split("_")[1] in result.stderr
    assert result.stdout.split("_")[2] not in result.stderr


def test_key_is_listed_then_revoked(run: Run) -> None:
    """What was made is listed, can be revoked by its id, and is then shown as revoked."""
    key_id = run("create", "--tenant", "acme", "--name", "ci").stdout.split("_")[1]

    assert f"{key_id}\tacme\tci\tactive\t" in run("list").stdout
    revoked = run("revoke", key_id)
    assert (revoked.exit_code, revoked.stdout) == (0, "")
    assert f"{key_id}\tacme\tci\trevoked\t" in run("list").stdout


def test_tags_are_kept_in_order_and_shown(run: Run) -> None:
    """Each once, whatever the order that they were given in."""
    run("create", "--tenant", "acme", "--name", "ci", "--tag", "b", "--tag", "a", "--tag", "b")

    (row,) = json.loads(run("list", "--json").stdout)
    assert row["tags"] == ["a", "b"]
    assert run("list").stdout.endswith("\tnever\ta b\n")


@pytest.mark.parametrize("tag", ["", "a b", "é", "-x", "x" * 65])
def test_what_is_no_tag_makes_no_key(run: Run, tag: str) -> None:
    """Tags are parted by spaces where they are kept, and named in rules."""
    result = run("create", "--tenant", "acme", "--name", "ci", "--tag", tag)

    assert result.exit_code == 1
    assert "at most 16 tags" in result.stderr
    assert json.loads(run("list", "--json").stdout) == []


def test_list_for_machines_holds_every_field_and_no_hash(run: Run) -> None:
    """JSON has the record as it is, in numbers, and nothing that a key could be checked with."""
    run("create", "--tenant", "acme", "--name", "ci", "--expires-in", "12h")
    run("create", "--tenant", "other", "--name", "dev")

    (record,) = json.loads(run("list", "--tenant", "acme", "--json").stdout)

    assert record["expires_ms"] - record["created_ms"] == pytest.approx(12 * 3_600_000, abs=2000)
    assert record["state"] == "active"
    assert set(record) == {
        *("id", "tenant_id", "name", "state", "tags"),
        *("created_ms", "expires_ms", "revoked_ms", "last_used_ms"),
    }


def test_unknown_tenant_is_refused_with_those_that_exist(run: Run) -> None:
    """A key for nobody is not made; the error says whom there is."""
    result = run("create", "--tenant", "acmee", "--name", "ci")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "It has: acme, other." in result.stderr
    assert json.loads(run("list", "--json").stdout) == []


def test_list_of_an_unknown_tenant_says_whom_there_is(run: Run) -> None:
    """A tenant mistyped is not the same as one without keys."""
    mistyped, without_keys = run("list", "--tenant", "nobody"), run("list", "--tenant", "other")

    assert (mistyped.exit_code, mistyped.stdout) == (1, "")
    assert "It has: acme, other." in mistyped.stderr
    assert without_keys.exit_code == 0


def test_keys_of_a_tenant_that_left_the_config_are_listed(run: Run, config: Path) -> None:
    """Who takes a tenant out can still find its keys."""
    key_id = run("create", "--tenant", "other", "--name", "ci").stdout.split("_")[1]
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if "other:" not in line))

    assert key_id in run("list", "--tenant", "other").stdout


def test_whole_key_is_revoked_and_not_repeated(run: Run) -> None:
    """A leaked key is revoked as it was found; only its id is said."""
    token = run("create", "--tenant", "acme", "--name", "ci").stdout.strip()
    _, key_id, secret, _ = token.split("_")

    result = run("revoke", token)

    assert result.exit_code == 0
    assert key_id in result.stderr
    assert secret not in result.output
    assert f"{key_id}\tacme\tci\trevoked\t" in run("list").stdout


@pytest.mark.parametrize("text", ["", "0d", "30", "d", "-1h", "1y", "9999999d", "1.5h"])
def test_lifetime_that_is_none_is_wrong_usage(run: Run, text: str) -> None:
    """A lifetime is a whole number and a unit; anything else ends with code 2."""
    result = run("create", "--tenant", "acme", "--name", "ci", f"--expires-in={text}")

    assert result.exit_code == 2


def test_unknown_key_is_not_revoked_nor_repeated(run: Run) -> None:
    """Who pastes a whole key instead of its id does not find it in the output."""
    result = run("revoke", "pm_abc_thesecret")

    assert result.exit_code == 1
    assert "thesecret" not in result.output


def test_absent_redis_is_told_in_one_line(run: Run, config: Path) -> None:
    """Without Redis the command fails with what is wrong, not with a traceback."""
    config.write_text(CONFIG.format(redis_url="unix:///nonexistent/redis.sock"))

    result = run("list")

    assert result.exit_code == 1
    assert "cannot be reached" in result.stderr
    assert result.stderr.count("\n") == 1


def test_short_pepper_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pepper that could be guessed makes no keys, and is not shown."""
    monkeypatch.setenv("TEST_PEPPER", "tooshort")

    result = run("create", "--tenant", "acme", "--name", "ci")

    assert result.exit_code == 1
    assert "at least 16" in result.stderr
    assert "tooshort" not in result.output


def test_pepper_of_another_terminal_makes_no_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that every gateway would refuse is not made, and neither pepper is shown."""
    run("create", "--tenant", "acme", "--name", "ci")
    monkeypatch.setenv("TEST_PEPPER", "made anew in this terminal")

    result = run("create", "--tenant", "acme", "--name", "lost")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "same in every terminal" in result.stderr
    assert "made anew" not in result.output
    assert "lost" not in run("list").stdout


def test_redis_that_evicts_makes_no_key(run: Run, redis_url: str) -> None:
    """Where the gateway would not start, no key is made either."""
    with Redis.from_url(redis_url) as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        result = run("create", "--tenant", "acme", "--name", "ci")
        admin.config_set("maxmemory-policy", "noeviction")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Set it to noeviction" in result.stderr


def test_redis_that_keeps_nothing_is_told_beside_the_key(run: Run) -> None:
    """The key is made, alone on standard output; that a restart loses it is said beside it."""
    result = run("create", "--tenant", "acme", "--name", "ci")

    assert result.exit_code == 0
    assert is_well_formed(result.stdout.removesuffix("\n"))
    assert "Warning: This Redis keeps nothing" in result.stderr
