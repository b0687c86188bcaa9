"""The line of a request."""

import os
from pathlib import Path

import orjson
import pytest

from proxy.domain.outcome import Ending
from proxy.domain.record import Record
from proxy.domain.usage import Evidence, Usage
from proxy.telemetry.lines import LineWriter
from proxy.telemetry.recorder import LogRecorder, console_line, json_line
from tests.pure.telemetry.records import a_record

FIELDS = {
    "ts", "level", "event", "request_id", "trace_id", "tenant", "key_id", "method", "path",
    "route", "target", "attempts", "status", "ending", "error_code", "param", "skipped", "decision",
    "stream", "tokens",
    "evidence", "cost_nanousd", "priced", "finish_reason", "config", "body_bytes", "sent_bytes",
    "first_byte_ms", "total_ms",
}  # fmt: skip


def a_refusal() -> Record:
    """A request that was refused before it had a tenant."""
    return a_record(
        status=401,
        ending=Ending.REFUSED,
        error_code="missing_api_key",
        tenant_id=None,
        key_id=None,
        route_id=None,
        target_id=None,
        attempts=(),
        usage=Usage(),
        evidence=Evidence.NONE,
        cost_nanousd=None,
        finish_reason=None,
        first_byte_ms=None,
    )


@pytest.mark.parametrize("record", [a_record(), a_refusal()])
def test_line_has_every_field_however_the_request_ended(record: Record) -> None:
    """The fields are always the same ones, so that a collector needs one schema."""
    assert set(orjson.loads(json_line(record))) == FIELDS


def test_line_tells_attempts_tokens_and_cost() -> None:
    """A line shows which targets were tried and why they failed, and what was used and paid."""
    line = orjson.loads(json_line(a_record()))

    assert line["ts"] == "2023-11-14T22:13:20.123000Z"
    assert [(tried["target"], tried["failure"]) for tried in line["attempts"]] == [
        ("sim-a/fast", "rate_limited"),
        ("sim-b/fast", None),
    ]
    assert line["tokens"] == {
        "prompt": 34, "cached": 10, "cache_write": 0, "completion": 120, "reasoning": 0,
    }  # fmt: skip
    assert (line["evidence"], line["cost_nanousd"]) == ("reported", 123_456)
    assert line["total_ms"] == 1234.568


@pytest.mark.parametrize("render", [json_line, console_line])
def test_text_of_others_does_not_pass(render: object) -> None:
    """A path, method, finish reason or code that is not of ours is told as `other`."""
    secret = "sk-\x1b[31msecret\r\n"
    line = render(  # type: ignore[operator]  # both take a record
        a_record(method=secret, path="/v1/" + secret, finish_reason=secret, error_code=secret)
    )

    assert b"secret" not in line
    assert b"\x1b" not in line
    assert b"\n" not in line


def test_control_bytes_are_escaped() -> None:
    """A name with control bytes, from whatever source, cannot begin a second line."""
    line = json_line(a_record(tenant_id='a\r\n{"event":"forged"}\x1b'))

    assert line.count(b"\n") == 0
    assert b"\x1b" not in line
    assert orjson.loads(line)["tenant"] == 'a\r\n{"event":"forged"}\x1b'


def test_console_line_reads_in_one_glance() -> None:
    """A person sees status, path, route, the targets in order, tokens, cost and time."""
    assert console_line(a_record()).decode() == (
        "22:13:20  200 POST /v1/chat/completions  auto -> sim-a/fast (rate_limited) -> "
        "sim-b/fast  34+120 tokens  $0.000123  1235 ms  complete  req-1"
    )
    assert console_line(a_refusal()).decode() == (
        "22:13:20  401 POST /v1/chat/completions  1235 ms  missing_api_key  req-1"
    )


def test_recorder_writes_one_line_a_record(tmp_path: Path) -> None:
    """Each record is one line of the file."""
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines = LineWriter(fd)
    recorder = LogRecorder(lines)

    for number in range(3):
        recorder.record(a_record(request_id=f"req-{number}"))
    lines.close(10.0)
    os.close(fd)

    written = (tmp_path / "log").read_bytes().splitlines()
    assert [orjson.loads(line)["request_id"] for line in written] == ["req-0", "req-1", "req-2"]


@pytest.mark.parametrize(
    "record",
    [
        a_record(tenant_id="\ud800"),
        a_record(usage=Usage(prompt_tokens=10**40)),
        a_record(started_at_ms=10**20),
    ],
)
def test_record_that_no_line_can_hold_is_counted_not_raised(record: Record, tmp_path: Path) -> None:
    """A figure or a text beyond what JSON can hold costs its line and nothing else."""
    lost: list[int] = []
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines = LineWriter(fd, on_lost=lost.append)

    LogRecorder(lines).record(record)
    lines.close(10.0)
    os.close(fd)

    assert lost == [1]
