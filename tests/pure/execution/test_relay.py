"""From the commit point to the end: what the client gets, and what it is told of a broken end."""

import pytest

from proxy.domain.outcome import Ending
from proxy.execution.opening import Opening, PlainTap
from proxy.execution.relay import relay
from proxy.ports import Head
from proxy.wire.plain import read_plain
from proxy.wire.sse import StreamTap
from tests.builders import a_call, a_request
from tests.fakes import FakeReply, FakeSink

EVENT = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"no"}}\n\n'
TOLD = (("x-pointsman-route", "auto"),)


def a_stream(*pieces: bytes, first: bytes = EVENT, ending: Ending = Ending.COMPLETE) -> Opening:
    """A stream that began with *first*; *pieces* are still to come."""
    call = a_call(a_request(stream=True))
    tap = StreamTap(strip_usage=True)
    reply = FakeReply(*pieces, ending=ending)
    return Opening(call, reply, tap, tap.feed(first), whole=False, stream=True)


def a_plain_answer(*pieces: bytes, ending: Ending = Ending.COMPLETE) -> Opening:
    """A large plain answer that began."""
    tap = PlainTap()
    reply = FakeReply(*pieces, content_type="application/json", content_length=99, ending=ending)
    return Opening(a_call(), reply, tap, tap.feed(b'{"a":"'), whole=False, stream=False)


async def relayed(opening: Opening, sink: FakeSink | None = None) -> tuple[Ending, FakeSink]:
    """How *opening* ended, and what its client got."""
    sink = sink or FakeSink()
    return await relay(opening, sink, TOLD), sink


async def test_stream_goes_through_to_its_end() -> None:
    """Every event as it came, less the usage that we asked for; then the body is complete."""
    ending, sink = await relayed(a_stream(EVENT, LAST, USAGE, DONE))

    assert ending is Ending.COMPLETE
    assert sink.written == EVENT + EVENT + LAST + DONE
    assert sink.is_ended
    assert sink.head == Head(200, "text/event-stream; charset=utf-8", None, True, TOLD)


async def test_body_ends_with_done_not_with_the_connection() -> None:
    """What the upstream sends after [DONE] is not waited for by the client."""
    opening = a_stream(LAST + DONE, EVENT)

    ending, sink = await relayed(opening)

    assert (ending, sink.is_ended) == (Ending.COMPLETE, True)
    assert sink.written == EVENT + LAST + DONE
    assert isinstance(opening.reply, FakeReply)
    assert opening.reply.pieces_left == 1


async def test_stream_that_was_whole_at_once_ends_at_once() -> None:
    """All of it was in the first read."""
    ending, sink = await relayed(a_stream(first=EVENT + LAST + DONE))

    assert (ending, sink.is_ended) == (Ending.COMPLETE, True)
    assert sink.written == EVENT + LAST + DONE


async def test_missing_done_is_added_to_a_finished_stream() -> None:
    """A clean end behind a finish reason is an end; clients count on [DONE]."""
    ending, sink = await relayed(a_stream(LAST))

    assert ending is Ending.COMPLETE
    assert sink.written == EVENT + LAST + DONE
    assert sink.is_ended


async def test_last_event_without_its_blank_line_is_completed() -> None:
    """It goes out whole, and the stream ends well."""
    ending, sink = await relayed(a_stream(LAST[:-1]))

    assert ending is Ending.COMPLETE
    assert sink.written == EVENT + LAST + DONE


async def test_clean_end_without_a_finish_is_a_cut() -> None:
    """A body that ends well in the middle of an answer is an answer that broke."""
    ending, sink = await relayed(a_stream(EVENT))

    assert ending is Ending.UPSTREAM_CUT
    assert sink.broken_by is not None
    assert sink.broken_by.code == "provider_interrupted"
    assert "(upstream_cut)" in sink.broken_by.message
    assert not sink.is_ended


async def test_error_event_breaks_the_answer() -> None:
    """The provider's own event is replaced by ours; nothing behind it is sent."""
    ending, sink = await relayed(a_stream(ERROR + EVENT, EVENT))

    assert ending is Ending.UPSTREAM_ERROR
    assert sink.written == EVENT
    assert sink.broken_by is not None


async def test_error_as_an_unfinished_last_event_breaks_the_answer() -> None:
    """It is read at the clean end of the body like any other."""
    ending, sink = await relayed(a_stream(ERROR[:-2]))

    assert ending is Ending.UPSTREAM_ERROR
    assert sink.broken_by is not None


@pytest.mark.parametrize("ending", [Ending.UPSTREAM_CUT, Ending.UPSTREAM_STALLED, Ending.DEADLINE])
async def test_broken_upstream_is_told_in_the_stream(ending: Ending) -> None:
    """What was left unfinished is ended first, so that the error is an event of its own."""
    told, sink = await relayed(a_stream(EVENT[:10], ending=ending))

    assert told is ending
    assert sink.written == EVENT
    assert sink.broken_by is not None
    assert f"({ending})" in sink.broken_by.message
    assert not sink.is_ended


async def test_client_that_reads_nothing_is_given_up() -> None:
    """It gets no more bytes; the connection is broken off."""
    sink = FakeSink()
    sink.paused, sink.reads_on = True, False

    ending, _ = await relayed(a_stream(EVENT, LAST), sink)

    assert ending is Ending.CLIENT_STALLED
    assert sink.broken_by is not None
    assert sink.written == EVENT + EVENT


async def test_client_that_reads_on_gets_the_rest() -> None:
    """A pause is no end."""
    sink = FakeSink()
    sink.paused = True

    ending, _ = await relayed(a_stream(LAST, DONE), sink)

    assert (ending, sink.written) == (Ending.COMPLETE, EVENT + LAST + DONE)


async def test_client_that_left_is_not_the_upstreams_fault() -> None:
    """The upstream stops as soon as nobody listens; that is no cut of its own."""
    sink = FakeSink()
    sink.leaves_after_writes = 2
    opening = a_stream(EVENT, EVENT, EVENT, LAST, DONE)

    ending, _ = await relayed(opening, sink)

    assert ending is Ending.CLIENT_GONE
    assert isinstance(opening.reply, FakeReply)
    assert opening.reply.pieces_left == 4


async def test_plain_answer_is_sent_whole() -> None:
    """With its length, without a trip to the upstream."""
    body = b'{"choices":[]}'
    tap = PlainTap(read_plain(body))
    opening = Opening(a_call(), FakeReply(b"never"), tap, tap.feed(body), whole=True, stream=False)

    ending, sink = await relayed(opening)

    assert (ending, sink.written, sink.is_ended) == (Ending.COMPLETE, body, True)
    assert sink.head == Head(200, "application/json", len(body), False, TOLD)


async def test_large_plain_answer_flows() -> None:
    """With the length that the upstream announced; no [DONE] is added to it."""
    ending, sink = await relayed(a_plain_answer(b"xxx", b'"}'))

    assert (ending, sink.written, sink.is_ended) == (Ending.COMPLETE, b'{"a":"xxx"}', True)
    assert sink.head == Head(200, "application/json", 99, False, TOLD)


async def test_cut_plain_answer_is_broken_off_without_a_word() -> None:
    """Nothing is added to a body whose length was promised."""
    ending, sink = await relayed(a_plain_answer(b"xxx", ending=Ending.UPSTREAM_CUT))

    assert ending is Ending.UPSTREAM_CUT
    assert sink.written == b'{"a":"xxx'
    assert sink.broken_by is not None
    assert not sink.is_ended
