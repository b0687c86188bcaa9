"""Which Python runs the measured programs: the quickest suitable one of this machine.

I/O: runs each candidate for a third of a second. A CPython that was built without profile-guided
and link-time optimisation (pyenv's default) costs a Python program some 1.3 x the CPU of one
that was built with them (Debian, the Docker images of python.org, uv). A figure taken on the
former says more about the build than about the program.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUITABLE: Final = ((3, 11), (3, 12))
"""What the gateway is tested on."""

_ON_PATH: Final = ("python3.12", "python3.11", "python3")
_SYSTEM: Final = ("/usr/bin/python3.12", "/usr/bin/python3.11")
_TIMEOUT_S: Final = 10.0
_NOTICEABLE: Final = 1.05

_TRIAL: Final = """
import json, os, sys, time
class Small:
    __slots__ = ("left", "right")
    def __init__(self, left, right):
        self.left, self.right = left, right
    def both(self, more):
        return self.left + self.right + more
def work():
    total, kept = 0, {}
    for number in range(20000):
        small = Small(number, 1)
        total += small.both(number) + len(kept)
        kept[number & 63] = (small, [number, total])
    return total
def once():
    began = time.process_time()
    work()
    return time.process_time() - began
best = min(once() for _ in range(12))
where = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
print(json.dumps([list(sys.version_info[:3]), where, sys.implementation.name, best]))
"""
"""Attribute access, calls and small objects, as a gateway does them: 12 times some 10 ms."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of this machine. `trial_s`: CPU seconds of a fixed piece of work."""

    path: Path
    version: tuple[int, int, int]
    trial_s: float

    @property
    def written(self) -> str:
        """Its name for people; never its path, which belongs to one machine."""
        return f"CPython {'.'.join(map(str, self.version))}"


def quickest(found: Iterable[Interpreter], otherwise: Interpreter) -> Interpreter:
    """The suitable one that took least; *otherwise* where none is noticeably quicker. Pure."""
    suitable = [one for one in found if one.version[:2] in SUITABLE]
    best = min(suitable, key=lambda one: one.trial_s, default=otherwise)
    # Of two that are alike the one that is set up already is taken: noise decides nothing.
    near = otherwise.trial_s <= best.trial_s * _NOTICEABLE and otherwise.version[:2] in SUITABLE
    return otherwise if near else best


def words_of(chosen: Interpreter, here: Interpreter) -> str:
    """What the page says of the chosen one, beside the one that runs the bench. Pure."""
    if chosen.path == here.path:
        return chosen.written
    ratio = here.trial_s / chosen.trial_s
    return f"{chosen.written}, {ratio:.2f} x as quick as the one that runs the bench"


def candidates() -> list[str]:
    """Programs that may be suitable, this one's own base first."""
    base = getattr(sys, "_base_executable", sys.executable)
    on_path = [found for name in _ON_PATH if (found := shutil.which(name, path=_path()))]
    system = [path for path in _SYSTEM if Path(path).exists()]
    return list(dict.fromkeys([base, *on_path, *system]))


def tried(programs: Sequence[str]) -> list[Interpreter]:
    """Those of *programs* that run, each once however many names lead to it."""
    found: dict[Path, Interpreter] = {}
    for program in programs:
        interpreter = _tried(program)
        if interpreter is not None:
            found.setdefault(interpreter.path, interpreter)
    return list(found.values())


def _tried(program: str) -> Interpreter | None:
    try:
        done = subprocess.run(
            [program, "-I", "-c", _TRIAL],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
            env={"PATH": _path(), "HOME": os.environ.get("HOME", "/")},
        )
        version, path, implementation, trial_s = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a shim of pyenv for a version that is not chosen, for one
    if implementation != "cpython":
        return None
    return Interpreter(Path(path), (version[0], version[1], version[2]), trial_s)


def _path() -> str:
    # The environment that runs the bench stands first on the path when it is active: its Python
    # is the base's, which is tried anyway.
    return os.environ.get("PATH", os.defpath)
