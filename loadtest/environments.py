"""Environments of their own for the programs that are measured, under `.bench/`.

I/O: runs venv and pip, once per change of a requirements file or of the Python. They are pinned
with hashes, and what is installed runs with an empty environment of variables (see `launch`).
"""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.interpreter import candidates, quickest, tried, words_of

_HERE: Final = Path(__file__).parent
_BENCH: Final = _HERE.parent / ".bench"
_OURS: Final = _HERE.parent / "requirements.lock"
_INSTALL_TIMEOUT_S: Final = 900


class UnavailableError(Exception):
    """The environment cannot be had here; says why in a few words."""


@dataclass(frozen=True, slots=True)
class Pythons:
    """What measured Python programs run on. `base`: for environments yet to be made; `ours`: in
    the gateway's own; `words`: what the page says of it.
    """

    base: Path
    ours: Path
    words: str


def pythons(override: str | None) -> Pythons:
    """The quickest suitable Python, or the one at *override*, with the gateway's packages.

    What cannot be had is said, and the Python that runs the bench stands in.
    """
    here = tried([getattr(sys, "_base_executable", sys.executable)])[0]
    if override is None:
        chosen = quickest(tried(candidates()), otherwise=here)
    else:
        chosen = next(iter(tried([override])), here)
        if chosen is here:
            print(f"bench: {override} does not run as a CPython; staying with {here.written}")
    try:
        ours = environment("pointsman", base=chosen.path, requirements=_OURS) / "bin" / "python"
    except UnavailableError as reason:
        print(f"bench: measuring on the Python that runs the bench: {reason}", flush=True)
        return Pythons(Path(sys.executable), Path(sys.executable), words_of(here, here))
    return Pythons(chosen.path, ours, words_of(chosen, here))


def environment(name: str, *, base: Path | None = None, requirements: Path | None = None) -> Path:
    """The root of the environment *name*, installed from its requirements if need be.

    *base* is the Python that it is made with (the one that runs the bench), *requirements* by
    default `requirements-<name>.txt`.

    Raises:
        UnavailableError: no network, no wheel for this machine, or no venv module.
    """
    root = _BENCH / name
    requirements = requirements or _HERE / f"requirements-{name}.txt"
    python = base or Path(sys.executable)
    stamp = root / "installed"
    wanted = hashlib.sha256(requirements.read_bytes() + str(python).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return root
    print(f"bench: installing {name} into {root.relative_to(_BENCH.parent)}", flush=True)
    shutil.rmtree(root, ignore_errors=True)
    # Debian's Python may lack ensurepip: the pip that runs here installs into the other one.
    _run([str(python), "-m", "venv", "--without-pip", str(root)])
    pip = [sys.executable, "-m", "pip", "--python", str(root / "bin" / "python")]
    pip += ["--disable-pip-version-check", "--retries", "1", "install", "--quiet"]
    # The files are whole locks. Left to resolve, pip takes a newer pydantic for an extra of it,
    # and then misses that one's hash.
    options = ["--no-deps", "--no-compile", "--only-binary", ":all:", "--require-hashes"]
    _run([*pip, *options, "-r", str(requirements)])
    stamp.write_text(wanted)
    return root


def file_in(root: Path, pattern: str) -> Path:
    """The one file of the environment's packages that *pattern* names.

    Raises:
        UnavailableError: the installed package does not hold it.
    """
    found = next(root.glob(f"lib/python*/site-packages/{pattern}"), None)
    if found is None:
        raise UnavailableError(f"{pattern} is not in {root.name}'s packages")
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError("the installation took too long") from None
    except OSError as error:
        raise UnavailableError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UnavailableError(lines[-1][:200])
