"""The programs that are compared: how each is started and found ready. I/O: files, children.

Every one gets the same work: one worker on one core, one upstream, connections kept alive, no
log of requests to a terminal. What they do for a request differs; `docs/benchmarks.md` says how.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from loadtest.configs import envoy_config, litellm_config
from loadtest.environments import environment, file_in
from loadtest.gateway import pointsman
from loadtest.launch import free_port, running, wait_until_ready
from loadtest.stage import ROOT, Stage, Starter
from loadtest.target import Target

_LITELLM_READY_S: Final = 180.0


@contextmanager
def direct(stage: Stage) -> Iterator[Target]:
    """No proxy: what the others' latencies are counted from."""
    yield stage.upstream


@contextmanager
def envoy(stage: Stage) -> Iterator[Target]:
    """Envoy as a plain HTTP proxy: no key check, no look at the body, no log.

    Raises:
        UnavailableError: no wheel for this machine, or no network.
        LaunchError: it did not come up.
    """
    binary = file_in(environment("envoy"), "envoy/_bin/envoy")
    name, grounds = f"envoy{stage.suffix}", stage.grounds
    port, log = free_port(), grounds.log(name)
    config = grounds.write(name, envoy_config(port, stage.upstream.port, stage.ca))
    command = [str(binary), "--config-path", str(config), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "error"]
    with running(command, cores=[grounds.cores.proxy], cwd=grounds.folder, log=log) as child:
        wait_until_ready(child, port, "/v1/models", log=log)
        yield Target(name, port, "none", "bench-model", child.pid)


@contextmanager
def litellm(stage: Stage) -> Iterator[Target]:
    """LiteLLM's proxy with its one master key, without a database or callbacks, on the same
    Python as the gateway.

    Raises:
        UnavailableError: its packages cannot be had here.
        LaunchError: it did not come up.
    """
    grounds = stage.grounds
    root = environment("litellm", base=grounds.pythons.base)
    port, log, key = free_port(), grounds.log("litellm"), f"sk-{secrets.token_hex(16)}"
    config = grounds.write("litellm", litellm_config(stage.upstream.port, key))
    command = [str(root / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    variables = {
        # The table of prices would otherwise be fetched from the internet at each start.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
    }
    cores = [grounds.cores.proxy]
    with running(command, cores=cores, cwd=grounds.folder, log=log, variables=variables) as child:
        ready = "/health/liveliness"
        wait_until_ready(child, port, ready, log=log, timeout_s=_LITELLM_READY_S)
        # Found by holding 1,000: 500 answered, the rest waited for as long as we did.
        yield Target("litellm", port, key, "bench", child.pid, exact=False, most_streams=500)


@contextmanager
def floor(stage: Stage) -> Iterator[Target]:
    """The least that an aiohttp server before a lean upstream connection can cost.

    Raises:
        LaunchError: it did not come up.
    """
    with _floor(stage, "floor", str(stage.upstream.port)) as target:
        yield target


@contextmanager
def bare(stage: Stage) -> Iterator[Target]:
    """An aiohttp server that answers from memory.

    Raises:
        LaunchError: it did not come up.
    """
    with _floor(stage, "bare", "0") as target:
        yield target


@contextmanager
def _floor(stage: Stage, name: str, upstream_port: str) -> Iterator[Target]:
    grounds = stage.grounds
    port, log = free_port(), grounds.log(name)
    command = [str(grounds.pythons.ours), "-m", "loadtest.floor", str(port), upstream_port]
    with running(command, cores=[grounds.cores.proxy], cwd=ROOT, log=log) as child:
        wait_until_ready(child, port, "/readyz", log=log)
        yield Target(name, port, "none", "bench-model", child.pid)


PROXIES: Final[Mapping[str, Starter]] = MappingProxyType(
    {"direct": direct, "envoy": envoy, "litellm": litellm, "pointsman": pointsman, "floor": floor}
)
"""Rows in the order in which each round measures them."""
