"""What the benchmark makes of its figures: medians, ratios, bars, the page, the framing check."""

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from loadtest.answers import CHUNKS, MARKER, STREAM_BODY, STREAM_WRITES
from loadtest.configs import pointsman_config
from loadtest.locust_run import loopback_url
from loadtest.report import BEGIN, END, page_with, tables, verdicts, write_results
from loadtest.rows import Row, medians, with_added
from loadtest.streams import body_of


def test_median_row_takes_the_middle_of_figures_and_the_sum_of_errors() -> None:
    """A round that went astray moves no figure, but its errors are never forgotten."""
    rounds = [
        [Row(proxy="pointsman", cpu_us_per_call=figure, errors=errors)]
        for figure, errors in ((100.0, 0), (900.0, 2), (110.0, 0))
    ]

    (row,) = medians(rounds)

    assert row.cpu_us_per_call == 110.0
    assert row.errors == 2


def test_skipped_row_stays_empty_with_its_reason() -> None:
    """A program that could not be had has no figures, and says why."""
    (row,) = medians([[Row(proxy="litellm", note="skipped: no network")]] * 3)

    assert (row.cpu_us_per_call, row.errors, row.note) == (None, None, "skipped: no network")


def test_added_latency_is_counted_from_the_direct_row_of_the_same_round() -> None:
    """What a proxy adds is its latency less that of no proxy."""
    rows = with_added(
        [Row(proxy="direct", p50_ms=0.5, p99_ms=1.0), Row(proxy="envoy", p50_ms=0.75, p99_ms=3.0)]
    )

    assert (rows[1].added_p50_ms, rows[1].added_p99_ms) == (0.25, 2.0)


def test_bars_tell_met_from_missed_from_not_measured() -> None:
    """Each bar is printed with its figure, and a missing program is no pass."""
    lines = verdicts(
        [
            Row(proxy="envoy", cpu_us_per_call=50.0, cpu_us_per_chunk=20.0),
            Row(proxy="litellm"),
            Row(proxy="pointsman", cpu_us_per_call=250.0, cpu_us_per_chunk=50.0),
        ]
    )

    assert [line.rpartition(": ")[2] for line in lines] == [
        "5 x, met",
        "2.5 x, MISSED",
        "not measured",
    ]


def test_table_lines_are_equally_long_and_hold_the_notes() -> None:
    """The tables read well in a terminal, and a skipped program is named below them."""
    text = tables([Row(proxy="envoy", requests_per_s=31_570.4), Row(proxy="x", note="failed: y")])

    first, second, note = text.split("\n\n")
    assert len({len(line) for line in first.splitlines()}) == 1
    assert len({len(line) for line in second.splitlines()}) == 1
    assert "31,570" in first
    assert note == "x: failed: y"


def test_page_keeps_the_prose_around_its_markers() -> None:
    """A run replaces its own section and nothing else, however often it is written."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    once = page_with(page, "new")

    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert page_with(once, "new") == once


@pytest.mark.parametrize("page", ["", BEGIN, f"{END} {BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_page_without_clear_markers_is_refused(page: str) -> None:
    """A page that lost its markers is never overwritten by guesswork."""
    with pytest.raises(ValueError, match="markers"):
        page_with(page, "new")


def test_results_for_machines_are_a_list_of_rows(tmp_path: Path) -> None:
    """Other programs find every promised field in each row, null where nothing was measured."""
    path = tmp_path / "results" / "latest.json"

    write_results(path, [Row(proxy="envoy", cpu_us_per_call=31.54321, errors=0)])

    (row,) = json.loads(path.read_text())
    assert row["proxy"] == "envoy"
    assert row["cpu_us_per_call"] == 31.54
    assert row["errors"] == 0
    promised = ("cpu_us_per_chunk", "requests_per_s", "p50_ms", "p99_ms", "rss_mb")
    assert [row[name] for name in promised] == [None] * 5


def test_scripted_stream_survives_the_framing_check() -> None:
    """What the upstream writes is, its framing taken off, exactly what the client expects."""
    assert body_of(b"".join(STREAM_WRITES)) == STREAM_BODY
    assert STREAM_BODY.count(MARKER) == CHUNKS == len(STREAM_WRITES)


@pytest.mark.parametrize(
    "answer",
    [
        b"".join(STREAM_WRITES)[:-5],
        b"".join(STREAM_WRITES[:-1]),
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\nzz\r\n",
    ],
)
def test_answer_that_is_no_whole_stream_has_no_body(answer: bytes) -> None:
    """A cut, refused or garbled stream can never pass for a good one."""
    assert body_of(answer) == b""


@pytest.mark.parametrize("host", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:2"])
def test_load_goes_to_this_machine(host: str) -> None:
    """Loopback in all its spellings is a fine place for load."""
    assert loopback_url(host) == host.rstrip("/")


@pytest.mark.parametrize(
    "host", ["http://example.com", "http://10.0.0.1", "127.0.0.1:8080", "http://127.0.0.1.evil.io"]
)
def test_load_goes_nowhere_else(host: str) -> None:
    """A load test that could be pointed elsewhere is refused before it sends a byte."""
    with pytest.raises(ArgumentTypeError):
        loopback_url(host)


def test_gateway_config_names_no_secret() -> None:
    """The measured gateway's config refers to its pepper by file, like any other."""
    config = pointsman_config(8080, 9090, Path("/tmp/r.sock"), Path("/tmp/pepper"))

    assert config["server"]["pepper"] == "file:/tmp/pepper"  # type: ignore[index]  # a JSON tree
