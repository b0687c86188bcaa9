"""The pytest plugin, as an application's own tests use it."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.architecture.trees import ROOT

CONFIG = ROOT / "config" / "policies.yaml"

APPLICATION = """
import gc

import pytest
from openai import InternalServerError, OpenAI


@pytest.fixture
def client(pointsman_gateway):
    gateway = pointsman_gateway
    return OpenAI(base_url=gateway.base_url, api_key=gateway.api_key("shop"), max_retries=0)


def ask(client, text="Hello"):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="auto", messages=messages)


def test_decision_is_seen(pointsman_gateway, client):
    assert ask(client).choices[0].message.content == "openai/gpt-4o-mini answers."
    (decision,) = pointsman_gateway.decisions
    assert decision["selected"]["target"] == decision["answered_by"] == "openai/gpt-4o-mini"
    assert (decision["tenant"], decision["status"], decision["error"]) == ("shop", 200, None)


def test_personal_data_stays_with_vendors_that_have_a_dpa(pointsman_gateway, client):
    ask(client, "Mail jane@example.com")
    (decision,) = pointsman_gateway.decisions
    assert "personal-data-needs-dpa" in decision["rules"]
    assert "groq/gpt-oss-20b" not in [each["target"] for each in decision["ranked"]]


def test_fallback(pointsman_gateway, client):
    pointsman_gateway.script("openai/gpt-4o-mini", error={"status": 500})
    assert ask(client).choices[0].message.content == "azure-eu/gpt-4o-mini answers."
    (decision,) = pointsman_gateway.decisions
    assert decision["attempts"] == ["openai/gpt-4o-mini", "azure-eu/gpt-4o-mini"]


def test_every_test_begins_anew(pointsman_gateway, client):
    assert pointsman_gateway.decisions == []
    assert ask(client).choices[0].message.content == "openai/gpt-4o-mini answers."


def test_what_could_not_be_read_has_no_decision(pointsman_gateway, client):
    with pytest.raises(Exception):
        client.chat.completions.create(model="auto", messages=[])
    (decision,) = pointsman_gateway.decisions
    assert (decision["error"], decision["answered_by"]) == ("invalid_field", None)
    assert "selected" not in decision


def test_keys_are_of_tenants(pointsman_gateway):
    with pytest.raises(LookupError, match="hobby, shop, acme"):
        pointsman_gateway.api_key()
    with pytest.raises(LookupError):
        pointsman_gateway.api_key("nobody")


def test_collector_is_as_it_was(pointsman_gateway):
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() == 0


THRESHOLDS = gc.get_threshold()
"""

COUNT = len(re.findall(r"^def test_", APPLICATION, re.MULTILINE))


def run(directory: Path, ini: str, tests: str) -> subprocess.CompletedProcess[str]:
    """Run pytest, as a process of its own, on an application whose tests are *tests*."""
    (directory / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{ini}")
    (directory / "test_application.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "proxy.testing", "-p", "no:cacheprovider"],
        cwd=directory,
        # Of all plugins that are installed here, ours alone.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.slow
def test_application_s_tests_run_against_the_stub(tmp_path: Path) -> None:
    """With the real SDK: decisions are seen, targets fail on demand, each test begins anew."""
    result = run(tmp_path, f"pointsman_config = {CONFIG}\n", APPLICATION)

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{COUNT} passed" in result.stdout


@pytest.mark.slow
def test_config_can_be_a_fixture(tmp_path: Path) -> None:
    """In place of the ini's; where there is one tenant, its key need not be named."""
    (tmp_path / "one.yaml").write_text((ROOT / "config" / "demo.yaml").read_text())
    tests = """
import pytest

@pytest.fixture(scope="session")
def pointsman_config(request):
    return request.config.rootpath / "one.yaml"

def test_key(pointsman_gateway):
    assert pointsman_gateway.api_key() == "stub-demo"
"""

    result = run(tmp_path, "", tests)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ("", "name the config: pointsman_config in pytest's ini, or a fixture of that name"),
        ("pointsman_config = none.yaml\n", "none.yaml:1:1: cannot be read: No such file"),
    ],
)
def test_config_that_is_not_there_is_told_in_a_sentence(
    tmp_path: Path, ini: str, said: str
) -> None:
    """The test is in error, and says what to do; others would go on."""
    result = run(tmp_path, ini, "def test_it(pointsman_gateway): pass\ndef test_other(): pass\n")

    assert result.returncode == 1
    assert said in result.stdout
    assert "1 passed, 1 error" in result.stdout
    assert "Traceback" not in result.stdout


def test_plugin_comes_with_the_distribution() -> None:
    """pytest finds it by its entry point wherever the distribution is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    module = import_module(project["entry-points"]["pytest11"]["pointsman"])

    assert hasattr(module, "pointsman_gateway")
