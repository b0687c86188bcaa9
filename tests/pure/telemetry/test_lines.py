"""The writer of lines, on real files and pipes."""

import os
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.lines import (
    MAX_PENDING_BYTES,
    PIPE_BUF_BYTES,
    DirectLines,
    LineWriter,
    batches,
)

JOIN_S = 10.0


def an_appended_file(path: Path) -> int:
    """A descriptor that appends to *path*."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def counting() -> tuple[list[int], Callable[[int], None]]:
    """A list of losses and what fills it."""
    lost: list[int] = []
    return lost, lost.append


def test_lines_arrive_whole_and_in_order(tmp_path: Path) -> None:
    """Every line taken before the close is in the file, in order, each with one line feed."""
    fd = an_appended_file(tmp_path / "log")
    lines = LineWriter(fd)
    expected = [b"line %d %s" % (number, b"x" * (number % 300)) for number in range(500)]

    for line in expected:
        lines.write(line)
    lines.close(JOIN_S)
    os.close(fd)

    assert (tmp_path / "log").read_bytes().splitlines() == expected


def test_close_may_be_repeated_and_later_lines_are_counted(tmp_path: Path) -> None:
    """A line that comes after the close is lost, counted, and no error."""
    lost, count = counting()
    fd = an_appended_file(tmp_path / "log")
    lines = LineWriter(fd, on_lost=count)

    lines.close(JOIN_S)
    lines.write(b"late")
    lines.close(JOIN_S)
    os.close(fd)

    assert lost == [1]
    assert (tmp_path / "log").read_bytes() == b""


def test_closed_pipe_is_counted_not_raised() -> None:
    """A reader that has gone costs lines, which are counted, and nothing else."""
    lost, count = counting()
    read_end, write_end = os.pipe()
    os.close(read_end)
    lines = LineWriter(write_end, on_lost=count)

    lines.write(b"one")
    lines.write(b"two")
    lines.close(JOIN_S)
    os.close(write_end)

    assert sum(lost) == 2


def test_full_disk_is_counted_not_raised() -> None:
    """A full disk costs lines, which are counted, and nothing else."""
    lost, count = counting()
    fd = os.open("/dev/full", os.O_WRONLY)
    lines = LineWriter(fd, on_lost=count)

    lines.write(b"one")
    lines.close(JOIN_S)
    os.close(fd)

    assert lost == [1]


def test_stalled_reader_costs_bounded_memory_and_never_blocks() -> None:
    """While nobody reads the pipe, `write` returns at once and drops what exceeds the cap."""
    lost, count = counting()
    read_end, write_end = os.pipe()
    lines = LineWriter(write_end, on_lost=count, linger_s=0.0)
    line = b"x" * 65536

    for _ in range(2 * MAX_PENDING_BYTES // len(line) + 3):
        lines.write(line)

    assert sum(lost) >= MAX_PENDING_BYTES // len(line)
    os.close(read_end)  # frees the thread
    lines.close(JOIN_S)
    os.close(write_end)


def test_non_blocking_pipe_is_waited_for() -> None:
    """A pipe that a parent made non-blocking gets every byte, once its reader catches up."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    lost, count = counting()
    lines = LineWriter(write_end, on_lost=count, linger_s=0.0)
    line = b"y" * 200_000  # more than a pipe holds

    lines.write(line)
    with os.fdopen(read_end, "rb") as reader:
        received = reader.read(len(line) + 1)
    lines.close(JOIN_S)
    os.close(write_end)

    assert received == line + b"\n"
    assert lost == []


def test_direct_lines_are_there_at_once(tmp_path: Path) -> None:
    """A command's line is in the file when `write` returns; a closed file is no error."""
    fd = an_appended_file(tmp_path / "log")
    lines = DirectLines(fd)

    lines.write(b"now")
    lines.lose(1)
    os.close(fd)
    lines.write(b"never")

    assert (tmp_path / "log").read_bytes() == b"now\n"


@given(st.lists(st.binary(max_size=3000), max_size=40))
def test_batches_keep_every_line_and_fit_an_atomic_write(lines: list[bytes]) -> None:
    """A batch of several lines fits into PIPE_BUF; no line is lost, doubled or moved."""
    cut = list(batches(lines, PIPE_BUF_BYTES))

    assert [line for batch in cut for line in batch] == lines
    for batch in cut:
        assert len(batch) == 1 or len(b"\n".join(batch)) + 2 <= PIPE_BUF_BYTES
