"""From a checked config to running processes. I/O: starts them.

One worker serves in this very process; several are kept by gunicorn. Both run the same
GatewayRunner, and both drain alike.
"""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Final

import uvloop

from proxy.assembly import Log, gateway_runner
from proxy.config.load import LoadedConfig
from proxy.secret_values import Secrets, read_secrets
from proxy.server.runner import GatewayRunner
from proxy.server.serve import bind, serve_until_told
from proxy.server.workers import run_workers
from proxy.telemetry.lines import DirectLines, LineWriter
from proxy.telemetry.logs import configure, log_event
from proxy.telemetry.metrics import DIRECTORY_VARIABLE, clear_directory, mark_process_dead

STDOUT: Final = 1


def serve(
    config: LoadedConfig,
    *,
    console: bool | None = None,
    beside: AbstractAsyncContextManager[None] | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve *config* until told to stop. *console*: log for people; None: if at a terminal.

    Where one process serves: *beside* runs around it, in its loop, and *on_ready* is called once
    it takes requests.

    Raises:
        ValueError: a secret that the config refers to cannot be used.
        CannotListen: the address is taken.
        StateMisconfiguredError: this Redis must not be used as it is set up.
        OSError, ssl.SSLError: the TLS files cannot be used.
    """
    for_people = os.isatty(STDOUT) if console is None else console
    secrets = read_secrets(config)
    sock = bind(config.settings.host, config.settings.port)
    if config.settings.workers == 1:
        runner = _runner(config, secrets, for_people)
        uvloop.run(_serve_here(runner, sock, beside or nullcontext(), on_ready))
    else:
        _serve_in_workers(config, secrets, sock, for_people)


async def _serve_here(
    runner: GatewayRunner,
    sock: socket.socket,
    beside: AbstractAsyncContextManager[None],
    on_ready: Callable[[], None],
) -> None:
    async with beside:
        await serve_until_told(runner, sock, on_ready)


def _runner(config: LoadedConfig, secrets: Secrets, for_people: bool) -> GatewayRunner:
    def open_lines(on_lost: Callable[[int], None]) -> LineWriter:
        lines = LineWriter(STDOUT, on_lost=on_lost)
        configure(lines, console=for_people)
        return lines

    return gateway_runner(config, secrets, Log(open_lines, for_people))


def _serve_in_workers(
    config: LoadedConfig, secrets: Secrets, sock: socket.socket, for_people: bool
) -> None:
    clear_directory(Path(os.environ[DIRECTORY_VARIABLE]))
    configure(DirectLines(STDOUT), console=for_people)
    log_event("workers_start", workers=config.settings.workers)
    run_workers(
        lambda: _runner(config, secrets, for_people),
        sock,
        config.settings,
        mark_process_dead,
    )
