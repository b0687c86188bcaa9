"""`pointsman explain`: what it shows of a decision, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from proxy.cli.main import app
from tests.architecture.trees import ROOT

POLICIES = str(ROOT / "config" / "policies.yaml")
DEMO = str(ROOT / "config" / "demo.yaml")
BATCH = "x-pointsman-latency: batch"
NOON = "2026-01-06T12:00:00Z"
"""One rule of the example holds at night only."""
CHAT = {
    "model": "auto",
    "messages": [{"role": "user", "content": "Mail jane@example.com, please."}],
}


def ran(*arguments: str, config: str = POLICIES, request: object = CHAT) -> Result:
    """Run `pointsman explain` on *request*, by standard input."""
    fixed = ("--config", config, "--time", NOON)
    return CliRunner().invoke(app, ["explain", "-", *fixed, *arguments], input=json.dumps(request))


def test_table_shows_the_decision_and_no_text() -> None:
    """Why, with which labels and rules; each target in its place, or with what keeps it out."""
    result = ran("--tenant", "acme")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("openai/gpt-4o-mini is first in the route's order")
    assert "text      regulated, und, holds email" in lines
    assert any(line.startswith("1  openai/gpt-4o-mini") for line in lines)
    assert any("groq/gpt-oss-20b" in line and "personal-data-needs-dpa" in line for line in lines)
    assert "jane" not in result.output


def test_json_is_that_of_the_route_endpoint() -> None:
    """Version and fields of the documented schema; nothing more unless it is asked for."""
    told = json.loads(ran("--tenant", "shop", "--json").stdout)

    assert told["schema_version"] == 1
    assert told["selected"]["target"] == "openai/gpt-4o-mini"
    assert "counterfactual" not in told


def test_headers_are_as_a_client_sends_them() -> None:
    """They may repeat; upper and lower case are the same."""
    told = json.loads(
        ran(
            "--tenant", "shop", "--json", "--header", BATCH.upper().replace("BATCH", "batch"),
            "--header", "x-pointsman-scope: region=eu", "--header", "x-pointsman-scope: ticket=1",
        ).stdout
    )  # fmt: skip

    assert told["strategy"] == "cheapest"
    assert "eu-stays-in-eu" in told["rules"]


def test_counterfactual_shows_what_each_hard_rule_costs() -> None:
    """What would be chosen without it, its cost, what would be saved, whom it lets in."""
    result = ran("--tenant", "shop", "--header", BATCH, "--counterfactual")

    rows = [line.split() for line in result.stdout.splitlines()]
    without = next(row for row in rows if row[:1] == ["personal-data-needs-dpa"])
    assert without[1] == "groq/gpt-oss-20b"
    assert float(without[3]) > 0
    assert any(row[:3] == ["every", "hard", "rule"] for row in rows)


def test_counterfactual_for_machines_is_beside_the_decision() -> None:
    """`*` stands for every hard rule."""
    result = ran("--tenant", "shop", "--header", BATCH, "--counterfactual", "--json")

    told = json.loads(result.stdout)
    others = {each["rule"]: each for each in told["counterfactual"]}
    assert others["personal-data-needs-dpa"]["opened"] == ["groq/gpt-oss-20b"]
    saved = others["personal-data-needs-dpa"]["saved_usd"]
    cost = others["personal-data-needs-dpa"]["cost_usd"]
    assert saved == pytest.approx(told["estimated_cost_usd"] - cost)
    assert set(others) > {"*"}


def test_without_hard_rules_compliance_costs_nothing() -> None:
    """And that is said."""
    hello = {**CHAT, "messages": [{"role": "user", "content": "Hello"}]}
    result = ran("--counterfactual", config=DEMO, request=hello)

    assert result.stdout.splitlines()[-1] == "No hard rule applied."


def test_only_tenant_need_not_be_named() -> None:
    """Where there are several, one must be, and one that is there."""
    assert ran(config=DEMO).exit_code == 0
    unnamed, unknown = ran(), ran("--tenant", "nobody")
    assert (unnamed.exit_code, unknown.exit_code) == (2, 2)
    assert "Name who asks by --tenant; the config has hobby, shop, acme" in unnamed.stderr
    assert "The config has no tenant 'nobody'" in unknown.stderr


def test_question_in_a_few_words_will_do() -> None:
    """As the route endpoint takes it, with the tier to suppose."""
    question = {"prompt": "Hello", "sensitive": True, "tier": "free"}

    told = json.loads(ran("--tenant", "shop", "--json", request=question).stdout)

    assert told["labels"]["sensitivity"]["value"] == "regulated"
    assert "free-is-never-premium" in told["rules"]


def test_refused_request_is_explained_all_the_same() -> None:
    """The table shows why; the error is the client's, and the exit code 1."""
    bomb = {"model": "auto", "messages": [{"role": "user", "content": "Let us make a pipe bomb"}]}

    result = ran("--tenant", "shop", request=bomb)

    assert result.exit_code == 1
    assert "refused" in result.stdout
    assert result.stderr.startswith("403 policy_refused: ")


def test_message_in_place_of_an_answer_is_shown(tmp_path: Path) -> None:
    """It is no failure: the client gets it as an answer."""
    config = tmp_path / "mean.yaml"
    text = (ROOT / "config" / "policies.yaml").read_text()
    config.write_text(text.replace("max_cost_usd: 3\n", "max_cost_usd: 0.000001\n"))

    result = ran("--tenant", "acme", config=str(config))

    assert result.exit_code == 0
    assert "degraded  message: answer -> message" in result.stdout
    assert "The client gets this message: We are busy" in result.stderr


def test_request_that_is_not_understood_is_refused_as_the_gateway_does() -> None:
    """By the code that a client would be told."""
    result = ran("--tenant", "shop", request={"model": "auto", "messages": []})

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("400 invalid_field: ")


def test_wrong_question_is_told_so(tmp_path: Path) -> None:
    """A file that is not there, a header that is none: exit code 2."""
    missing = CliRunner().invoke(app, ["explain", str(tmp_path / "none.json"), "-c", DEMO])
    header = ran("--header", "no colon", config=DEMO)

    assert (missing.exit_code, header.exit_code) == (2, 2)
    assert "none.json cannot be read: No such file" in missing.stderr
    assert "A header is written 'name: value'." in header.stderr


def test_request_can_be_a_file(tmp_path: Path) -> None:
    """The same as by standard input."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(CHAT))

    from_file = CliRunner().invoke(app, ["explain", str(path), "-c", DEMO])

    assert from_file.stdout == ran(config=DEMO).stdout


def test_rules_on_the_hour_can_be_asked_for_another() -> None:
    """At night, and of a weekday: what decides is the moment that was named."""
    told = json.loads(
        ran("--tenant", "shop", "--json", "--time", "2026-01-06T23:30:00+01:00").stdout
    )

    assert "nights-are-our-own" in told["rules"]


@pytest.mark.parametrize("time", ["noon", "2026-01-06T23:30:00"])
def test_time_without_its_zone_is_asked_wrongly(time: str) -> None:
    """Whose hour would it be?"""
    result = ran("--tenant", "shop", "--time", time)

    assert result.exit_code == 2
    assert "with its zone" in result.stderr
