"""What the figures were taken on. I/O: reads /proc and asks the programs for nothing."""

import platform
from pathlib import Path

from loadtest.measure import Cores


def machine_line(cores: Cores, python: str) -> str:
    """The machine in one line: processor, cores used, memory, kernel, and the *python* that the
    measured programs run on.
    """
    return (
        f"{_processor()}, load on core {cores.load}, measured program on core {cores.proxy}, "
        f"{_memory_gib()} GiB, Linux {platform.release()}; "
        f"Python programs on {python}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    first = Path("/proc/meminfo").read_text().splitlines()[0]
    return round(int(first.split()[1]) / 1024 / 1024)
