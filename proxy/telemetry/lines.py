"""Where finished lines go: one file descriptor, written from one thread. I/O: files, a thread.

Rules of this file:
- `write` never blocks and never raises. A reader of our standard output that stalls must not
  stall the event loop, so the system calls happen in a thread of their own, a batch at a time.
- Memory is bounded: beyond MAX_PENDING_BYTES lines are dropped, and every dropped line counted.
- Several worker processes share one pipe. Linux keeps a write of at most PIPE_BUF bytes whole,
  so batches are cut between lines at that size, and lines of two workers never mix. A file
  opened for appending keeps any write whole.
- A crash loses at most what arrived within `linger_s`.
- A thread does not survive a fork: who forks uses `DirectLines`, and each child a `LineWriter`.
"""

import os
import select
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, Protocol

PIPE_BUF_BYTES: Final = 4096
FILE_BATCH_BYTES: Final = 65536
MAX_PENDING_BYTES: Final = 4 * 1024 * 1024


class Lines(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> None:
        """Take *line*, without its line feed. Never raises."""

    def lose(self, lines: int) -> None:
        """Count *lines* that will not be written."""


class DirectLines:
    """Writes each line to *fd* at once, for commands and for the parent of worker processes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, line: bytes) -> None:
        """Write *line*; blocks while the reader is behind. What cannot be written is dropped."""
        with suppress(OSError):
            os.write(self._fd, line + b"\n")

    def lose(self, lines: int) -> None:
        """Nobody counts here."""


class LineWriter:
    """Writes lines to *fd*, which stays the caller's. One to a process, made after any fork.

    `on_lost` is told how many lines could not be written; it is called from either thread.
    """

    def __init__(
        self, fd: int, *, on_lost: Callable[[int], None] | None = None, linger_s: float = 0.05
    ) -> None:
        self._fd = fd
        self._on_lost = on_lost
        self._linger_s = linger_s
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._torn = False
        is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        self._batch_bytes = PIPE_BUF_BYTES if is_pipe else FILE_BATCH_BYTES
        self._thread = threading.Thread(target=self._run, name="log lines", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take *line*, without its line feed, to be written within `linger_s`."""
        with self._lock:
            fits = self._pending_bytes + len(line) <= MAX_PENDING_BYTES
            fits = fits and not self._closing.is_set()
            if fits:
                self._pending.append(line)
                self._pending_bytes += len(line) + 1
        if not fits:
            self.lose(1)
        elif not self._wanted.is_set():
            self._wanted.set()

    def lose(self, lines: int) -> None:
        """Count *lines* that will not be written."""
        if self._on_lost is not None:
            self._on_lost(lines)

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is pending, then end; gives up after *timeout_s*. Harmless to repeat."""
        self._closing.set()
        self._wanted.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wanted.wait()
            closing = self._closing.wait(self._linger_s)
            self._wanted.clear()
            with self._lock:
                lines, self._pending, self._pending_bytes = self._pending, [], 0
            for batch in batches(lines, self._batch_bytes):
                self._write_batch(batch)

    def _write_batch(self, batch: list[bytes]) -> None:
        text = b"\n".join(batch) + b"\n"
        # A line that an earlier error broke off must not swallow this one.
        rest = memoryview(b"\n" + text if self._torn else text)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
                self._torn = bool(rest)
        except OSError:
            self.lose(len(batch))

    def _write_some(self, rest: memoryview) -> int:
        """How many bytes of *rest* went out. A parent may have made the pipe non-blocking."""
        while True:
            try:
                return os.write(self._fd, rest)
            except BlockingIOError:
                writable = select.poll()
                writable.register(self._fd, select.POLLOUT)
                writable.poll()


def batches(lines: Iterable[bytes], limit_bytes: int) -> Iterator[list[bytes]]:
    """Cut *lines* into runs that fit *limit_bytes* with a line feed each and one in front; a
    longer line stands alone. Pure.
    """
    batch: list[bytes] = []
    size_bytes = 0
    for line in lines:
        if batch and size_bytes + len(line) + 1 > limit_bytes - 1:
            yield batch
            batch, size_bytes = [], 0
        batch.append(line)
        size_bytes += len(line) + 1
    if batch:
        yield batch
