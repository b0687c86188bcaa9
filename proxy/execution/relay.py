"""Step 7: the answer's bytes, from the upstream to the client. I/O: by port.

The commit point lies behind: nothing here is retried. The upstream pushes; what it pushes goes
through the tap, which reads along and holds back no more than an unfinished event.
"""

from proxy.domain.outcome import Ending
from proxy.errors import GatewayError
from proxy.execution.opening import Opening, Tap
from proxy.ports import Head, Sink
from proxy.wire.sse import DONE_EVENT


class TappedSink:
    """The client's sink as the upstream sees it: what is written passes through the tap.

    It ends the client's body at the stream's own end (`[DONE]`), so that the client need not
    wait for the upstream to close.
    """

    __slots__ = ("_sink", "_tap")

    def __init__(self, sink: Sink, tap: Tap) -> None:
        self._sink = sink
        self._tap = tap

    @property
    def closed(self) -> bool:
        """Whether the stream came to its own end, or broke."""
        return self._sink.closed or self._tap.failed

    @property
    def client_left(self) -> bool:
        """Whether the client went before the end: until then only `[DONE]` ends its body."""
        return self._sink.closed and not self._tap.done

    @property
    def paused(self) -> bool:
        """Whether the client is behind."""
        return self._sink.paused

    def write(self, data: bytes) -> bool:
        """Pass on what of *data* may go now."""
        tap = self._tap
        passed = tap.feed(data)
        goes_on = self._sink.write(passed) if passed else True
        if tap.done:
            self._sink.end()
            return False
        return goes_on and not tap.failed

    def send(self, data: bytes) -> None:
        """Write *data* as it is, if there is any."""
        if data:
            self._sink.write(data)

    async def writable(self) -> bool:
        """Wait for the client."""
        return await self._sink.writable()


async def relay(opening: Opening, sink: Sink, headers: tuple[tuple[str, str], ...]) -> Ending:
    """Send the answer that *opening* began to *sink*, to its end. Never raises but cancellation."""
    sink.start(_head(opening, headers))
    if opening.whole:
        sink.write(opening.prefix)
        sink.end()
        return Ending.COMPLETE
    tapped = TappedSink(sink, opening.tap)
    tapped.send(opening.prefix)
    if opening.tap.done:
        sink.end()  # the reply is relayed all the same: its connection may be worth keeping
    ending = await opening.reply.relay_to(tapped)
    if ending is Ending.COMPLETE:
        ending = _finish(opening.tap, tapped, stream=opening.stream)
    if ending is Ending.COMPLETE:
        sink.end()
    else:
        sink.break_off(GatewayError("provider_interrupted", kind=ending.value))
    return ending


def _head(opening: Opening, headers: tuple[tuple[str, str], ...]) -> Head:
    return Head(
        status=200,
        content_type="text/event-stream; charset=utf-8" if opening.stream else "application/json",
        content_length=opening.content_length,
        stream=opening.stream,
        headers=headers,
    )


def _finish(tap: Tap, tapped: TappedSink, *, stream: bool) -> Ending:
    """The upstream ended cleanly, or was left: was that the answer's own end?"""
    if tap.failed:
        return Ending.UPSTREAM_ERROR
    if tapped.client_left:
        # In full flow this is seen before the cancellation comes; the target is not to blame.
        return Ending.CLIENT_GONE
    tapped.send(tap.finish())
    if tap.failed:
        return Ending.UPSTREAM_ERROR
    if not tap.complete:
        return Ending.UPSTREAM_CUT
    if stream and not tap.done:
        tapped.send(DONE_EVENT)  # some servers end without it; clients count on it
    return Ending.COMPLETE
