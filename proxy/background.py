"""A stub gateway in a thread, for code that has no event loop or another one. I/O: a thread, and
what the stub does in it.
"""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from proxy.config.load import LoadedConfig
from proxy.domain.record import Record
from proxy.domain.snapshot import Snapshot
from proxy.routing.expected import expected_of
from proxy.routing.explain import explained
from proxy.stub import Stub, key_of, running_stub

STARTS_WITHIN_S: Final = 30.0
SETTLES_WITHIN_S: Final = 10.0


class StubGateway:
    """A running stub, for code that knows nothing of its event loop. `base_url` is what an SDK
    takes.
    """

    def __init__(self, config: LoadedConfig) -> None:
        self._config = config
        self._pool = ThreadPoolExecutor(1, "pointsman stub")
        self._started = threading.Event()
        self._stub: Stub | None = None

    def start(self) -> None:
        """Serve.

        Raises:
            CannotListen, OSError: no socket could be had.
        """
        # The gateway keeps its garbage collector calm, which is not for a test's process.
        thresholds = gc.get_threshold()
        serving = self._pool.submit(asyncio.run, self._serve())
        self._started.wait(STARTS_WITHIN_S)
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        if self._stub is None:
            serving.result(STARTS_WITHIN_S)

    def stop(self) -> None:
        """Stop serving, whole."""
        self._loop.call_soon_threadsafe(self._told.set)
        self._pool.shutdown()

    @property
    def stub(self) -> Stub:
        """What is running, for use by its own event loop."""
        assert self._stub is not None
        return self._stub

    @property
    def base_url(self) -> str:
        """Where OpenAI's API is: with /v1."""
        return f"{self.stub.url}/v1"

    def api_key(self, tenant: str | None = None) -> str:
        """The key of *tenant*; of the only one, where the config has no other.

        Raises:
            LookupError: the config has no such tenant, or several and none was named.
        """
        known = self._config.snapshot.tenants
        if tenant is None and len(known) == 1:
            tenant = next(iter(known))
        if tenant is None or tenant not in known:
            raise LookupError(f"name one of the config's tenants: {', '.join(known)}")
        return key_of(tenant)

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """What was decided since the test began, oldest first: the JSON of `POST /v1/route`, and
        beside it who asked, who answered, the status, the error and how many were tried.
        """
        self._settle()
        return [_told(record, self.stub.snapshot) for record in list(self.stub.records)]

    def script(self, target: str, **fields: Any) -> None:
        """Let *target* behave by *fields* from now on: `error={"status": 500}`; with none, well.

        Raises:
            KeyError: the config has no such target.
            ValueError: *fields* are no script; docs/simulator.md lists what they may be.
        """
        self.stub.script(target, fields)

    def reset(self) -> None:
        """Begin anew: every target answers, nothing was asked."""
        self._settle()
        self.stub.reset()

    def _settle(self) -> None:
        settled = asyncio.run_coroutine_threadsafe(self.stub.settle(), self._loop)
        settled.result(SETTLES_WITHIN_S)

    async def _serve(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with running_stub(self._config) as self._stub:
                self._started.set()
                await self._told.wait()
        finally:
            self._started.set()


def _told(record: Record, snapshot: Snapshot) -> dict[str, Any]:
    decided: dict[str, Any] = {}
    if record.decision is not None and record.facts is not None:
        expected = expected_of(record.decision, record.facts, snapshot)
        decided = explained(record.decision, expected)
    return decided | {
        "tenant": record.tenant_id,
        "answered_by": record.target_id,
        "attempts": [attempt.target_id for attempt in record.attempts],
        "status": record.status,
        "error": record.error_code,
    }
