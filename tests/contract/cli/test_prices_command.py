"""`pointsman prices`: what it shows, writes and refuses."""

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from proxy.cli.prices import prices
from proxy.config.catalogue import render
from proxy.config.prices import load_catalogue
from proxy.state import keys
from tests.architecture.trees import ROOT

FEEDS = ROOT / "tests" / "feeds"
COMMUNITY = FEEDS / "community.json"
CATALOGUE = """\
# Ours, by hand.
as_of: 2025-01-01
source: "a test"
models:
  # the cheap one
  openai/gpt-4o-mini: {input_usd_per_million: 0.14, output_usd_per_million: 0.60}
  openai/o9: {input_usd_per_million: 0.2, output_usd_per_million: 8}
  openai/text-embedding-3-small: {input_usd_per_million: 5, output_usd_per_million: 0, override: true}
"""  # noqa: E501 - one model a line


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """The catalogue under test."""
    path = tmp_path / "prices.yaml"
    path.write_text(CATALOGUE)
    return path


def sync(catalogue: Path, *arguments: str, source: Path | str = COMMUNITY) -> Result:
    """Run `prices sync` on *catalogue*."""
    return CliRunner().invoke(
        prices, ["sync", "--from", str(source), "--file", str(catalogue), *arguments]
    )


def test_difference_is_shown_and_nothing_written(catalogue: Path) -> None:
    """Model, class, old, new, percent and state, a line each; a jump makes it exit with 1."""
    result = sync(catalogue)

    assert result.stdout.splitlines() == [
        "model\tclass\told\tnew\tchange\tstate",
        "openai/gpt-4o-mini\tinput\t0.14\t0.15\t+7.1%\ttaken",
        "openai/gpt-4o-mini\tcached_input\t0.14\t0.075\t-46.4%\ttaken",
        "openai/gpt-4o-mini\tbatch_discount\t0/1000\t500/1000\t\ttaken",
        "openai/o9\tinput\t0.2\t2\t+900.0% jump\theld",
        "openai/o9\treasoning\t8\t9\t+12.5%\theld",
    ]
    assert "1 changed, 0 new, 1 held back, 0 refused, 0 as before, 1 overrides" in result.stderr
    assert result.exit_code == 1
    assert catalogue.read_text() == CATALOGUE


def test_what_is_taken_is_written_line_by_line(catalogue: Path) -> None:
    """Comments, held models and overrides stay as they are; nothing is left beside the file."""
    catalogue.chmod(0o640)

    result = sync(catalogue, "--write", "--yes")

    before, after = CATALOGUE.splitlines(), catalogue.read_text().splitlines()
    assert result.exit_code == 1  # one is held back
    assert [after[n] == before[n] for n in range(8)] == [
        True, False, False, True, True, False, True, True,
    ]  # fmt: skip
    mini = load_catalogue(catalogue).models["openai/gpt-4o-mini"]
    assert mini.prices[0].price.cached_input_nanousd == 75_000_000
    assert mini.prices[0].valid_from_day > 0
    assert list(catalogue.parent.iterdir()) == [catalogue]
    assert catalogue.stat().st_mode & 0o777 == 0o640


def test_link_is_written_through(catalogue: Path) -> None:
    """The file it leads to changes; the link stays one."""
    link = catalogue.with_name("link.yaml")
    link.symlink_to(catalogue)

    sync(link, "--write", "--yes")

    assert link.is_symlink()
    assert catalogue.read_text() != CATALOGUE


def test_list_is_fetched_by_its_url(catalogue: Path) -> None:
    """From this machine without TLS, too."""
    handler = partial(QuietFiles, directory=str(FEEDS))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/community.json"
            by_url = sync(catalogue, source=url)
        finally:
            server.shutdown()
            thread.join()

    assert by_url.stdout == sync(catalogue).stdout


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves a directory and says nothing of it."""

    def log_message(self, *_: object) -> None:
        pass


def test_second_time_there_is_nothing_to_do(catalogue: Path) -> None:
    """Exit code 0, and the file is not touched."""
    first = sync(catalogue, "--write", "--yes", "--accept-jumps")
    text = catalogue.read_text()

    second = sync(catalogue, "--write", "--yes")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert second.stdout == "model\tclass\told\tnew\tchange\tstate\n"
    assert catalogue.read_text() == text


def test_threshold_of_jumps_is_the_callers(catalogue: Path) -> None:
    """In percent."""
    assert sync(catalogue, "--jump-percent", "900").exit_code == 0
    assert "held" in sync(catalogue, "--jump-percent", "7").stdout


def test_other_kinds_of_providers_come_when_they_are_named(catalogue: Path) -> None:
    """The catalogue does not fill with what nobody asked for."""
    result = sync(
        catalogue,
        *("--kind", "gemini", "--kind", "bedrock", "--write", "--yes", "--accept-jumps"),
    )

    kinds = {model.kind for model in load_catalogue(catalogue).models.values()}
    assert kinds == {"openai", "gemini", "bedrock"}
    assert "gemini/gemini-2.5-pro\tinput above 200000\t-\t2.5\t\tnew" in result.stdout


def test_openrouters_list_is_read_too(catalogue: Path) -> None:
    """What cannot be a price is named, and makes it exit with 1; the rest is taken."""
    result = sync(
        catalogue, "--kind", "openrouter", "--write", "--yes", source=FEEDS / "openrouter.json"
    )

    assert "refused: openrouter/some/broken: prompt is not a number" in result.stderr
    assert "openrouter/some/free-model:free\tinput\t-\t0\t\theld" in result.stdout
    assert result.exit_code == 1
    assert "openrouter/openai/gpt-4o-mini" in load_catalogue(catalogue).models


def test_catalogue_of_another_form_is_written_anew(catalogue: Path) -> None:
    """Then all models stand one a line."""
    block = "as_of: 2025-01-01\nsource: x\nmodels:\n  openai/o9:\n    input_usd_per_million: 2\n"
    catalogue.write_text(block + "    output_usd_per_million: 8\n")

    sync(catalogue, "--write", "--yes")

    assert catalogue.read_text() == render(load_catalogue(catalogue))
    assert "openai/gpt-4o-mini" in load_catalogue(catalogue).models


def test_machines_get_json(catalogue: Path) -> None:
    """Prices in whole nano-dollars."""
    shown = json.loads(sync(catalogue, "--json").stdout)

    assert shown["held"] == [
        {
            "model": "openai/o9",
            "new": False,
            "steps": [
                {"class": "input", "old": 200_000_000, "new": 2_000_000_000, "jumps": True},
                {"class": "reasoning", "old": 8 * 10**9, "new": 9 * 10**9, "jumps": False},
            ],
        }
    ]
    assert (shown["overrides"], shown["unchanged"], shown["refused"]) == (1, 0, [])


def test_limits_alone_are_shown_as_such(catalogue: Path) -> None:
    """A window that changed is a line too."""
    sync(catalogue, "--write", "--yes", "--accept-jumps")
    text = catalogue.read_text()
    catalogue.write_text(text.replace("context_window_tokens: 200000", "context_window_tokens: 9"))

    result = sync(catalogue)

    assert "openai/o9\tlimits or capabilities\t\t\t\ttaken" in result.stdout
    assert result.exit_code == 0


def test_writing_asks_first_and_never_a_machine(catalogue: Path) -> None:
    """Without --yes somebody must be there to be asked."""
    result = sync(catalogue, "--write")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert catalogue.read_text() == CATALOGUE


@pytest.mark.parametrize(
    ("source", "code", "part"),
    [
        ("absent.json", 2, "cannot be read"),
        ("http://prices.example/feed.json", 2, "must begin with https://"),
        ("https://user@prices.example/feed.json", 2, "without a user"),
        ("ftp://prices.example/feed.json", 2, "must begin with https://"),
        ("http://127.0.0.1:9/feed.json", 1, "could not be fetched"),
        (str(ROOT / "README.md"), 1, "is not JSON"),
    ],
)
def test_source_that_cannot_be_used_is_told(
    catalogue: Path, source: str, code: int, part: str
) -> None:
    """2 where it was asked wrongly, 1 where what came is of no use."""
    result = sync(catalogue, "--write", "--yes", source=source)

    assert result.exit_code == code
    assert part in result.stderr
    assert catalogue.read_text() == CATALOGUE


def test_catalogue_must_be_there_and_fine(catalogue: Path) -> None:
    """A problem in it is told with its line, before anything is fetched."""
    catalogue.write_text(CATALOGUE.replace("0.60", "-1"))
    broken = sync(catalogue)
    missing = sync(catalogue.with_name("absent.yaml"))

    assert (broken.exit_code, missing.exit_code) == (1, 2)
    assert f"{catalogue}:6:" in broken.stderr
    assert "cannot be read" in missing.stderr


GATEWAY = """
server: {{redis: "{redis_url}"}}
providers:
  one: {{dialect: openai, base_url: "http://127.0.0.1:9/v1"}}
targets:
  one/small: {{provider: one, model: small}}
routes:
  auto: {{targets: [one/small]}}
tenants:
  acme: {{tier: pro, routes: [auto]}}
"""


def test_catalogue_is_pushed_to_the_gateways(
    catalogue: Path, tmp_path: Path, redis_url: str
) -> None:
    """It is younger than any file they have, so it counts."""
    config = tmp_path / "gateway.yaml"
    config.write_text(GATEWAY.format(redis_url=redis_url))

    result = CliRunner().invoke(prices, ["push", "--file", str(catalogue), "--config", str(config)])

    assert result.exit_code == 0
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        version = redis.get(keys.PRICES_VERSION)
        text = redis.get(keys.prices_of(str(version)))
    assert f"3 models are with the gateways, as {version}." in result.stderr
    assert "as_of: 2025" not in str(text)
    assert "openai/gpt-4o-mini" in str(text)


def test_pushing_without_redis_fails(catalogue: Path, tmp_path: Path) -> None:
    """Exit code 1, and why."""
    config = tmp_path / "gateway.yaml"
    config.write_text(GATEWAY.format(redis_url=f"unix://{tmp_path}/nobody.sock"))

    result = CliRunner().invoke(prices, ["push", "--file", str(catalogue), "--config", str(config)])

    assert result.exit_code == 1
    assert "Redis" in result.stderr
