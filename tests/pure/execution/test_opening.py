"""Up to the commit point: which bytes begin an answer, and which only look like it."""

import asyncio
from contextlib import suppress

import pytest

from proxy.deadlines import Deadlines, Watch
from proxy.domain.outcome import Failure, FailureKind
from proxy.domain.usage import Usage
from proxy.execution.opening import (
    COMMENT_HOLD_BYTES,
    COMMENT_HOLD_S,
    PLAIN_BUFFER_BYTES,
    Opening,
    PlainTap,
    open_answer,
)
from proxy.units import LoopSeconds
from tests.builders import a_call, a_request, an_embedding
from tests.fakes import FakeReply, LoopTime, Piece, silence

EVENT = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"no"}}\n\n'
COMMENT = b": thinking\n\n"
GOOD = b'{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'


async def opened(*pieces: Piece, **reply: str) -> tuple[Opening | Failure, FakeReply]:
    """What comes of a stream of *pieces*."""
    fake = FakeReply(*pieces, **reply)
    return await open_answer(fake, a_call(a_request(stream=True)), a_watch()), fake


def a_watch() -> Watch:
    """A deadline that is far away."""
    return Deadlines().until(LoopSeconds(asyncio.get_running_loop().time() + 60))


async def opened_plain(*pieces: Piece, **reply: str) -> tuple[Opening | Failure, FakeReply]:
    """What comes of a plain answer of *pieces*."""
    fake = FakeReply(*pieces, **{"content_type": "application/json", **reply})
    return await open_answer(fake, a_call(), a_watch()), fake


async def began(*pieces: Piece) -> Opening:
    """The opening of a stream of *pieces*, which must begin."""
    result, fake = await opened(*pieces)
    assert isinstance(result, Opening)
    assert fake.closed_times == 0
    return result


@pytest.mark.parametrize("split", range(1, len(EVENT)))
async def test_stream_begins_with_its_first_whole_event(split: int) -> None:
    """Half an event is waited for, wherever it was cut; nothing behind it is."""
    opening = await began(EVENT[:split], EVENT[split:], LAST)

    assert (opening.prefix, opening.whole, opening.stream) == (EVENT, False, True)
    assert opening.content_length is None
    assert opening.reply.pieces_left == 1  # type: ignore[attr-defined]  # a FakeReply


async def test_comments_go_with_the_first_event() -> None:
    """They are held until an event comes, and then sent before it."""
    assert (await began(COMMENT, COMMENT, EVENT)).prefix == COMMENT + COMMENT + EVENT


async def test_comments_are_held_for_a_while_only() -> None:
    """After the hold a comment is enough to begin with, so that the client sees life."""
    time = LoopTime()
    opening = await began(COMMENT, lambda: time.skip(COMMENT_HOLD_S + 1))

    assert opening.prefix == COMMENT


async def test_first_bytes_after_the_hold_begin_the_answer() -> None:
    """Silence past the hold is no failure yet; whatever comes next begins the answer."""
    time = LoopTime()
    result, _ = await opened(lambda: time.skip(COMMENT_HOLD_S + 1), COMMENT, EVENT)

    assert isinstance(result, Opening)
    assert result.prefix.startswith(COMMENT)


async def test_failure_after_the_hold_is_still_a_failure() -> None:
    """Nothing was sent yet, so another target may be tried."""
    time = LoopTime()
    fake = FakeReply(lambda: time.skip(COMMENT_HOLD_S + 1))
    call = a_call(a_request(stream=True))
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(open_answer(fake, call, a_watch()))
        while fake.silences < 2:
            await asyncio.sleep(0)
        fake.bring(FailureKind.DISCONNECTED)

    assert opening.result() == Failure("first/m", FailureKind.DISCONNECTED, status=200)


async def test_flood_of_comments_is_not_held() -> None:
    """More than the bound of them begins the answer, so that no memory is filled."""
    flood = COMMENT * (COMMENT_HOLD_BYTES // len(COMMENT) + 1)
    opening = await began(flood, silence)

    assert opening.prefix == flood


STREAM_FAILURES: dict[str, tuple[list[Piece], FailureKind]] = {
    "nothing": ([], FailureKind.EMPTY_REPLY),
    "white space": ([b"\n\n\n"], FailureKind.EMPTY_REPLY),
    "comments only": ([COMMENT], FailureKind.EMPTY_REPLY),
    "[DONE] only": ([DONE], FailureKind.EMPTY_REPLY),
    "our usage event only": ([USAGE, DONE], FailureKind.EMPTY_REPLY),
    "half an event": ([EVENT[:-10]], FailureKind.EMPTY_REPLY),
    "an event without an end, unfinished": ([EVENT[:-2]], FailureKind.EMPTY_REPLY),
    "error event": ([ERROR], FailureKind.ERROR_EVENT),
    "error event behind a comment": ([COMMENT, ERROR], FailureKind.ERROR_EVENT),
    "named error event": ([b"event: error\ndata: {}\n\n"], FailureKind.ERROR_EVENT),
    "not JSON": ([b"data: oops\n\n"], FailureKind.ERROR_EVENT),
    "cut at once": ([FailureKind.DISCONNECTED], FailureKind.DISCONNECTED),
    "cut within an event": ([EVENT[:9], FailureKind.DISCONNECTED], FailureKind.DISCONNECTED),
    "bad framing": ([COMMENT, FailureKind.BAD_REPLY], FailureKind.BAD_REPLY),
}


@pytest.mark.parametrize("case", STREAM_FAILURES)
async def test_stream_that_does_not_begin_is_a_failure(case: str) -> None:
    """It is closed, and says that its status was a success."""
    pieces, kind = STREAM_FAILURES[case]
    result, fake = await opened(*pieces)

    assert result == Failure("first/m", kind, status=200)
    assert fake.closed_times == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "", "text/plain"])
async def test_stream_of_another_type_is_a_bad_reply(content_type: str) -> None:
    """A client that asked for a stream gets a stream or nothing."""
    result, fake = await opened(EVENT, content_type=content_type)

    assert result == Failure("first/m", FailureKind.BAD_REPLY, status=200)
    assert fake.pieces_left == 1


async def test_whole_stream_at_once_begins_with_all_of_it() -> None:
    """Usage that we asked for is read and taken out of what goes to the client."""
    opening = await began(EVENT + LAST + USAGE + DONE)

    assert opening.prefix == EVENT + LAST + DONE
    assert opening.tap.usage == Usage(3, 2)
    assert opening.tap.done


async def test_last_event_without_its_end_still_begins() -> None:
    """A whole answer that forgets its last line feeds is an answer."""
    opening = await began(LAST.rstrip(b"\n"))

    assert opening.prefix == LAST


async def test_plain_answer_is_whole_before_it_begins() -> None:
    """Its pieces are put together; usage and finish reason are read from it."""
    result, fake = await opened_plain(b" \n", GOOD[:20], GOOD[20:])

    assert isinstance(result, Opening)
    assert (result.prefix, result.whole, result.stream) == (b" \n" + GOOD, True, False)
    assert result.content_length == len(GOOD) + 2
    assert (result.tap.usage, result.tap.finish_reason) == (Usage(3, 2), "stop")
    assert result.tap.complete
    assert fake.closed_times == 0


PLAIN_FAILURES: dict[str, tuple[list[Piece], FailureKind]] = {
    "nothing": ([], FailureKind.EMPTY_REPLY),
    "white space": ([b" \r\n"], FailureKind.EMPTY_REPLY),
    "not JSON": ([b"<html>"], FailureKind.BAD_REPLY),
    "half of it": ([GOOD[:-1]], FailureKind.BAD_REPLY),
    "a list": ([b"[]"], FailureKind.BAD_REPLY),
    "an error": ([b'{"error":{"message":"no"}}'], FailureKind.ERROR_EVENT),
    "an error in a list": ([b'[{"error":{"code":500}}]'], FailureKind.ERROR_EVENT),
    "cut": ([GOOD[:9], FailureKind.DISCONNECTED], FailureKind.DISCONNECTED),
}


@pytest.mark.parametrize("case", PLAIN_FAILURES)
async def test_plain_answer_that_is_none_is_a_failure(case: str) -> None:
    """Nothing of it was sent, so another target may be tried; it is closed."""
    pieces, kind = PLAIN_FAILURES[case]
    result, fake = await opened_plain(*pieces)

    assert result == Failure("first/m", kind, status=200)
    assert fake.closed_times == 1


async def test_plain_answer_of_another_type_is_a_bad_reply() -> None:
    """An HTML page with status 200 is no answer."""
    result, _ = await opened_plain(b"{}", content_type="text/html")

    assert result == Failure("first/m", FailureKind.BAD_REPLY, status=200)


async def test_large_plain_answer_begins_before_its_end() -> None:
    """What exceeds the buffer flows; its length is what the upstream announced."""
    result, fake = await opened_plain(b"{" + b" " * PLAIN_BUFFER_BYTES, b"}")

    assert isinstance(result, Opening)
    assert (result.whole, len(result.prefix)) == (False, PLAIN_BUFFER_BYTES + 1)
    assert fake.pieces_left == 1
    fake.content_length = 77
    assert result.content_length == 77


async def test_interrupted_opening_closes_its_reply() -> None:
    """A client that leaves before its answer takes the reply with it."""
    fake = FakeReply(silence)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(open_answer(fake, a_call(a_request(stream=True)), a_watch()))
        while not fake.silences:
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert fake.closed_times == 1


def test_tail_of_a_flowing_answer_tells_its_usage() -> None:
    """Usage stands at the end of a body; the last bytes are kept for it, and no more."""
    tap = PlainTap()
    body = b'{"x":"' + b"x" * 300_000 + b'","usage":{"prompt_tokens":7,"completion_tokens":9}}'
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        assert tap.feed(piece) == piece

    assert tap.usage is None
    assert tap.finish() == b""
    assert tap.usage == Usage(7, 9)
    assert tap.completion_tokens_seen == len(body) // 4
    assert len(tap._tail) <= 4096


def test_usage_that_was_read_is_not_looked_for_again() -> None:
    """What a whole body said stands."""
    tap = PlainTap()
    tap.usage = Usage(1, 1)
    tap.feed(b'{"usage":{"prompt_tokens":7,"completion_tokens":9}}')
    tap.finish()

    assert tap.usage == Usage(1, 1)


async def test_embeddings_are_plain_answers() -> None:
    """An embeddings request never streams."""
    fake = FakeReply(b'{"data":[]}', content_type="application/json")
    result = await open_answer(fake, a_call(an_embedding()), a_watch())

    assert isinstance(result, Opening)
    assert result.whole
