"""The response parser against noise and damaged answers, with h11 for a second opinion."""

from dataclasses import dataclass
from itertools import pairwise

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.providers.http1 import BadResponse, ResponseParser
from tests.contract.providers.corpus import CHUNKED, END, OK, ROWS, SIZED

MAX_BASE_BYTES = 300
BASES = sorted({row.raw for row in ROWS.values() if len(row.raw) <= MAX_BASE_BYTES})
TOKENS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"0", b"2", b"+", b"-", b";", b":", b",", b"{}",
    b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"chunked",
    b"content-length: 2\r\n", b"Content-Length:4\r\n", b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n", b"\xff", b"2\r\n{}\r\n", b"gzip, ", b"upgrade: x\r\n",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of some bytes; `body` and `status` count only if it was not refused."""

    refused: bool
    complete: bool = False
    status: int | None = None
    body: bytes = b""
    may_reuse: bool = False
    until_eof: bool = False


class LlhttpOnly(ResponseParser):
    """Leaves every byte to llhttp."""

    feed = ResponseParser._feed_llhttp


def read(*pieces: bytes, parser: ResponseParser | None = None) -> Reading:
    """What our parser makes of *pieces*."""
    parser = parser or ResponseParser()
    body = b""
    try:
        for piece in pieces:
            body += parser.feed(piece)
    except BadResponse:
        return Reading(refused=True)
    return Reading(
        False,
        parser.complete,
        parser.status,
        body,
        parser.may_reuse,
        parser.ends_with_connection,
    )


def second_opinion(wire: bytes) -> tuple[int, bytes] | None:
    """Status and body of the first whole answer in *wire* by h11, None if it sees none."""
    connection = h11.Connection(our_role=h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    status, body = 0, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            elif not isinstance(event, h11.InformationalResponse):
                return None  # more is needed, or nothing comes any more
    except h11.RemoteProtocolError:
        return None


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An answer of the corpus with up to four cuts, insertions and repeats."""
    wire = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(wire)))
        to = min(len(wire), at + draw(st.integers(0, 6)))
        piece = draw(st.sampled_from([*TOKENS, wire[at:to], b""]) | st.binary(max_size=3))
        wire = wire[:at] + piece + wire[draw(st.sampled_from([at, to])) :]
    return wire


def split(wire: bytes, cuts: list[int]) -> list[bytes]:
    """*wire* cut at *cuts* (modulo its length)."""
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[a:b] for a, b in pairwise(places)]


@settings(max_examples=400)
@given(damaged(), st.lists(st.integers(0, 1000), max_size=6))
@example(OK + b"transfer-encoding: chunked\t\r\n\r\n" + END, [])
@example(b"HTTP/1.1 104 X\r\ncontent-length: 4\r\n\r\nevil" + SIZED, [40])
@example(SIZED + b"x", [len(SIZED)])
def test_reading_does_not_depend_on_the_cuts(wire: bytes, cuts: list[int]) -> None:
    """Wherever the network cuts an answer, it is refused or read the same."""
    assert read(*split(wire, cuts)) == read(wire)
    assert read(*(bytes([byte]) for byte in wire)) == read(wire)


FRAMES = [
    b"2\r\n{}\r\n", b"10\r\n0123456789abcdef\r\n", b"1a\r\n%b\r\n" % (b"x" * 26), b"02\r\n{}\r\n",
    b"1A\r\n%b\r\n" % (b"x" * 26), b"2;x=y\r\n{}\r\n", b"2 \r\n{}\r\n", b"2\r\n{}\n\n",
    b"3\r\n{}\r\n", b"1\r\n{}\r\n", b"4\r\n\r\n\r\n\r\n", b"a\r\n0\r\n\r\n2\r\nxx\r\n",
    b"0\r\n\r\n", b"0\r\nx-t: 1\r\n\r\n", b"0\r\n", b"\r\n", b"1", b"0", b"2;",
    b"2000\r\n%b\r\n" % (b"w" * 8192),
]  # fmt: skip
LONG = b"2;%b\r\n{}\r\n" % (b"z" * 9000)
PAYS = b"1ff\r\n%b\r\n" % (b"y" * 511)


@settings(max_examples=1000)
@given(
    st.lists(st.sampled_from([*FRAMES, LONG, PAYS]), max_size=12),
    st.sets(st.integers(0, 12)),
    st.lists(st.integers(0, 30_000), max_size=3),
)
@example([LONG, PAYS, LONG], set(), [])
@example([FRAMES[0], FRAMES[0], b"1", FRAMES[0]], {2}, [])
def test_chunks_that_llhttp_does_not_see_are_what_it_would_have_read(
    frames: list[bytes], joined: set[int], cuts: list[int]
) -> None:
    """Whole frames come alone, several together, or cut anywhere: both ways read the same."""
    body = b"".join(frames)
    edges = [len(b"".join(frames[:count])) for count in range(len(frames)) if count not in joined]
    pieces = [CHUNKED, *split(body, edges + cuts)]

    assert read(*pieces) == read(*pieces, parser=LlhttpOnly())


@settings(max_examples=400)
@given(damaged(), st.lists(st.integers(0, 1000), max_size=6))
def test_damaged_answer_is_read_as_llhttp_reads_it(wire: bytes, cuts: list[int]) -> None:
    """Wherever it is cut."""
    pieces = split(wire, cuts)

    assert read(*pieces) == read(*pieces, parser=LlhttpOnly())


@settings(max_examples=400)
@given(damaged())
@example(CHUNKED + END)
@example(b"HTTP/1.1 103 E\r\n\r\n" + SIZED)
def test_whole_answer_is_whole_to_a_second_reader(wire: bytes) -> None:
    """What we take for an answer is the same answer to h11, or none to it."""
    reading = read(wire)
    other = second_opinion(wire)
    if not reading.refused and reading.complete and other is not None:
        assert (reading.status, reading.body) == other


@settings(max_examples=300)
@given(damaged())
def test_reuse_is_for_answers_that_both_readers_end_at_the_same_byte(wire: bytes) -> None:
    """No byte is left over, and no shorter piece of it was whole already."""
    if read(wire).may_reuse:
        ends = [at for at in range(len(wire) + 1) if read(wire[:at]).complete]
        assert wire[ends[0] :].strip(b"\r\n") == b""


@settings(max_examples=300)
@given(st.lists(st.sampled_from(TOKENS) | st.binary(max_size=4), max_size=30))
def test_noise_is_refused_or_read(pieces: list[bytes]) -> None:
    """No bytes bring anything but BadResponse, and none are made up."""
    reading = read(*pieces)
    assert len(reading.body) <= sum(map(len, pieces))


@settings(max_examples=200)
@given(damaged(), st.lists(st.integers(0, 1000), max_size=4))
def test_next_answer_is_clean_after_a_connection_that_may_be_reused(
    wire: bytes, cuts: list[int]
) -> None:
    """Whatever came before it."""
    parser = ResponseParser()
    try:
        for piece in split(wire, cuts):
            parser.feed(piece)
    except BadResponse:
        return
    if parser.may_reuse:
        parser.begin()
        body = parser.feed(SIZED)
        assert (parser.status, body, parser.complete) == (200, b"{}", True)
