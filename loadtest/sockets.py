"""Which process holds how many connections of a port. I/O: reads /proc. Linux only."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ESTABLISHED: Final = "01"


def established_inodes(table: str, port: int) -> frozenset[str]:
    """The inodes of the connections accepted on *port* in *table*, as /proc/net/tcp shows it."""
    inodes = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        local_port = int(fields[1].rpartition(":")[2], 16)
        if local_port == port and fields[3] == _ESTABLISHED:
            inodes.add(fields[9])
    return frozenset(inodes)


def connections_of(pids: Iterable[int], port: int) -> dict[int, int]:
    """How many connections accepted on *port* each of *pids* holds."""
    inodes = established_inodes((_PROC / "net" / "tcp").read_text(), port)
    return {pid: len(inodes & _sockets_of(pid)) for pid in pids}


def _sockets_of(pid: int) -> set[str]:
    held = set()
    try:
        for link in (_PROC / str(pid) / "fd").iterdir():
            name = str(link.readlink())
            if name.startswith("socket:["):
                held.add(name[8:-1])
    except OSError:
        pass  # it ended, or closed the descriptor meanwhile
    return held
