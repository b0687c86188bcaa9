"""Puts an answer on the wire, byte for byte as the script says. I/O: one client's connection.

Answers are framed by hand on the connection's writer, so that they can be cut anywhere; aiohttp
parses the request and keeps the connection. asyncio and uvloop set TCP_NODELAY on what they
accept, so each write leaves at once.
"""

import asyncio
import os
import random
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from proxy.simulator.bill import BillEnding
from proxy.simulator.events import DONE, LINE_ENDS, Event, error_event, frame
from proxy.simulator.script import Script, draw

Headers = list[tuple[str, str]]

_YIELD_EVERY = 16
"""Unpaced events between two looks at whether the client is still there."""


@dataclass(slots=True)
class Tally:
    """What came of one attempt so far; settled on its bill however it ends.

    `ending` None: not ended yet.
    """

    completion_tokens: int = 0
    status: int | None = None
    ending: BillEnding | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """A script's distributions, drawn for one call. `seconds_per_token` 0: all at once."""

    latency_s: float
    first_token_s: float
    seconds_per_token: float

    @staticmethod
    def drawn(script: Script, chance: random.Random) -> "Timing":
        """One sample of each."""
        rate = draw(script.tokens_per_second, chance)
        return Timing(
            latency_s=draw(script.latency_ms, chance) / 1000,
            first_token_s=draw(script.first_token_ms, chance) / 1000,
            seconds_per_token=1 / rate if rate > 0 else 0.0,
        )


class Cut(Exception):  # noqa: N818 - an event of the script, not an error
    """The script drops the connection here."""


class Outlet:
    """One client's connection, for one answer. Bytes go out as they are given."""

    def __init__(self, request: web.BaseRequest, script: Script) -> None:
        self._writer = request.writer
        self._transport = request.transport
        self._script = script
        self._chunked = False
        self.keep_alive = request.keep_alive and not script.connection_close

    async def head(self, status: int, headers: Headers, length: int | None) -> None:
        """Send the head; without a *length* the body is chunked, or ends by closing."""
        script = self._script
        if script.framing == "close":
            self.keep_alive = False
        elif script.framing == "chunked" or length is None:
            self._chunked = True
            headers = [*headers, ("transfer-encoding", "chunked")]
        else:
            headers = [*headers, ("content-length", str(length))]
        if not self.keep_alive:
            headers = [*headers, ("connection", "close")]
        head = _head_bytes(status, _overridden(headers, script.headers))
        if script.slow_headers_ms:
            half = len(head) // 2
            await self._send(head[:half])
            await asyncio.sleep(script.slow_headers_ms / 1000)
            head = head[half:]
        await self._send(head)

    async def body(self, payload: bytes) -> None:
        """Send *payload*, a part of the body, in the pieces that the script asks for."""
        for piece in _pieces(payload, self._script.split):
            if self._chunked:
                await self._send(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                await self._send(piece)
            if self._script.split is not None:
                await asyncio.sleep(0)

    async def end(self) -> None:
        """Complete the body; close the connection where the script or the framing says so."""
        if self._chunked:
            await self._send(b"0\r\n\r\n")
        if self._script.close_idle or not self.keep_alive:
            self.drop()

    def drop(self) -> None:
        """Close the connection after what was written, or reset it."""
        self.keep_alive = False
        if self._transport is None:
            return
        if self._script.cut_with == "reset":
            _linger_zero(self._transport)
            self._transport.abort()
        else:
            self._transport.close()

    async def _send(self, wire: bytes) -> None:
        size = self._script.split_wire
        for piece in _pieces(wire, size):
            await self._writer.write(piece)
            if size is not None:
                await asyncio.sleep(0)


async def send_plain(
    outlet: Outlet, body: bytes, headers: Headers, script: Script, *, sized: bool = True
) -> None:
    """Send *body* as one answer; *sized* ones announce their length.

    Raises:
        Cut: the script leaves out its end.
    """
    body = b"\n" * script.leading_newlines + body
    await outlet.head(200, headers, len(body) if sized else None)
    if script.hang == "body":
        await outlet.body(body[: len(body) // 2])
        await for_ever()
    if script.truncate_bytes:
        await outlet.body(body[: -script.truncate_bytes])
        raise Cut
    if body:
        await outlet.body(body)
    await outlet.end()


async def send_stream(
    outlet: Outlet, events: Iterable[Event], script: Script, timing: Timing, tally: Tally
) -> None:
    """Send *events* behind a head that went out, counting their tokens on *tally*.

    Raises:
        Cut: the script drops the connection.
    """
    await _think(outlet, script, timing.first_token_s)
    tally.completion_tokens += script.reasoning_tokens
    now = asyncio.get_running_loop().time
    due_s = now()
    for index, event in enumerate(events):
        if event.tokens and timing.seconds_per_token:
            due_s += event.tokens * timing.seconds_per_token
            await asyncio.sleep(max(0.0, due_s - now()))
        elif index % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if await _is_last(outlet, index, event, script, tally):
            break
    await outlet.end()


async def _is_last(outlet: Outlet, index: int, event: Event, script: Script, tally: Tally) -> bool:
    """Send one event, or what the script puts in its place; whether the stream ends there."""
    if index == script.cut_at_event:
        raise Cut
    if index == script.stall_at_event:
        await for_ever()
    if index == script.error_event_at or script.error_event_first:
        await outlet.body(frame(error_event(), script.line_end))
        tally.ending = BillEnding.ERROR
        return True
    tally.completion_tokens += event.tokens
    payload = event.payload
    if index == script.malformed_at_event and payload != DONE:
        payload = payload[: len(payload) // 2]
    whole = frame(payload, script.line_end)
    if index == script.cut_mid_event:
        await outlet.body(whole[: len(whole) // 2])
        raise Cut
    await outlet.body(whole)
    return False


async def _think(outlet: Outlet, script: Script, first_token_s: float) -> None:
    """Wait for the first token, with comments meanwhile."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    if script.comments is not None:
        end = LINE_ENDS[script.line_end]
        comment = b": " + script.comments.text.encode() + end + end
        for _ in range(script.comments.count):
            await asyncio.sleep(script.comments.every_ms / 1000)
            await outlet.body(comment)
    left_s = begun_s + first_token_s - loop.time()
    if first_token_s and left_s > 0:
        await asyncio.sleep(left_s)


async def for_ever() -> None:
    """Wait until the client leaves or the simulator stops: both cancel the call."""
    await asyncio.get_running_loop().create_future()


def _head_bytes(status: int, headers: Headers) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Simulated"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def _overridden(headers: Headers, scripted: dict[str, str]) -> Headers:
    taken = {name.lower() for name in scripted}
    return [line for line in headers if line[0] not in taken] + list(scripted.items())


def _pieces(payload: bytes, size: int | str | None) -> Iterator[bytes]:
    step = len(payload) if size is None else 1 if isinstance(size, str) else size
    for start in range(0, len(payload), max(1, step)):
        yield payload[start : start + step]


def _linger_zero(transport: asyncio.Transport) -> None:
    # uvloop's pseudo socket takes no options, hence the duplicate of the descriptor.
    accepted = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(accepted.fileno())) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
