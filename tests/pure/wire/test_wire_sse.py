"""The stream tap: bytes pass untouched, one event may be taken out, little is held."""

import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.usage import Usage
from proxy.wire.sse import DONE_EVENT, MALFORMED, MAX_HELD_BYTES, StreamTap
from tests.pure.wire.recorded import (
    DONE,
    ERROR,
    NO_DONE,
    OPENAI,
    OPENAI_USAGE,
    OPENROUTER_ERROR,
    STREAMS,
    Recorded,
    chunk,
)

by_name = pytest.mark.parametrize("recorded", STREAMS, ids=lambda recorded: recorded.name)


def run(pieces: Iterable[bytes], *, strip_usage: bool = True) -> tuple[StreamTap, bytes]:
    """A tap that was fed *pieces* and finished, and all that it let through."""
    tap = StreamTap(strip_usage)
    out = b"".join([tap.feed(piece) for piece in pieces])
    return tap, out + tap.finish()


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """*data* in pieces, cut at *cuts* (modulo its length)."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def check(recorded: Recorded, pieces: list[bytes]) -> None:
    """Assert that *pieces* of a recorded stream give what they should."""
    tap, out = run(pieces)
    assert out == recorded.stripped
    assert (tap.usage, tap.finish_reason, tap.done) == (
        recorded.usage,
        recorded.finish_reason,
        recorded.done,
    )
    assert tap.complete
    assert not any([tap.failed, tap.mended, tap.incomplete])


@by_name
def test_stream_is_the_same_for_every_split_point(recorded: Recorded) -> None:
    """Wherever the network cuts a stream in two, the client gets the same bytes."""
    for at in range(len(recorded.sent) + 1):
        check(recorded, [recorded.sent[:at], recorded.sent[at:]])


@by_name
def test_stream_is_the_same_byte_by_byte(recorded: Recorded) -> None:
    """One-byte chunks lose nothing and add nothing."""
    check(recorded, [bytes([byte]) for byte in recorded.sent])


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 10_000), max_size=12))
def test_stream_is_the_same_for_any_splits(recorded: Recorded, cuts: list[int]) -> None:
    """Any number of cuts anywhere gives the same bytes and findings."""
    check(recorded, cut(recorded.sent, cuts))


@by_name
def test_stream_is_untouched_without_stripping(recorded: Recorded) -> None:
    """A client that asked for usage gets the usage event too."""
    _, out = run([recorded.sent], strip_usage=False)
    assert out == recorded.sent


def test_common_chunk_is_returned_itself() -> None:
    """The common chunk is neither copied nor parsed."""
    tap = StreamTap(True)
    event = chunk('{"content":"a"}', extra=',"usage":null')
    tap.feed(event)
    assert tap.feed(event) is event
    assert tap.events == 2


def test_events_are_released_whole_and_at_once() -> None:
    """What is whole goes at once; a half event waits for its end."""
    tap = StreamTap(True)
    first, second = chunk('{"content":"a"}'), chunk('{"content":"b"}')
    assert tap.feed(first + second[:20]) == first
    assert tap.feed(second[20:40]) == b""
    assert tap.feed(second[40:]) == second


def test_first_event_counts_only_when_whole() -> None:
    """The commit point is the first complete data event, whatever precedes it."""
    tap = StreamTap(True)
    event = chunk('{"content":"a"}')
    for piece in (b": ping\n\n", b"id: 1\n\n", b"event: ping\ndata: {}\n\n", event[:-1]):
        tap.feed(piece)
        assert tap.events == 0
    tap.feed(event[-1:])
    assert tap.events == 1


def test_done_counts_as_no_event() -> None:
    """A stream of [DONE] alone carried no answer."""
    tap, out = run([DONE])
    assert (tap.events, tap.done, out) == (0, True, DONE)


def test_bytes_after_done_are_dropped() -> None:
    """Nothing follows [DONE]."""
    tap, out = run([OPENAI.sent + chunk('{"content":"late"}'), b"more", b"\n\n"])
    assert out == OPENAI.stripped
    assert tap.done


@pytest.mark.parametrize("event", [ERROR, OPENROUTER_ERROR, b'event: error\ndata: "no"\n\n'])
@pytest.mark.parametrize("before", [b"", chunk('{"content":"a"}'), b": ping\n\n"])
def test_error_event_and_all_after_it_is_dropped(event: bytes, before: bytes) -> None:
    """An error event is the gateway's business: the client gets what came before it, no more."""
    sent = before + event + chunk('{"content":"b"}') + DONE
    for at in range(len(sent) + 1):
        tap, out = run([sent[:at], sent[at:]])
        assert out == before
        assert tap.failed
        assert not tap.complete
        assert not tap.done


def test_error_code_and_status_are_told_and_no_text() -> None:
    """Of an upstream's error only numbers and short words are kept."""
    tap, _ = run([ERROR])
    assert (tap.error_code, tap.error_status) == ("502", 502)
    tap, _ = run([OPENROUTER_ERROR])
    assert (tap.error_code, tap.error_status) == ("server_error", None)
    tap, _ = run([b'data: {"error":{"message":"m","code":"a secret sentence"}}\n\n'])
    assert tap.error_code is None


def test_null_or_empty_error_is_none() -> None:
    """`"error": null` on a chunk is no error."""
    sent = chunk('{"content":"a"}', extra=',"error":null') * 2
    sent += chunk('{"content":"a"}', extra=',"error" : null') + chunk("{}", '"stop"') + DONE
    tap, out = run([sent])
    assert out == sent
    assert not tap.failed


def test_first_event_that_is_not_json_fails() -> None:
    """An upstream whose first event is no JSON has not answered."""
    tap, out = run([b"data: Internal Server Error\n\n"])
    assert (tap.failed, tap.error_code, tap.events, out) == (True, MALFORMED, 0, b"")


@given(st.text(), st.sampled_from(['"usage"', "[DONE]", '"error"', '"finish_reason": "x"', "{"]))
def test_words_inside_text_are_never_taken_for_the_real_thing(text: str, word: str) -> None:
    """Content that quotes our markers passes like any other."""
    content = json.dumps({"content": f"{text}{word}:{text}"}, ensure_ascii=False)
    sent = chunk('{"content":"a"}') + chunk(content) * 2
    tap, out = run([sent])
    assert out == sent
    assert (tap.usage, tap.finish_reason, tap.done, tap.failed) == (None, None, False, False)


def test_usage_on_a_chunk_with_choices_is_read_and_stays() -> None:
    """Only a usage event without choices is ours to take out."""
    usage = ',"usage":{"prompt_tokens":3,"completion_tokens":1}'
    sent = chunk('{"content":"a"}', extra=usage) + chunk("{}", '"stop"', usage) + DONE
    tap, out = run([sent])
    assert out == sent
    assert tap.usage == Usage(3, 1)


def test_stripped_event_does_not_count() -> None:
    """An answer that was nothing but our usage event is empty."""
    tap, out = run([OPENAI_USAGE + DONE])
    assert (tap.events, out) == (0, DONE)


def test_endless_line_flows_and_stays_bounded() -> None:
    """An event without an end is held up to 16 KiB, then passes through."""
    tap = StreamTap(True)
    sent = passed = 0
    piece = b'data: {"choices":[{"delta":{"content":"' + b"x" * 65_536
    for _ in range(160):
        sent += len(piece)
        passed += len(tap.feed(piece))
        assert sent - passed <= MAX_HELD_BYTES
        assert len(tap._held) + len(tap._tail) <= MAX_HELD_BYTES
    assert sent > 10_000_000
    assert tap.events == 1
    assert tap.finish() == b""
    assert tap.incomplete
    assert not tap.complete


@pytest.mark.parametrize("size", [MAX_HELD_BYTES - 300, MAX_HELD_BYTES, 3 * MAX_HELD_BYTES])
@pytest.mark.parametrize("step", [1000, 4096, 50_000])
def test_long_event_passes_whole_and_its_end_is_read(size: int, step: int) -> None:
    """Of an event too long to be held, usage and finish reason are still found at its end."""
    usage = ',"usage":{"prompt_tokens":3,"completion_tokens":1}'
    sent = chunk(json.dumps({"content": "y" * size}), '"length"', usage) + OPENAI_USAGE + DONE
    tap, out = run([sent[at : at + step] for at in range(0, len(sent), step)])
    assert out == sent.replace(OPENAI_USAGE, b"")
    assert (tap.finish_reason, tap.usage, tap.events) == ("length", OPENAI.usage, 1)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_long_event_ends_wherever_its_line_ends_are_cut(end: bytes) -> None:
    """What follows a flowing event is read again, whichever byte of its blank line came last."""
    long = (b'data: {"choices":[],"x":"' + b"x" * 2 * MAX_HELD_BYTES + b'"}\n\n').replace(
        b"\n", end
    )
    sent = long + OPENAI_USAGE + DONE
    for at in range(len(long) - 6, len(long) + 3):
        tap, out = run([long[:-20], sent[len(long) - 20 : at], sent[at:]])
        assert out == long + DONE
        assert (tap.usage, tap.done) == (OPENAI.usage, True)


def test_long_error_does_not_flow() -> None:
    """An error too long to be held is recognised by its head."""
    piece = b'data: {"error": {"message": "' + b"z" * 2 * MAX_HELD_BYTES
    tap, out = run([piece, b'"}}\n\n'])
    assert (tap.failed, out) == (True, b"")


@pytest.mark.parametrize("lacking", [1, 2])
def test_last_event_without_its_blank_line_is_mended(lacking: int) -> None:
    """A last event that is whole but for its line ends reaches the client completed."""
    tap, out = run([NO_DONE.sent[:-lacking]])
    assert out == NO_DONE.sent
    assert (tap.mended, tap.complete, tap.incomplete) == (True, True, False)


def test_done_without_line_end_is_mended() -> None:
    """`data: [DONE]` at the very end of a body counts."""
    tap, out = run([NO_DONE.sent + b"data: [DONE]"])
    assert out == NO_DONE.sent + DONE_EVENT
    assert tap.done


def test_half_event_at_the_end_is_dropped_and_told() -> None:
    """A body that ends inside an event was cut, whatever its framing says."""
    whole = chunk('{"content":"a"}')
    tap, out = run([whole + whole[:40]])
    assert out == whole
    assert (tap.incomplete, tap.complete) == (True, False)


def test_comment_at_the_end_is_nothing() -> None:
    """A trailing half comment is dropped without a word."""
    tap, out = run([NO_DONE.sent + b": pi"])
    assert out == NO_DONE.sent
    assert not tap.incomplete


def test_end_without_done_is_complete_only_with_a_finish_reason() -> None:
    """A clean end of the body proves nothing by itself."""
    assert run([NO_DONE.sent])[0].complete
    assert not run([chunk('{"content":"a"}')])[0].complete


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"\r", b"data: ", b"{}"])))
def test_any_bytes_pass_or_wait_in_order(pieces: list[bytes]) -> None:
    """Whatever comes, output is a prefix of the input, and no call raises."""
    tap = StreamTap(False)
    out = b"".join([tap.feed(piece) for piece in pieces])
    assert b"".join(pieces).startswith(out)
    tap.finish()


def test_estimate_counts_the_text_of_large_events() -> None:
    """An event with a page of text is not one token; single tokens are not counted double."""
    tap = StreamTap(strip_usage=False)
    small = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
    for word in (b"a", b"the", b"antelope", b"x"):
        tap.feed(small % word)
    assert tap.completion_tokens_seen == 4

    tap.feed(small % (b"word " * 200))

    assert 200 <= tap.completion_tokens_seen <= 300


def test_tiny_events_are_passed_in_linear_time() -> None:
    """A megabyte of events of three bytes is searched once, not once for each of them."""
    tap = StreamTap(strip_usage=False)
    first = b'data: {"choices":[{"index":0,"delta":{}}]}\n\n'
    flood = b"a\n\n" * 350_000 + b"a"

    assert tap.feed(first + flood) == first + flood[:-1]
