"""Where a program is measured: which upstream, cores, folder and Pythons. I/O: config files, and
the upstream as a child.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadtest.answers import CHUNK_GAP_MS
from loadtest.certificates import Certificates, make_certificates
from loadtest.configs import Config
from loadtest.environments import Pythons
from loadtest.launch import free_port, running, wait_until_ready
from loadtest.measure import Cores
from loadtest.target import Target

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Grounds:
    """What all programs of a run share: cores, a folder for files (a short path: Redis listens on
    a unix socket in it), and the Pythons that measured programs run on.
    """

    cores: Cores
    folder: Path
    pythons: Pythons

    def log(self, name: str) -> Path:
        """Where the program *name* writes what it has to say."""
        return self.folder / f"{name.replace(' ', '-')}.log"

    def write(self, name: str, config: Config) -> Path:
        """Keep *config* as a file; returns its path."""
        path = self.folder / f"{name.replace(' ', '-')}.json"
        path.write_text(json.dumps(config, indent=1))
        return path


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a row is started: on which grounds, in front of which upstream. `certificates`: whom
    to trust where the upstream speaks TLS.
    """

    grounds: Grounds
    upstream: Target
    certificates: Certificates | None = None

    @property
    def suffix(self) -> str:
        """What the names of programs end in here."""
        return "" if self.certificates is None else " tls"

    @property
    def ca(self) -> Path | None:
        """Whom to trust upstream."""
        return None if self.certificates is None else self.certificates.ca


Starter = Callable[[Stage], AbstractContextManager[Target]]


@contextmanager
def a_stage(grounds: Grounds, *, tls: bool = False, gap_ms: int = CHUNK_GAP_MS) -> Iterator[Stage]:
    """The scripted upstream, on the load's core, while the block runs.

    Raises:
        LaunchError: it did not come up.
    """
    port, log = free_port(), grounds.log("upstream")
    command = [sys.executable, "-m", "loadtest.upstream", str(port), "--gap-ms", str(gap_ms)]
    certificates = make_certificates(grounds.folder) if tls else None
    if certificates is not None:
        command += ["--tls", str(certificates.chain), str(certificates.key)]
    context = None if certificates is None else certificates.trust()
    with running(command, cores=[grounds.cores.load], cwd=ROOT, log=log) as child:
        wait_until_ready(child, port, "/v1/models", log=log, tls=context)
        target = Target("direct", port, "none", "bench-model", child.pid, tls=context)
        stage = Stage(grounds, target, certificates)
        yield replace(stage, upstream=replace(target, name=f"direct{stage.suffix}"))
