"""What a script does to the bytes of a stream, seen on a raw connection."""

import asyncio
import json
from typing import Any

import pytest

from proxy.simulator.bill import BillEnding
from proxy.simulator.server import Simulator
from tests.contract.simulator.rawhttp import Exchange, chat, connected, request_bytes

FIVE = {"content": "one two six ten all"}


def stream(**fields: Any) -> dict[str, Any]:
    """A chat request that wants a stream."""
    return chat(stream=True, **fields)


def text_of(events: list[Any]) -> str:
    """The content of all first choices."""
    deltas = [each["choices"][0]["delta"] for each in events if isinstance(each, dict)]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_stream_is_a_role_tokens_a_finish_and_done(ask: Exchange) -> None:
    """Without a word to the contrary a stream looks like OpenAI's."""
    wire = await ask(FIVE, stream())

    assert wire.header("content-type") == "text/event-stream; charset=utf-8"
    assert wire.events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert text_of(wire.events) == "one two six ten all"
    assert wire.events[-2]["choices"][0]["finish_reason"] == "stop"
    assert wire.events[-1] == b"[DONE]"
    assert len(wire.events) == 8
    assert len({each["id"] for each in wire.events[:-1]}) == 1
    assert wire.is_complete


@pytest.mark.parametrize("size", ["bytes", 3, 1000])
async def test_split_sends_the_same_bytes_in_pieces(ask: Exchange, size: object) -> None:
    """Splitting changes where chunks begin and nothing else."""
    wire = await ask({**FIVE, "split": size}, stream())

    longest = 1 if size == "bytes" else int(str(size))
    assert max(len(chunk) for chunk in wire.chunks) <= longest
    assert text_of(wire.events) == "one two six ten all"
    assert wire.is_complete


async def test_split_wire_cuts_the_framing_too(sim: Simulator) -> None:
    """Cut into single bytes on the wire, the answer arrives whole."""
    sim.set_script({**FIVE, "split_wire": "bytes"})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", stream(), {}))
        whole = await reader.readuntil(b"0\r\n\r\n")

    assert whole.count(b"data: ") == 8


@pytest.mark.parametrize(("line_end", "end"), [("lf", b"\n"), ("crlf", b"\r\n"), ("cr", b"\r")])
async def test_line_end_is_used_for_every_line(ask: Exchange, line_end: str, end: bytes) -> None:
    """LF, CRLF and CR streams hold the same events."""
    wire = await ask({**FIVE, "line_end": line_end}, stream())

    assert wire.text.endswith(b"data: [DONE]" + end + end)
    assert text_of(wire.events) == "one two six ten all"


@pytest.mark.parametrize("with_", ["close", "reset"])
async def test_cut_at_event_drops_before_that_event(sim: Simulator, with_: str) -> None:
    """Events before the cut arrive, the one at the cut does not, and the body is incomplete."""
    sim.set_script({**FIVE, "cut_at_event": 3, "cut_with": with_, "tokens_per_second": 100})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", stream(), {}))
        got = b""
        try:
            while piece := await reader.read(65536):
                got += piece
        except ConnectionResetError:
            assert with_ == "reset"

    assert got.count(b"data: ") == 3
    assert not got.endswith(b"0\r\n\r\n")
    await sim.until(lambda: len(sim.bill.entries) == 1)
    assert sim.bill.entries[0].ending is BillEnding.CUT
    assert sim.bill.entries[0].completion_tokens == 2


async def test_cut_mid_event_leaves_half_an_event(ask: Exchange) -> None:
    """The last event ends in the middle, without its blank line."""
    wire = await ask({**FIVE, "cut_mid_event": 2}, stream())

    assert len(wire.events) == 2
    assert not wire.text.endswith(b"\n\n")
    assert not wire.is_complete


async def test_stall_says_nothing_more_until_the_client_leaves(sim: Simulator) -> None:
    """A stalled stream stays open; leaving it is a cancellation, billed as far as it came."""
    sim.set_script({**FIVE, "stall_at_event": 3})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", stream(), {}))
        for _ in range(3):
            await reader.readuntil(b"\n\n\r\n")
        assert sim.providers["sim"].stats.open_streams == 1
        assert sim.bill.entries == ()

    await asyncio.wait_for(sim.until(lambda: len(sim.bill.entries) == 1), 1)
    assert sim.bill.entries[0].ending is BillEnding.CANCELLED
    assert sim.bill.entries[0].completion_tokens == 2
    assert sim.providers["sim"].stats.open_streams == 0
    assert sim.providers["sim"].stats.cancelled == 1


async def test_malformed_event_is_not_json_and_the_stream_goes_on(ask: Exchange) -> None:
    """A broken event stands between good ones."""
    wire = await ask({**FIVE, "malformed_at_event": 2}, stream())

    assert isinstance(wire.events[2], bytes)
    assert isinstance(wire.events[3], dict)
    assert wire.events[-1] == b"[DONE]"


async def test_error_event_ends_the_stream_cleanly(ask: Exchange) -> None:
    """The error stands in place of the event, and neither DONE nor a cut follows."""
    wire = await ask({**FIVE, "error_event_at": 2}, stream())

    assert set(wire.events[-1]["error"]) == {"message", "type", "param", "code"}
    assert len(wire.events) == 3
    assert wire.is_complete


async def test_error_event_first_is_all_there_is(sim: Simulator, ask: Exchange) -> None:
    """A stream may consist of an error only; the prompt is billed."""
    wire = await ask({"error_event_first": True}, stream())

    assert [list(event) for event in wire.events] == [["error"]]
    assert sim.bill.entries[0].ending is BillEnding.ERROR
    assert sim.bill.entries[0].prompt_tokens > 0


async def test_no_done_ends_cleanly_without_it(ask: Exchange) -> None:
    """Some servers just end."""
    wire = await ask({**FIVE, "no_done": True}, stream())

    assert wire.events[-1]["choices"][0]["finish_reason"] == "stop"
    assert wire.is_complete


async def test_comments_come_before_the_first_event(ask: Exchange) -> None:
    """While thinking, comments keep the connection warm; they count as no event."""
    script = {**FIVE, "comments": {"count": 3, "every_ms": 1, "text": "PROCESSING"}}
    wire = await ask({**script, "cut_at_event": 1}, stream())

    assert wire.text.startswith(b": PROCESSING\n\n" * 3 + b"data: {")
    assert len(wire.events) == 1


@pytest.mark.parametrize(
    ("script", "asked", "nulls", "reported"),
    [
        ({}, False, False, False),
        ({}, True, True, True),
        ({"usage": "always"}, False, False, True),
        ({"usage": "never"}, True, False, False),
        ({"usage": "null_until_end"}, False, True, True),
        ({"usage": "zero"}, False, False, True),
    ],
)
async def test_usage_is_reported_in_the_scripted_manner(
    ask: Exchange, script: dict[str, Any], asked: bool, nulls: bool, reported: bool
) -> None:
    """Whether usage comes, and whether chunks before it say null, is the script's to choose."""
    options = {"stream_options": {"include_usage": True}} if asked else {}
    events = (await ask({**FIVE, **script}, stream(**options))).events[:-1]

    assert ("usage" in events[0] and events[0]["usage"] is None) is nulls
    assert (events[-1]["choices"] == []) is reported
    if reported:
        total = 0 if script.get("usage") == "zero" else 11
        assert events[-1]["usage"]["total_tokens"] == total


async def test_usage_on_last_chunk_has_no_event_of_its_own(ask: Exchange) -> None:
    """Groq and others put usage on the finish event."""
    script = {**FIVE, "usage": "always", "usage_on_last_chunk": True}
    events = (await ask(script, stream())).events

    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-2]["usage"]["completion_tokens"] == 5
    assert len(events) == 8


async def test_tool_calls_stream_in_fragments_told_apart_by_index(ask: Exchange) -> None:
    """The first fragment names the call; the later ones bring its arguments."""
    calls = [{"name": "one", "arguments": {"a": 1}}, {"name": "two", "arguments": '{"b": 2}'}]
    events = (await ask({"tool_calls": calls}, stream())).events[:-1]

    arguments = ["", ""]
    names = []
    for event in events:
        for part in event["choices"][0]["delta"].get("tool_calls", []):
            arguments[part["index"]] += part["function"]["arguments"]
            names += [part["function"]["name"]] if "id" in part else []
    assert names == ["one", "two"]
    assert [json.loads(text) for text in arguments] == [{"a": 1}, {"b": 2}]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_choices_of_n_take_turns(ask: Exchange) -> None:
    """n > 1 streams all choices, told apart by index, and bills them all."""
    events = (await ask(FIVE, stream(n=2))).events[:-1]

    for index in (0, 1):
        own = [event for event in events if event["choices"][0]["index"] == index]
        assert text_of(own) == "one two six ten all"
    assert [event["choices"][0]["index"] for event in events[:4]] == [0, 1, 0, 1]


async def test_raw_is_sent_as_written(ask: Exchange) -> None:
    """A recorded stream can be played back, byte for byte."""
    raw = '\ufeff: hi\r\n\r\nevent: x\r\ndata:{"é":1}\r\n\r\ndata: [DONE]\n\n'
    wire = await ask({"raw": raw, "split": 2}, stream())

    assert wire.text == raw.encode()
    assert wire.is_complete


async def test_framing_close_ends_by_closing(ask: Exchange) -> None:
    """A stream without chunks ends with its connection."""
    wire = await ask({**FIVE, "framing": "close"}, stream())

    assert wire.header("transfer-encoding") is None
    assert wire.header("connection") == "close"
    assert wire.body.endswith(b"data: [DONE]\n\n")


async def test_completions_stream_text(ask: Exchange) -> None:
    """The older endpoint streams too."""
    fields = {"model": "sim-small", "prompt": "hello", "stream": True}
    events = (await ask(FIVE, fields, "/v1/completions")).events[:-1]

    assert "".join(event["choices"][0]["text"] for event in events) == "one two six ten all"
    assert {event["object"] for event in events} == {"text_completion"}


async def test_pace_is_kept_and_a_client_that_leaves_pays_for_what_was_said(
    sim: Simulator,
) -> None:
    """At 50 tokens a second, leaving after two tokens costs about two."""
    sim.set_script({"tokens": 1000, "tokens_per_second": 50})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", stream(), {}))
        for _ in range(3):
            await reader.readuntil(b"\n\n\r\n")

    await asyncio.wait_for(sim.until(lambda: len(sim.bill.entries) == 1), 1)
    assert sim.bill.entries[0].ending is BillEnding.CANCELLED
    assert 2 <= sim.bill.entries[0].completion_tokens <= 5


async def test_stopping_cuts_what_is_open(sim: Simulator) -> None:
    """A stop does not wait for streams; they are booked as cut."""
    sim.set_script({"stall_at_event": 1})
    async with connected(sim.url) as (reader, writer):
        writer.write(request_bytes("/v1/chat/completions", stream(), {}))
        await reader.readuntil(b"\n\n\r\n")
        await asyncio.wait_for(sim.stop(), 1)

    assert [entry.ending for entry in sim.bill.entries] == [BillEnding.CUT]
