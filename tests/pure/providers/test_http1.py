"""An upstream's response, however it is cut, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.http1 import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    BadResponse,
    ResponseParser,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
WIRES = {
    "sized": (OK + b"Content-Length: 5\r\nX-A:  b \r\n\r\nhello", b"hello"),
    "chunked": (CHUNKED + b"5\r\nhello\r\n3;x=y\r\n you\r\n".replace(b"3;", b"4;") + b"0\r\n\r\n",
                b"hello you"),
    "trailer": (CHUNKED + b"2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n", b"hi"),
    "interim": (b"HTTP/1.1 103 E\r\nx-a: z\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", b"hi"),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "empty": (OK + b"content-length: 0\r\n\r\n", b""),
}  # fmt: skip


def fed(parser: ResponseParser, *pieces: bytes) -> bytes:
    """What *parser* makes of *pieces*: the body."""
    body = b""
    for piece in pieces:
        body += parser.feed(piece)
    return body


@pytest.mark.parametrize("case", WIRES)
def test_response_reads_the_same_wherever_it_is_cut(case: str) -> None:
    """Every split in two, and byte by byte."""
    wire, body = WIRES[case]
    cuts = [(wire[:at], wire[at:]) for at in range(1, len(wire))]
    for pieces in [(wire,), *cuts, tuple(bytes([byte]) for byte in wire)]:
        parser = ResponseParser()
        assert fed(parser, *pieces) == body
        assert parser.complete
        assert parser.status in (200, 204)
        assert parser.may_reuse
        assert not parser.ends_with_connection
        assert parser.headers.get("x-a") == ("b" if case == "sized" else None)


@given(st.lists(st.sampled_from(sorted(WIRES)), min_size=1, max_size=4))
def test_one_parser_reads_response_after_response(cases: list[str]) -> None:
    """Nothing of one is left in the next."""
    parser = ResponseParser()
    for case in cases:
        wire, body = WIRES[case]
        parser.begin()
        assert parser.status is None
        assert fed(parser, wire) == body
        assert parser.complete
        assert not parser.surplus


def test_body_without_framing_lasts_until_the_connection_ends() -> None:
    """Such a connection is never used again."""
    parser = ResponseParser()

    assert fed(parser, OK + b"\r\n", b"hello") == b"hello"
    assert not parser.complete
    assert parser.ends_with_connection
    parser.complete = True
    assert not parser.may_reuse


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"connection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_connection_that_ends_is_not_used_again(wire: bytes) -> None:
    """The response is whole all the same."""
    parser = ResponseParser()
    fed(parser, wire)

    assert parser.complete
    assert not parser.may_reuse


BAD = {
    "no HTTP": b"hello\r\n\r\n",
    "length twice": OK + b"content-length: 1\r\ncontent-length: 1\r\n\r\nx",
    "length and chunks": OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "coding before chunked": OK + b"transfer-encoding: gzip, chunked\r\n\r\n",
    "coding identity": OK + b"transfer-encoding: identity\r\n\r\n",
    "folded line": OK + b"x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "NUL": OK + b"x-a: \0\r\n\r\n",
    "bare LF": OK.replace(b"\r\n", b"\n") + b"content-length: 0\n\n",
    "chunk size with a plus": CHUNKED + b"+1\r\nx\r\n",
    "chunk size of nothing": CHUNKED + b"\r\nx\r\n",
    "chunk without an end": CHUNKED + b"1\r\nxx",
    "upgrade": b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nbytes",
}


@pytest.mark.parametrize("case", BAD)
def test_ambiguous_response_is_refused(case: str) -> None:
    """What two parsers could read in two ways is read in none."""
    with pytest.raises(BadResponse):
        fed(ResponseParser(), BAD[case])


@pytest.mark.parametrize("step", [1000, 10**6])
def test_head_is_bounded(step: int) -> None:
    """In one header or many, at once or in pieces."""
    for line in (
        b"x: " + b"y" * (MAX_HEAD_BYTES + 10),
        b"x: yyyyyyyyy\r\n" * (MAX_HEAD_BYTES // 10),
    ):
        wire = OK + line
        with pytest.raises(BadResponse):
            fed(ResponseParser(), *(wire[at : at + step] for at in range(0, len(wire), step)))


def test_headers_are_counted() -> None:
    """More than the bound of names is refused, however short they are."""
    lines = b"".join(b"x%d: y\r\n" % number for number in range(MAX_HEADERS + 1))
    with pytest.raises(BadResponse):
        fed(ResponseParser(), OK + lines + b"\r\n")


def test_framing_without_a_body_is_bounded() -> None:
    """A chunk's extension without end is refused; a body that flows is not."""
    parser = ResponseParser()
    fed(parser, CHUNKED + b"1;")
    with pytest.raises(BadResponse):
        fed(parser, *[b"x" * 100] * 1000)

    parser = ResponseParser()
    assert len(fed(parser, CHUNKED, *[b"64\r\n" + b"x" * 100 + b"\r\n"] * 1000)) == 100_000


@pytest.mark.parametrize("size", [1, 15, 16, 300, 0xABC, 4096, 8200])
@pytest.mark.parametrize("form", [b"%x\r\n%b\r\n", b"%X\r\n%b\r\n"])
def test_whole_chunk_is_read_without_llhttp(size: int, form: bytes) -> None:
    """Once one chunk is over, the next may be passed by, up to a size; then it reads on."""
    parser = ResponseParser()
    fed(parser, CHUNKED + b"2\r\nhi\r\n")
    seen = parser._body_bytes

    body = b"y" * size

    assert fed(parser, form % (size, body)) == body
    assert (parser._body_bytes == seen) == (size < 8000)
    assert fed(parser, b"3\r\nyou", b"\r\n0\r\n", b"\r\n") == b"you"
    assert parser.may_reuse


@pytest.mark.parametrize("surplus", [b"x", OK + b"content-length: 0\r\n\r\n", b"\r\n\r\nx"])
def test_what_follows_a_response_is_nobodys_answer(surplus: bytes) -> None:
    """Only one was asked for: whatever comes behind it, the connection is not used again."""
    parser = ResponseParser()
    try:
        fed(parser, OK + b"content-length: 2\r\n\r\nhi" + surplus)
    except BadResponse:
        return
    assert parser.status == 200
    assert not parser.may_reuse


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parser(noise: bytes) -> None:
    """It is a response or it is refused."""
    for prefix in (b"", OK, CHUNKED):
        parser = ResponseParser()
        try:
            fed(parser, prefix + noise)
        except BadResponse:
            continue
