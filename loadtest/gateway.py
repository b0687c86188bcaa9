"""Starting this gateway as it is served: its own Redis, a real key, log lines, metrics.

I/O: files, children. Redis runs on the load's core: shared state is no part of a worker's cost.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.configs import Gateway, Shape, pointsman_config
from loadtest.launch import LaunchError, free_port, running, wait_until_ready
from loadtest.stage import ROOT, Grounds, Stage
from loadtest.target import Target

_KEY_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class State:
    """What gateways share: a Redis, and the pepper of the keys in it."""

    redis: Path
    pepper: Path


@dataclass(frozen=True, slots=True)
class Ready:
    """A gateway's config in a file, and a key that it lets in. Not started yet."""

    port: int
    config: Path
    token: str


@contextmanager
def a_state(grounds: Grounds) -> Iterator[State]:
    """A Redis on a unix socket, for as long as the block runs.

    Raises:
        LaunchError: there is none on this machine.
    """
    # The one beside our Python comes with the project's own packages; a system's may be any.
    beside = Path(sys.executable).with_name("redis-server")
    server = str(beside) if beside.exists() else shutil.which("redis-server")
    server = server or shutil.which("valkey-server")
    if server is None:
        raise LaunchError("no redis-server beside Python or on the PATH")
    name = secrets.token_hex(4)
    socket_path = grounds.folder / f"{name}.sock"
    pepper = grounds.folder / f"{name}.pepper"
    pepper.write_text(secrets.token_urlsafe(48))
    command = [server, "--port", "0", "--unixsocket", str(socket_path), "--save", ""]
    log = grounds.log("redis")
    with running(command, cores=[grounds.cores.load], cwd=grounds.folder, log=log):
        yield State(socket_path, pepper)


def made_ready(
    stage: Stage,
    state: State,
    *,
    name: str = "pointsman",
    shape: Shape = Shape(),  # noqa: B008 - frozen
    workers: int = 1,
) -> Ready:
    """A config of *shape* in front of the stage's upstream, and a key of its tenant.

    Raises:
        LaunchError: no key could be made.
    """
    port = free_port()
    gateway = Gateway(
        port,
        stage.upstream.port,
        state.redis,
        state.pepper,
        ca=stage.ca,
        workers=workers,
    )
    config = stage.grounds.write(name, pointsman_config(gateway, shape))
    return Ready(port, config, _new_key(stage.grounds.pythons.ours, config))


@contextmanager
def served(
    grounds: Grounds, ready: Ready, *, name: str = "pointsman", cores: Sequence[int] | None = None
) -> Iterator[Target]:
    """The gateway, serving; on the measured core unless *cores* are given.

    Raises:
        LaunchError: it did not come up.
    """
    command = [str(grounds.pythons.ours), "-m", "proxy", "serve", "--config", str(ready.config)]
    cores = [grounds.cores.proxy] if cores is None else cores
    log = grounds.log(name)
    with running(command, cores=cores, cwd=ROOT, log=log) as child:
        wait_until_ready(child, ready.port, "/readyz", log=log)
        yield Target(name, ready.port, ready.token, "bench", child.pid)


@contextmanager
def pointsman(stage: Stage) -> Iterator[Target]:
    """One worker with a route of two targets.

    Raises:
        LaunchError: it, its Redis or its key could not be had.
    """
    name = f"pointsman{stage.suffix}"
    with a_state(stage.grounds) as state:
        ready = made_ready(stage, state, name=name)
        with served(stage.grounds, ready, name=name) as target:
            yield target


def _new_key(python: Path, config: Path) -> str:
    command = [str(python), "-m", "proxy", "keys", "create", "--config", str(config)]
    done = subprocess.run(
        [*command, "--tenant", "bench", "--name", "bench"],
        cwd=ROOT,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=_KEY_TIMEOUT_S,
        check=False,
    )
    token = next((word for word in done.stdout.split() if word.startswith("pm_")), None)
    if token is None:
        raise LaunchError(f"no key was made: {' '.join((done.stderr or done.stdout).split())}")
    return token
