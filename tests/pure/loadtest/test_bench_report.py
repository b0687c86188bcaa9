"""What the benchmark makes of its figures: medians, ratios, bars, the page, the framing check."""

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from loadtest.answers import (
    CHUNKS,
    MARKER,
    PACED,
    PACED_WRITES,
    STREAM_BODY,
    STREAM_WRITES,
    large_chat_body,
)
from loadtest.configs import Gateway, Shape, envoy_config, pointsman_config
from loadtest.locust_run import loopback_url
from loadtest.report import BENCH, SOAK, page_with, tables, write_results
from loadtest.rows import Row, joined, medians, with_added
from loadtest.sheet import Sheet
from loadtest.streams import body_of
from proxy.config.load import parse


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


def test_added_latency_over_tls_is_counted_from_direct_over_tls() -> None:
    """TLS costs the client of `direct` too: only what a proxy adds is the proxy's."""
    rows = with_added(
        [
            Row(proxy="direct", p50_ms=0.25),
            Row(proxy="direct tls", p50_ms=0.5),
            Row(proxy="envoy tls", p50_ms=0.75),
        ]
    )

    assert rows[2].added_p50_ms == 0.25


def test_joined_rows_keep_all_figures_and_count_all_errors() -> None:
    """A program measured by several sections is one row with the figures of each."""
    rows = joined(
        [Row(proxy="envoy", p50_ms=1.0, errors=1), Row(proxy="direct")],
        [Row(proxy="envoy", large_ms=2.0, errors=2), Row(proxy="new", streams_held=3.0)],
    )

    assert [row.proxy for row in rows] == ["envoy", "direct", "new"]
    assert (rows[0].p50_ms, rows[0].large_ms, rows[0].errors) == (1.0, 2.0, 3)
    assert rows[1].errors is None


def test_table_lines_are_equally_long_and_hold_the_notes() -> None:
    """The tables read well in a terminal, and a skipped program is named below them."""
    envoy = Row(proxy="envoy", requests_per_s=31_570.4, cpu_us_per_call=30.0, cpu_us_per_chunk=20.0)
    text = tables([envoy, Row(proxy="x", note="failed: y")])

    *shown, note = text.split("\n\n")
    assert len(shown) == 3
    for table in shown:
        assert len({len(line) for line in table.splitlines()}) == 1
    assert "31,570" in shown[0]
    assert note == "x: failed: y"


def test_row_with_tls_is_compared_with_envoy_with_tls() -> None:
    """Like is compared with like: with TLS upstream the yardstick has it too."""
    text = tables(
        [
            Row(proxy="envoy", cpu_us_per_chunk=10.0),
            Row(proxy="envoy tls", cpu_us_per_chunk=20.0),
            Row(proxy="pointsman tls", cpu_us_per_chunk=30.0),
        ]
    )

    assert [line.split("|")[3].strip() for line in text.splitlines()[2:]] == [
        "1.00",
        "1.00",
        "1.50",
    ]


@pytest.mark.parametrize("marks", [BENCH, SOAK])
def test_page_keeps_the_prose_around_its_markers(marks: tuple[str, str]) -> None:
    """A run replaces its own section and nothing else, however often it is written."""
    page = f"before\n{marks[0]}\nold\n{marks[1]}\nafter\n"

    once = page_with(page, "new", marks)

    assert once == f"before\n{marks[0]}\n\nnew\n\n{marks[1]}\nafter\n"
    assert page_with(once, "new", marks) == once


@pytest.mark.parametrize(
    "page",
    [
        "",
        BENCH[0],
        f"{BENCH[1]} {BENCH[0]}",
        f"{BENCH[0]}{BENCH[1]}{BENCH[0]}{BENCH[1]}",
    ],
)
def test_page_without_clear_markers_is_refused(page: str) -> None:
    """A page that lost its markers is never overwritten by guesswork."""
    with pytest.raises(ValueError, match="markers"):
        page_with(page, "new")


def test_the_page_itself_has_both_pairs_of_markers() -> None:
    """What is committed can be written to."""
    page = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text()

    for marks in (BENCH, SOAK):
        assert "new" in page_with(page, "new", marks)


def test_results_for_machines_are_a_list_of_rows(tmp_path: Path) -> None:
    """Other programs find every promised field in each row, null where nothing was measured."""
    sheet = Sheet(("part", "CPU µs"), (("parse", 35.4321), ("sum", None)))

    write_results(
        tmp_path / "results",
        [Row(proxy="envoy", cpu_us_per_call=31.54321, errors=0)],
        {"parts": sheet},
    )

    (row,) = json.loads((tmp_path / "results" / "latest.json").read_text())
    assert row["proxy"] == "envoy"
    assert row["cpu_us_per_call"] == 31.54
    assert row["errors"] == 0
    promised = ("cpu_us_per_chunk", "requests_per_s", "p50_ms", "p99_ms", "rss_mb")
    assert [row[name] for name in promised] == [None] * 5
    parts = json.loads((tmp_path / "results" / "parts.json").read_text())
    assert parts == [{"part": "parse", "CPU µs": 35.43}, {"part": "sum", "CPU µs": None}]


def test_soak_leaves_the_rows_of_the_last_run(tmp_path: Path) -> None:
    """A run without rows overwrites nothing but its own file."""
    (tmp_path / "latest.json").write_text("kept")

    write_results(tmp_path, [], {"soak": Sheet(("soak",), (("pointsman",),))})

    assert (tmp_path / "latest.json").read_text() == "kept"


def test_scripted_stream_survives_the_framing_check() -> None:
    """What the upstream writes is, its framing taken off, exactly what the client expects."""
    assert body_of(b"".join(STREAM_WRITES)) == STREAM_BODY
    assert STREAM_BODY.count(MARKER) == CHUNKS == len(STREAM_WRITES)
    assert body_of(b"".join(PACED_WRITES)) == PACED.body
    assert PACED.body.count(MARKER) == PACED.chunks == len(PACED_WRITES)


def test_large_body_has_the_size_that_is_said() -> None:
    """The call with 1 MB is one with 1 MB, and is JSON."""
    body = large_chat_body("bench", 10_000)

    assert len(body) == 10_000
    assert json.loads(body)["model"] == "bench"


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


def a_gateway(ca: Path | None = None) -> Gateway:
    """A gateway in front of port 9090."""
    return Gateway(8080, 9090, Path("/tmp/r.sock"), Path("/tmp/pepper"), ca=ca)


def test_gateway_config_names_no_secret() -> None:
    """The measured gateway's config refers to its pepper by file, like any other."""
    config = pointsman_config(a_gateway())

    assert config["server"]["pepper"] == "file:/tmp/pepper"  # type: ignore[index]  # a JSON tree


@pytest.mark.parametrize(
    "shape", [Shape(), Shape(tenants=20, routes=10), Shape(tenants=2, routes=3, targets=20)]
)
def test_gateway_config_has_its_shape_and_is_one_that_starts(shape: Shape) -> None:
    """Every config that the bench writes is one that the gateway takes."""
    loaded = parse(json.dumps(pointsman_config(a_gateway(), shape)).encode(), "bench.json")

    snapshot = loaded.snapshot
    assert len(snapshot.tenants) == shape.tenants
    assert len(snapshot.tenants["bench"].routes) == len(snapshot.routes) == shape.routes
    assert len(snapshot.targets) == shape.routes * shape.targets
    assert len(snapshot.routes["bench"].targets) == shape.targets


def test_tls_upstream_is_verified_by_both() -> None:
    """With TLS the upstream's certificate and name are checked, or the figures flatter."""
    ca = Path("/tmp/ca.pem")

    ours = parse(json.dumps(pointsman_config(a_gateway(ca))).encode(), "bench.json")
    theirs = json.dumps(envoy_config(8080, 9090, ca))

    first = ours.snapshot.providers["first"]
    assert (first.ca_file, first.endpoint_base) == (str(ca), "https://localhost:9090/v1")
    assert '"trusted_ca": {"filename": "/tmp/ca.pem"}' in theirs
    assert '"matcher": {"exact": "localhost"}' in theirs
    assert '"sni": "localhost"' in theirs
