"""Runs the Node SDK's cases (tests/sdk/node) before a gateway. I/O: npm once, then one process."""

import asyncio
import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from proxy.state.connection import Connection
from proxy.state.store import KeyStore
from proxy.state.tokens import make_token
from proxy.units import UnixMs
from tests.gateway import NAMES, PEPPER, GatewayUnderTest, running_gateway
from tests.ruled import CONFIG, KEY
from tests.sdk.broken import BROKEN, UNREADABLE
from tests.sdk.routes import ROUTES

HERE = Path(__file__).parent / "node"
INSTALL_WITHIN_S = 90
RUN_WITHIN_S = 60


def install() -> str | None:
    """Make the pinned SDK present; why it cannot be, if it cannot.

    Several test processes may ask at once: the lock file's own lock lets one of them work.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node.js (node and npm) is not installed"
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed() == _packages(lock.read()):
            return None
        return _npm_ci()


def _npm_ci() -> str | None:
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund")
    without_long_waits = ("--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
    command = ["npm", "ci", *quietly, *without_long_waits]
    try:
        subprocess.run(command, cwd=HERE, check=True, capture_output=True, timeout=INSTALL_WITHIN_S)
    except subprocess.TimeoutExpired:
        return f"npm ci did not end within {INSTALL_WITHIN_S} s; is the registry in reach?"
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").splitlines()
        reason = next((line for line in lines if line.startswith("npm error")), "no reason given")
        return f"npm ci failed ({reason}); is the registry in reach?"
    return None


def _installed() -> dict[str, str] | None:
    """What npm put down, by its own note, which it writes last; None for nothing."""
    try:
        return _packages((HERE / "node_modules" / ".package-lock.json").read_text())
    except FileNotFoundError:
        return None


def _packages(lock: str) -> dict[str, str]:
    packages = json.loads(lock)["packages"]
    return {path: package["version"] for path, package in packages.items() if path}


async def run_cases(redis_url: str) -> dict[str, Any]:
    """What came of each case, by its name in tests/sdk/node."""
    async with (
        running_gateway(redis_url, config_text=ROUTES) as plain,
        running_gateway(redis_url, config_text=CONFIG) as ruled,
    ):
        broken = {**BROKEN, **UNREADABLE}
        settings = {
            "plain": _at(plain) | {"keys": await _keys(plain, redis_url), "broken": broken},
            "ruled": _at(ruled) | {"keys": {"good": ruled.token}, "secret": KEY},
        }
        return await _run(json.dumps(settings).encode())


def _at(gateway: GatewayUnderTest) -> dict[str, Any]:
    return {
        "base_url": f"{gateway.url}/v1",
        "providers": [gateway.simulator.urls[name] for name in NAMES],
    }


async def _keys(gateway: GatewayUnderTest, redis_url: str) -> dict[str, str]:
    revoked, record = await gateway.store.create("acme", "to be revoked")
    await gateway.store.revoke(record.id)
    connection = Connection(redis_url)
    long_ago = KeyStore(connection, PEPPER, lambda: UnixMs(1))
    expired, _ = await long_ago.create("acme", "of old", expires_ms=UnixMs(2))
    await connection.close()
    return {
        "good": gateway.token,
        "revoked": revoked,
        "expired": expired,
        "unknown": make_token()[1],
    }


async def _run(settings: bytes) -> dict[str, Any]:
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec(
        "node", "run.mjs", cwd=HERE, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(RUN_WITHIN_S):
            out, trouble = await node.communicate(settings)
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    assert node.returncode == 0, trouble.decode(errors="replace")
    told: dict[str, Any] = json.loads(out)
    return told
