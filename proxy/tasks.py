"""The one place that starts background tasks, so that none is lost. Leaf, I/O: event loop.

Everything else runs inside its request's own task or a TaskGroup.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Supervisor:
    """Owns background tasks: holds a reference to each, reports failures, ends them together."""

    def __init__(self, on_failure: Callable[[str, BaseException], None]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run *work* until it ends or `stop` is called; a failure is reported, never raised."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(task.get_name(), error)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Wait *grace_s* seconds for the tasks to end, then cancel the rest and wait for them."""
        tasks = set(self._tasks)
        if tasks and grace_s > 0:
            _, tasks = await asyncio.wait(tasks, timeout=grace_s)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
