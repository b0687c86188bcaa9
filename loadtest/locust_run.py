"""Run the locust users against a gateway on this machine: what `make load` calls.

I/O: runs locust as a child, without its web page, for a bounded time. Refuses any host that is
not loopback: a load test that can be pointed elsewhere will be, some day.

    make load ARGS="--keys .pointsman/demo-key --users 20 --seconds 20"
"""

import argparse
import ipaddress
import os
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_FILE: Final = Path(__file__).with_name("locustfile.py")
_GRACE_S: Final = 60
"""How long after its time locust may take to let open answers finish and to sum up."""


def main(arguments: list[str] | None = None) -> int:
    """Run the load; returns locust's exit code: 1 when any request failed."""
    options = _options(arguments)
    command = [sys.executable, "-m", "locust", "-f", str(_FILE), "--headless", "--only-summary"]
    command += ["--host", options.host, "--users", str(options.users)]
    command += ["--spawn-rate", str(options.users), "--run-time", f"{options.seconds}s"]
    command += ["--stop-timeout", "30", "--exit-code-on-error", "1", "--loglevel", "WARNING"]
    environment = {
        **os.environ,
        "LOADTEST_KEYS": options.keys.read_text(),
        "LOADTEST_MODEL": options.model,
    }
    try:
        limit_s = options.seconds + _GRACE_S
        return subprocess.run(command, env=environment, timeout=limit_s, check=False).returncode
    except subprocess.TimeoutExpired:
        print("load: locust did not end in time and was stopped", file=sys.stderr)
        return 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtest.locust_run", description=__doc__)
    parser.add_argument("--host", type=loopback_url, default="http://127.0.0.1:8080")
    parser.add_argument(
        "--keys",
        type=Path,
        default=Path(".pointsman/demo-key"),
        help="a file of API keys, one a line; several tenants' keys make a mix",
    )
    parser.add_argument("--model", default="auto", help="the route to ask for")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args(arguments)
    if not options.keys.is_file():
        parser.error(f"no key file {options.keys}; start `make run` first, or name one with --keys")
    return options


def loopback_url(text: str) -> str:
    """*text* if it is a URL to this machine.

    Raises:
        ArgumentTypeError: it is none, or leads elsewhere.
    """
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not _is_loopback(parts.hostname or ""):
        raise argparse.ArgumentTypeError(f"{text} is not an http(s) URL on loopback")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
