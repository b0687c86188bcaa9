"""The programs that are compared: how each is started and found ready. I/O: files, children.

Every one gets the same work: one worker on one core, one upstream, connections kept alive, no
log of requests to a terminal. What they do for a request differs; `docs/benchmarks.md` says how.
"""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from loadtest.configs import Config, envoy_config, litellm_config, pointsman_config
from loadtest.environments import environment, file_in
from loadtest.launch import LaunchError, free_port, running, wait_until_ready
from loadtest.measure import Cores
from loadtest.target import Target

_ROOT: Final = Path(__file__).parent.parent
_READY_S: Final = 30.0
_LITELLM_READY_S: Final = 180.0
_KEY_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a row is started: in front of which upstream, on which cores, its files where."""

    upstream: Target
    cores: Cores
    folder: Path

    def log(self, name: str) -> Path:
        """Where the program *name* writes what it has to say."""
        return self.folder / f"{name}.log"

    def write(self, name: str, config: Config) -> Path:
        """Keep *config* as a file; returns its path."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config, indent=1))
        return path


Starter = Callable[[Stage], AbstractContextManager[Target]]


@contextmanager
def upstream(cores: Cores, folder: Path) -> Iterator[Target]:
    """The scripted upstream on the load's core.

    Raises:
        LaunchError: it did not come up.
    """
    port, log = free_port(), folder / "upstream.log"
    command = [sys.executable, "-m", "loadtest.upstream", str(port)]
    with running(command, core=cores.load, cwd=_ROOT, log=log, variables={}) as child:
        wait_until_ready(child, port, "/v1/models", log=log, timeout_s=_READY_S)
        yield Target("direct", port, "none", "bench-model", child.pid)


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
    port, log = free_port(), stage.log("envoy")
    config = stage.write("envoy", envoy_config(port, stage.upstream.port))
    command = [str(binary), "--config-path", str(config), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "error"]
    core = stage.cores.proxy
    with running(command, core=core, cwd=stage.folder, log=log, variables={}) as child:
        wait_until_ready(child, port, "/v1/models", log=log, timeout_s=_READY_S)
        yield Target("envoy", port, "none", "bench-model", child.pid)


@contextmanager
def litellm(stage: Stage) -> Iterator[Target]:
    """LiteLLM's proxy with its one master key, without a database or callbacks.

    Raises:
        UnavailableError: its packages cannot be had here.
        LaunchError: it did not come up.
    """
    root = environment("litellm")
    port, log, key = free_port(), stage.log("litellm"), f"sk-{secrets.token_hex(16)}"
    config = stage.write("litellm", litellm_config(stage.upstream.port, key))
    command = [str(root / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    variables = {
        # The table of prices would otherwise be fetched from the internet at each start.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
    }
    core = stage.cores.proxy
    with running(command, core=core, cwd=stage.folder, log=log, variables=variables) as child:
        ready = "/health/liveliness"
        wait_until_ready(child, port, ready, log=log, timeout_s=_LITELLM_READY_S)
        # Found by holding 1,000: 500 answered, the rest waited for as long as we did.
        yield Target("litellm", port, key, "bench", child.pid, exact=False, most_streams=500)


@contextmanager
def pointsman(stage: Stage) -> Iterator[Target]:
    """This gateway as it is served: real keys, a route of two targets, log lines, metrics.

    Raises:
        LaunchError: it, its Redis or its key could not be had.
    """
    port, log = free_port(), stage.log("pointsman")
    with _redis(stage) as socket_path:
        pepper = stage.folder / "pepper"
        pepper.write_text(secrets.token_urlsafe(48))
        config = stage.write(
            "pointsman", pointsman_config(port, stage.upstream.port, socket_path, pepper)
        )
        token = _new_key(config)
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(config)]
        core = stage.cores.proxy
        with running(command, core=core, cwd=_ROOT, log=log, variables={}) as child:
            wait_until_ready(child, port, "/readyz", log=log, timeout_s=_READY_S)
            yield Target("pointsman", port, token, "bench", child.pid)


PROXIES: Final[Mapping[str, Starter]] = MappingProxyType(
    {"direct": direct, "envoy": envoy, "litellm": litellm, "pointsman": pointsman}
)
"""Rows in the order in which each round measures them."""


@contextmanager
def _redis(stage: Stage) -> Iterator[Path]:
    """A Redis on a unix socket, on the load's core: shared state is no part of a worker's cost."""
    # The one beside our Python comes with the project's own packages; a system's may be any.
    beside = Path(sys.executable).with_name("redis-server")
    server = str(beside) if beside.exists() else shutil.which("redis-server")
    server = server or shutil.which("valkey-server")
    if server is None:
        raise LaunchError("no redis-server beside Python or on the PATH")
    socket_path = stage.folder / "redis.sock"
    command = [server, "--port", "0", "--unixsocket", str(socket_path), "--save", ""]
    log = stage.log("redis")
    core = stage.cores.load
    with running(command, core=core, cwd=stage.folder, log=log, variables={}):
        yield socket_path


def _new_key(config: Path) -> str:
    command = [sys.executable, "-m", "proxy", "keys", "create", "--config", str(config)]
    done = subprocess.run(
        [*command, "--tenant", "bench", "--name", "bench"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_KEY_TIMEOUT_S,
        check=False,
    )
    token = next((word for word in done.stdout.split() if word.startswith("pm_")), None)
    if token is None:
        raise LaunchError(f"no key was made: {' '.join((done.stderr or done.stdout).split())}")
    return token
