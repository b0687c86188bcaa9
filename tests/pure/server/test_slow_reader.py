"""A client that reads slowly but reads: it is waited for, time and again."""

import asyncio
from typing import cast

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol

from proxy.assembly import SystemClock
from proxy.server.sink import ClientSink


class Buffer(asyncio.Transport):
    """A transport whose buffer holds what the test says; each look finds less, until it sticks."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self._sizes = sizes
        self.looks = 0

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        return self._sizes.pop(0) if len(self._sizes) > 1 else self._sizes[0]

    def is_closing(self) -> bool:
        return False


class Asked:
    """As much of a request as a sink looks at."""

    version = (1, 1)
    keep_alive = True
    method = "POST"

    def __init__(self, transport: Buffer) -> None:
        self.protocol = BaseProtocol(asyncio.get_running_loop())
        self.protocol.transport = transport
        self.protocol.pause_writing()


async def test_reader_that_makes_progress_is_waited_for_again() -> None:
    """Each stall deadline in which bytes left opens another; one without any ends the wait."""
    transport = Buffer([100, 80, 80, 50, 50, 50])
    sink = ClientSink(cast(web.BaseRequest, Asked(transport)), "req_1", SystemClock(), 0.001)

    assert await sink.writable() is False
    assert transport.looks == 6


async def test_reader_that_catches_up_goes_on() -> None:
    """Once the buffer has drained, writing goes on, also after a deadline that passed meanwhile."""
    transport = Buffer([100, 80, 80, 60, 60, 40, 40, 20, 20, 10])
    asked = Asked(transport)
    sink = ClientSink(cast(web.BaseRequest, asked), "req_1", SystemClock(), 0.001)
    waiting = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        waiting.set_result(await sink.writable())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wait())
        while transport.looks < 3:
            await asyncio.sleep(0)
        asked.protocol.resume_writing()

    assert waiting.result() is True
