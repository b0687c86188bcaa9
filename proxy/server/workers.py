"""Several worker processes on one port, by gunicorn and aiohttp's worker for it. I/O: processes.

gunicorn keeps the processes and the listening socket; each worker runs a GatewayRunner, which
drains on SIGTERM. No control socket, and nothing is written to disk but gunicorn's heartbeat
files, which are unlinked as soon as they are open.
"""

import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

from aiohttp import web
from aiohttp.worker import GunicornUVLoopWebWorker
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from proxy.config.settings import Settings
from proxy.server.runner import GatewayRunner

SPARE_S = 10.0
"""How much longer than its drain a worker may take before it is killed."""

MakeRunner = Callable[[], GatewayRunner]


class Worker(GunicornUVLoopWebWorker):
    """aiohttp's worker, which also shows that it lives while it drains, and whose runner listens
    by itself.
    """

    wsgi: Any
    sockets: list[socket.socket]
    _runner: GatewayRunner | None = None
    _told: frozenset[int] = frozenset()

    def load_wsgi(self) -> None:
        """Put steps of our own before aiohttp is handed the runner."""
        super().load_wsgi()
        make_runner: MakeRunner = self.wsgi

        async def make() -> web.AppRunner:
            self._runner = runner = make_runner()
            self._beat()
            await runner.setup()
            for sock in self.sockets:
                await runner.listen(sock)
            # aiohttp would listen on them by its own means: TLS that never reloads, handshakes
            # without a deadline.
            self.sockets = []
            return runner

        self.wsgi = make

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, now and not at the next heartbeat; told again, end the drain."""
        super().handle_exit(sig, frame)
        self._notify_waiter_done()
        self._hear(sig)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """The same for Ctrl-C, and for gunicorn in a hurry."""
        super().handle_quit(sig, frame)
        self._hear(sig)

    def _hear(self, sig: int) -> None:
        # One Ctrl-C comes as two signals: the terminal's SIGINT, and then gunicorn's SIGQUIT.
        is_again = sig in self._told or (sig == signal.SIGQUIT and signal.SIGTERM in self._told)
        if is_again and self._runner is not None:
            self._runner.hurry()
        self._told |= {sig}

    def _beat(self) -> None:
        self.notify()
        self.loop.call_later(1.0, self._beat)


class QuietLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger without handlers of its own: what it says goes where Python's logging
    was told to send it.
    """

    def setup(self, cfg: Any) -> None:
        """Keep the settings, and nothing else."""
        self.cfg = cfg
        self._access_log_enabled = False


class Workers(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with our settings and nobody else's: it reads no file and no variable."""

    def __init__(
        self,
        make_runner: MakeRunner,
        sock: socket.socket,
        settings: Settings,
        on_exit: Callable[[int], None],
    ) -> None:
        self._make_runner = make_runner
        self._options: dict[str, Any] = {
            "bind": [f"fd://{sock.detach()}"],
            "workers": settings.workers,
            "worker_class": f"{__name__}.{Worker.__name__}",
            "graceful_timeout": int(settings.drain_delay_s + settings.drain_grace_s + SPARE_S),
            "control_socket_disable": True,
            "logger_class": QuietLogger,
            "child_exit": lambda _, worker: on_exit(worker.pid),
        }
        super().__init__()

    def load_config(self) -> None:
        """Hand over our settings."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> MakeRunner:
        """What each worker calls for its runner."""
        return self._make_runner


def run_workers(
    make_runner: MakeRunner,
    sock: socket.socket,
    settings: Settings,
    on_exit: Callable[[int], None],
) -> None:
    """Serve on *sock* with `settings.workers` processes until told to stop.

    *make_runner* is called in each worker; *on_exit* hears, in this process, the process id of
    each that ended.
    """
    Workers(make_runner, sock, settings, on_exit).run()
