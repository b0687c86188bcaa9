"""One process that serves until it is told to stop. I/O: signals, one listening socket."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable

from proxy.server.runner import BACKLOG, GatewayRunner

UNSENT_BYTES = 64 * 1024
"""What the kernel takes for a client beyond what the network carries. Without a limit it takes
megabytes for one who does not read, and a slow reader's progress shows only after a third of
them.
"""

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class CannotListen(Exception):  # noqa: N818 - says what happened
    """The address is taken, or not this machine's; the message says which and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on *host* and *port* (0: any free one).

    Raises:
        CannotListen: as it says.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        code = error.errno or 0  # below zero where a name was not found
        # asked for anew: the text of `create_server` says the address once more
        reason = os.strerror(code) if code > 0 else error.strerror or type(error).__name__
        raise CannotListen(
            f"cannot listen on {host}:{port}: {reason.lower()}. Stop what uses it, or choose "
            "another address (server.listen; for make run: PORT=9000 make run)."
        ) from error
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # every connection inherits it
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return sock


async def serve_until_told(
    runner: GatewayRunner, sock: socket.socket, on_ready: Callable[[], None]
) -> None:
    """Serve on *sock* until SIGTERM, SIGINT or SIGHUP, then drain; a second one ends the drain,
    and a further one changes nothing: what is left to do is short and must be done.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if told.is_set():
            runner.hurry()
        told.set()

    for signum in STOPPING:
        loop.add_signal_handler(signum, stop)
    await runner.setup()
    try:
        await runner.listen(sock)
        on_ready()
        await told.wait()
    finally:
        await runner.cleanup()
        for signum in STOPPING:  # the loop would leave them deadly when it closes
            loop.remove_signal_handler(signum)
            signal.signal(signum, signal.SIG_IGN)
