"""Starting what is measured, and ending it. I/O: child processes, loopback sockets.

A child gets an empty environment of variables but for what its row needs: no credential that
lies around reaches foreign code, and nothing outside decides how a row is configured. It is
ended by the ids of its own tree, never by name.
"""

import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import MappingProxyType
from typing import Final

from loadtest.measure import on_core, tree_of

READY_S: Final = 30.0

_STOP_GRACE_S: Final = 15
_POLL_S: Final = 0.1


class LaunchError(Exception):
    """A program did not come up; holds the end of its log."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    *,
    cores: Sequence[int],
    cwd: Path,
    log: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* on *cores* while the block runs, its output appended to *log*."""
    with log.open("ab") as output, on_core(*cores):
        child = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={"PATH": os.defpath, "HOME": str(log.parent), "LANG": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _stop(child)


def wait_until_ready(
    child: subprocess.Popen[bytes],
    port: int,
    path: str,
    *,
    log: Path,
    timeout_s: float = READY_S,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Wait until GET *path* answers 200, over *tls* if there is any.

    Raises:
        LaunchError: *child* ended, or was not ready in time.
    """
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        if child.poll() is not None:
            raise LaunchError(f"ended with {child.returncode}: {tail_of(log)}")
        if _answers(port, path, tls):
            return
        time.sleep(_POLL_S)
    raise LaunchError(f"not ready after {timeout_s:.0f} s: {tail_of(log)}")


def tail_of(log: Path, limit: int = 400) -> str:
    """The last *limit* characters of *log*, on one line."""
    return " ".join(log.read_text(errors="replace").split())[-limit:]


def _answers(port: int, path: str, tls: ssl.SSLContext | None) -> bool:
    if tls is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
    else:
        connection = HTTPSConnection("127.0.0.1", port, timeout=2, context=tls)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask *child* to end; after the grace, kill what is left of its tree."""
    family = tree_of(child.pid)
    child.terminate()
    try:
        child.wait(_STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.wait()
