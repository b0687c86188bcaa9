"""A pytest plugin: a gateway for an application's own tests, with the policies of its config.

It comes with the distribution. `pointsman_config` in pytest's ini names the config; a test that
asks for `pointsman_gateway` gets a running stub of it (`proxy/stub.py`), as new.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

# What a stub is made of is imported by who asks for one: pytest loads this wherever the
# distribution is installed, also for tests that have no use of it.
if TYPE_CHECKING:
    from proxy.background import StubGateway

INI: Final = "pointsman_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let pytest's ini name the config."""
    parser.addini(INI, "The config of Pointsman that `pointsman_gateway` serves.", "string", "")


@pytest.fixture(scope="session")
def pointsman_config(pytestconfig: pytest.Config) -> Path:
    """The config that is served: the ini's `pointsman_config`, relative to pytest's root."""
    named = pytestconfig.getini(INI)
    if not named:
        pytest.fail(f"name the config: {INI} in pytest's ini, or a fixture of that name", False)
    return pytestconfig.rootpath / str(named)


@pytest.fixture(scope="session")
def pointsman_stub(pointsman_config: Path) -> "Iterator[StubGateway]":
    """The stub of the whole session. Tests take `pointsman_gateway`, which is as new for each."""
    from proxy.background import StubGateway
    from proxy.config.load import load
    from proxy.config.problems import ConfigProblems

    try:
        config = load(Path(pointsman_config))
    except ConfigProblems as problems:
        pytest.fail(f"{pointsman_config} cannot be served:\n{problems}", False)
    stub = StubGateway(config)
    stub.start()
    yield stub
    stub.stop()


@pytest.fixture
def pointsman_gateway(pointsman_stub: "StubGateway") -> "StubGateway":
    """A running stub gateway, in which every target answers and nothing was asked yet."""
    pointsman_stub.reset()
    return pointsman_stub
