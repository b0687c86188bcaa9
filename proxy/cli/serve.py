"""`pointsman serve`: the gateway itself."""

import os
import shutil
import ssl
import tempfile
from pathlib import Path

from proxy.cli.exits import DEFAULT_CONFIG, FAILED, USAGE, ConfigOption, fail
from proxy.config.load import LoadedConfig, load
from proxy.config.problems import ConfigProblems, ConfigUnreadable
from proxy.server.serve import CannotListen
from proxy.state.connection import StateMisconfiguredError

MULTIPROC = "PROMETHEUS_MULTIPROC_DIR"


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Serve the gateway until SIGTERM or SIGINT; then drain, and exit 0.

    Needs the config's Redis, pepper and credentials. With a problem in the config, an address
    that is taken or a Redis that must not be used as it is set up it says so and does not start.
    """
    loaded = load_or_fail(config)
    if loaded.settings.workers > 1 and MULTIPROC not in os.environ:
        run_with_shared_metrics(loaded)
    else:
        run(loaded)


def run_with_shared_metrics(loaded: LoadedConfig) -> None:
    """Serve *loaded*; its workers count in a directory that is gone when they are."""
    # Read once, when the metrics library is first imported, so it is set before.
    directory = os.environ[MULTIPROC] = tempfile.mkdtemp(prefix="pm-metrics-")
    parent = os.getpid()
    try:
        run(loaded)
    finally:
        if os.getpid() == parent:  # a worker that ends comes by here too
            shutil.rmtree(directory, ignore_errors=True)


def load_or_fail(path: Path) -> LoadedConfig:
    """The config at *path*; ends the command with every problem named if there are any."""
    try:
        return load(path)
    except ConfigUnreadable as problems:
        fail(str(problems), USAGE)
    except ConfigProblems as problems:
        fail(str(problems), FAILED)


def run(loaded: LoadedConfig) -> None:
    """Serve *loaded* until told to stop; ends the command if it cannot begin."""
    # Not imported before the environment is set, see above.
    from proxy.serving import serve as serve_processes

    try:
        serve_processes(loaded)
    except (CannotListen, StateMisconfiguredError, ValueError) as problem:
        fail(str(problem), FAILED)
    except (OSError, ssl.SSLError) as problem:
        fail(f"the TLS files cannot be used: {type(problem).__name__}", FAILED)
