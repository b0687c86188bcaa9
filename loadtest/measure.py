"""What a tree of operating-system processes has cost and holds. I/O: reads /proc. Linux only.

Taking figures from /proc charges the measured program nothing, and counts every thread and
child alike, whatever language it was written in.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run: the load and its upstream on one core, the measured proxy on another.

    `allowed`: all that this program may use.
    """

    load: int
    proxy: int
    allowed: frozenset[int] = frozenset()

    @property
    def shared(self) -> bool:
        """Whether there is one core for all, which makes requests/s and latency worthless."""
        return self.load == self.proxy


def pick_cores() -> Cores:
    """The first two cores that this program may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1 % len(allowed)], frozenset(allowed))


@contextmanager
def on_core(*cores: int) -> Iterator[None]:
    """Run the block on *cores*. What is started within inherits them from its first instruction."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree_of(root_pid: int) -> tuple[int, ...]:
    """*root_pid* and all that descend from it, as far as they still run."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root_pid]
    for pid in found:
        found.extend(children.get(pid, ()))
    return tuple(found)


def cpu_s(root_pid: int) -> float:
    """User and system CPU seconds of the tree: all threads, and children that already ended."""
    ticks = 0
    for pid in tree_of(root_pid):
        if fields := _stat_fields(pid):
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_PER_S


def cpu_s_of(pid: int) -> float:
    """User and system CPU seconds of one process: all threads, none of its children."""
    fields = _stat_fields(pid)
    return sum(int(field) for field in fields[11:13]) / _TICKS_PER_S if fields else 0.0


def rss_kb(root_pid: int) -> int:
    """Resident kilobytes of the tree, pages shared between its members counted for each."""
    return sum(_rss_kb_of(pid) for pid in tree_of(root_pid))


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; empty when the process is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    # The command's name stands in parentheses and may hold spaces and parentheses itself.
    return text[text.rindex(")") + 2 :].split()


def _rss_kb_of(pid: int) -> int:
    # VmRSS of `status` lags by up to 64 pages a thread; the roll-up walks the page table.
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Rss:"))
