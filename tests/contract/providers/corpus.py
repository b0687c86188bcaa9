"""Raw responses, good and bad, and what a transport makes of them.

A row is an upstream's whole answer to one call. `lean` is what our own transport makes of it, and
aiohttp's client the same, unless DIFFERENCES says what it does and why that may be.
"""

from dataclasses import dataclass
from typing import Final

from proxy.domain.outcome import FailureKind

OK: Final = b"HTTP/1.1 200 OK\r\n"
SIZED: Final = OK + b"content-length: 2\r\n\r\n{}"
CHUNKED: Final = OK + b"transfer-encoding: chunked\r\n\r\n"
END: Final = b"2\r\n{}\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply to its clean end. *kept*: its connection carried the next call too."""

    status: int
    body: bytes
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Broken:
    """A reply that began, and whose body broke. Together with its head it is a BAD_REPLY."""


Outcome = Whole | Broken | FailureKind

GOOD: Final = Whole(200, b"{}")
ONCE: Final = Whole(200, b"{}", kept=False)
BAD: Final = FailureKind.BAD_REPLY
GONE: Final = FailureKind.DISCONNECTED


@dataclass(frozen=True, slots=True)
class Row:
    """One answer: *raw*, then *tail* over and over for as long as it is read, or a cut."""

    raw: bytes
    lean: Outcome
    tail: bytes = b""
    cut: bool = False


GOOD_ROWS: Final = {
    "length": Row(SIZED, GOOD),
    "length in another case": Row(OK + b"CONTENT-length: 2\r\n\r\n{}", GOOD),
    "length with space": Row(OK + b"content-length:   2  \r\n\r\n{}", GOOD),
    "length zero": Row(OK + b"content-length: 0\r\n\r\n", Whole(200, b"")),
    "length with leading zeros": Row(OK + b"content-length: 0002\r\n\r\n{}", GOOD),
    "chunks": Row(CHUNKED + END, GOOD),
    "chunk for each byte": Row(CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", GOOD),
    "chunk size in capitals": Row(
        CHUNKED + b"000A\r\n0123456789\r\n00\r\n\r\n", Whole(200, b"0123456789")
    ),
    "chunks of no bytes": Row(CHUNKED + b"0\r\n\r\n", Whole(200, b"")),
    "chunk extension": Row(CHUNKED + b'2;a=b;c="d"\r\n{}\r\n0;e\r\n\r\n', GOOD),
    "trailer": Row(CHUNKED + b"2\r\n{}\r\n0\r\nx-sum: 1\r\n\r\n", GOOD),
    "coding in capitals": Row(OK + b"Transfer-Encoding: CHUNKED\r\n\r\n" + END, GOOD),
    "until the close": Row(OK + b"\r\n{}", ONCE, cut=True),
    "until the close, 1.0": Row(b"HTTP/1.0 200 OK\r\n\r\n{}", ONCE, cut=True),
    "until the close, nothing": Row(OK + b"\r\n", Whole(200, b"", kept=False), cut=True),
    "1.0 with a length": Row(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", ONCE),
    "1.0 kept alive": Row(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}", GOOD
    ),
    "close said": Row(OK + b"connection: close\r\ncontent-length: 2\r\n\r\n{}", ONCE),
    "close said, then closed": Row(
        OK + b"Connection: Close\r\ncontent-length: 2\r\n\r\n{}", ONCE, cut=True
    ),
    "keep-alive said": Row(OK + b"connection: keep-alive\r\ncontent-length: 2\r\n\r\n{}", GOOD),
    "kept alive for no time": Row(
        OK + b"keep-alive: timeout=1, max=5\r\ncontent-length: 2\r\n\r\n{}",
        ONCE,
    ),
    "interim 100": Row(b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED, GOOD),
    "interim 103 with headers": Row(b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n" + SIZED, GOOD),
    "interim, three": Row(b"HTTP/1.1 102 P\r\n\r\n" * 3 + SIZED, GOOD),
    "204": Row(b"HTTP/1.1 204 No Content\r\n\r\n", Whole(204, b"")),
    "304": Row(b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n", Whole(304, b"")),
    "304 with a length": Row(
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
        Whole(304, b"", kept=False),
    ),
    "reason of no words": Row(b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n{}", GOOD),
    "reason missing": Row(b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\n{}", GOOD),
    "reason in Latin 1": Row(b"HTTP/1.1 200 d\xe9j\xe0\r\ncontent-length: 2\r\n\r\n{}", GOOD),
    "empty values": Row(OK + b"x-a:\r\nx-b: \r\ncontent-length: 2\r\n\r\n{}", GOOD),
    "obs-text": Row(OK + b"x-a: caf\xe9 \xff\r\ncontent-length: 2\r\n\r\n{}", GOOD),
    "status 599": Row(b"HTTP/1.1 599 X\r\ncontent-length: 2\r\n\r\n{}", Whole(599, b"{}")),
    "status 999": Row(b"HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\n{}", Whole(999, b"{}")),
    "upgrade offered": Row(
        OK + b"upgrade: h2,h2c\r\nconnection: upgrade, keep-alive\r\ncontent-length: 2\r\n\r\n{}",
        GOOD,
    ),
    "blank lines before": Row(b"\r\n\r\n" + SIZED, GOOD),
    "100 headers": Row(OK + b"x-a: b\r\n" * 100 + b"content-length: 2\r\n\r\n{}", GOOD),
    "header of 8,000 bytes": Row(OK + b"x-a: %b\r\n" % (b"y" * 8000) + SIZED[len(OK) :], GOOD),
}

HEAD_ROWS: Final = {
    "no answer": Row(b"", GONE, cut=True),
    "cut in the status line": Row(b"HTTP/1.1 20", GONE, cut=True),
    "cut in the head": Row(OK + b"content-le", GONE, cut=True),
    "cut after an interim": Row(b"HTTP/1.1 100 C\r\n\r\n", GONE, cut=True),
    "words before": Row(b"hello" + SIZED, BAD),
    "space before": Row(b" " + SIZED, BAD),
    "two status lines": Row(OK + SIZED, BAD),
    "status of two digits": Row(b"HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "status of four digits": Row(b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "status 099": Row(b"HTTP/1.1 099 X\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "status negative": Row(b"HTTP/1.1 -20 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "version 0.9": Row(b"HTTP/0.9 200 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "version 2.0": Row(b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "version 1.2": Row(b"HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "small http": Row(b"http/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "length twice, the same": Row(OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "length twice, different": Row(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", BAD),
    "length in a list": Row(OK + b"content-length: 2, 2\r\n\r\n{}", BAD),
    "length with a plus": Row(OK + b"content-length: +2\r\n\r\n{}", BAD),
    "length negative": Row(OK + b"content-length: -2\r\n\r\n{}", BAD),
    "length in hex": Row(OK + b"content-length: 0x2\r\n\r\n{}", BAD),
    "length underscored": Row(OK + b"content-length: 0_2\r\n\r\n{}", BAD),
    "length empty": Row(OK + b"content-length:\r\n\r\n{}", BAD),
    "length huge": Row(OK + b"content-length: %b\r\n\r\n{}" % (b"9" * 40), BAD),
    "length and chunks": Row(
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n" + END, BAD
    ),
    "chunks and length": Row(
        OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n" + END, BAD
    ),
    "coding gzip, chunked": Row(OK + b"transfer-encoding: gzip, chunked\r\n\r\n" + END, BAD),
    "coding chunked, gzip": Row(
        OK + b"transfer-encoding: chunked, gzip\r\n\r\n" + END, BAD, cut=True
    ),
    "coding chunked twice": Row(OK + b"transfer-encoding: chunked, chunked\r\n\r\n" + END, BAD),
    "coding in two headers": Row(
        OK + b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n" + END, BAD
    ),
    "coding identity": Row(OK + b"transfer-encoding: identity\r\n\r\n" + END, BAD, cut=True),
    "coding xchunked": Row(OK + b"transfer-encoding: xchunked\r\n\r\n" + END, BAD, cut=True),
    "coding empty": Row(OK + b"transfer-encoding:\r\n\r\n" + END, BAD, cut=True),
    "coding with a tab behind": Row(
        OK + b"transfer-encoding: chunked\t\r\n\r\n" + END, BAD, cut=True
    ),
    "coding with a VT": Row(OK + b"transfer-encoding: \x0bchunked\r\n\r\n" + END, BAD, cut=True),
    "LF alone, everywhere": Row(SIZED.replace(b"\r\n", b"\n"), BAD),
    "LF alone, status line": Row(SIZED.replace(b"\r\n", b"\n", 1), BAD),
    "LF alone, header": Row(OK + b"x-a: b\ncontent-length: 2\r\n\r\n{}", BAD),
    "LF alone, end of head": Row(OK + b"content-length: 2\r\n\n{}", BAD),
    "CR alone": Row(OK + b"x-a: b\rcontent-length: 2\r\n\r\n{}", BAD),
    "folded header": Row(OK + b"x-a: b\r\n c\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "folded length": Row(OK + b"content-length:\r\n 2\r\n\r\n{}", BAD),
    "folded first line": Row(OK + b" x-a: b\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "name with a space": Row(OK + b"x a: b\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "space before the colon": Row(OK + b"content-length : 2\r\n\r\n{}", BAD),
    "name empty": Row(OK + b": b\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "no colon": Row(OK + b"words\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "NUL in a value": Row(OK + b"x-a: \0\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "control byte in a value": Row(OK + b"x-a: \x01\r\ncontent-length: 2\r\n\r\n{}", BAD),
    "101 with upgrade": Row(
        b"HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n" + SIZED, BAD
    ),
    "101 alone": Row(b"HTTP/1.1 101 S\r\n\r\n" + SIZED, BAD),
    "interim with a body": Row(b"HTTP/1.1 104 X\r\ncontent-length: 4\r\n\r\nevil" + SIZED, BAD),
    "interim with chunks": Row(
        b"HTTP/1.1 104 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n" + SIZED, BAD
    ),
    "interim that closes": Row(b"HTTP/1.1 100 C\r\nconnection: close\r\n\r\n" + SIZED, BAD),
    "10 MB in a header": Row(OK + b"x-a: " + b"y" * 10_000_000 + SIZED[len(OK) :], BAD),
    "10 MB in a reason": Row(b"HTTP/1.1 200 " + b"y" * 10_000_000 + SIZED[len(OK) - 2 :], BAD),
    "300 headers": Row(OK + b"x-a: b\r\n" * 300 + b"content-length: 2\r\n\r\n{}", BAD),
    "endless header": Row(OK + b"x-a: ", BAD, tail=b"y" * 4096),
    "endless headers": Row(OK, BAD, tail=b"x-a: y\r\n" * 512),
    "endless headers, empty": Row(OK, BAD, tail=b"a:\r\n" * 512),
    "endless interims": Row(b"", BAD, tail=b"HTTP/1.1 100 C\r\n\r\n" * 128),
    "endless blank lines": Row(b"", BAD, tail=b"\r\n" * 2048),
    "endless reason": Row(b"HTTP/1.1 200 ", BAD, tail=b"y" * 4096),
}

BODY_ROWS: Final = {
    "chunk size with a plus": Row(CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size negative": Row(CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size with 0x": Row(CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size underscored": Row(CHUNKED + b"0_2\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size with a space": Row(CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size empty": Row(CHUNKED + b"\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size of no hex": Row(CHUNKED + b"g\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size huge": Row(CHUNKED + b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size too small": Row(CHUNKED + b"1\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk size too large": Row(CHUNKED + b"4\r\n{}\r\n0\r\n\r\n", Broken()),
    "chunk without CRLF behind": Row(CHUNKED + b"2\r\n{}0\r\n\r\n", Broken()),
    "chunk with LF behind the size": Row(CHUNKED + b"2\n{}\r\n0\r\n\r\n", Broken()),
    "chunk with LF behind it": Row(CHUNKED + b"2\r\n{}\n0\r\n\r\n", Broken()),
    "chunk extension with LF": Row(CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n", Broken()),
    "trailer with a length": Row(CHUNKED + b"2\r\n{}\r\n0\r\ncontent-length: 9\r\n\r\n", Broken()),
    "trailer that is no header": Row(CHUNKED + b"2\r\n{}\r\n0\r\nwords\r\n\r\n", Broken()),
    "endless chunk extension": Row(CHUNKED + b"2;", Broken(), tail=b"x" * 4096),
    "endless chunk extensions": Row(CHUNKED, Broken(), tail=b"1;%b\r\n{\r\n" % (b"x" * 8192)),
    "endless chunk size": Row(CHUNKED, Broken(), tail=b"0" * 4096),
    "endless trailer": Row(CHUNKED + b"0\r\nx-a: ", Broken(), tail=b"y" * 4096),
    "endless trailers": Row(CHUNKED + b"0\r\n", Broken(), tail=b"x-a: y\r\n" * 512),
    "1.0 in chunks": Row(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n" + END,
        ONCE,
    ),
}

BEHIND_ROWS: Final = {
    "byte behind": Row(SIZED + b"x", ONCE),
    "second answer behind": Row(SIZED + OK + b"content-length: 4\r\n\r\nevil", ONCE),
    "second answer behind chunks": Row(CHUNKED + END + OK + b"content-length: 4\r\n\r\nevil", ONCE),
    "half an answer behind": Row(SIZED + b"HTTP/1.1 200", ONCE),
    "interim behind": Row(SIZED + b"HTTP/1.1 100 C\r\n\r\n", ONCE),
    "bytes behind a close": Row(OK + b"connection: close\r\ncontent-length: 2\r\n\r\n{}evil", ONCE),
    "204 with a body": Row(
        b"HTTP/1.1 204 X\r\ncontent-length: 4\r\n\r\nevil", Whole(204, b"", kept=False)
    ),
    "204 with chunks": Row(
        b"HTTP/1.1 204 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        Whole(204, b"", kept=False),
    ),
    "204 with bytes behind": Row(b"HTTP/1.1 204 X\r\n\r\nevil", Whole(204, b"", kept=False)),
    "304 with a body": Row(
        b"HTTP/1.1 304 X\r\ncontent-length: 4\r\n\r\nevil", Whole(304, b"", kept=False)
    ),
}

ROWS: Final = {**GOOD_ROWS, **HEAD_ROWS, **BODY_ROWS, **BEHIND_ROWS}

LAX: Final = "aiohttp takes what RFC 9112 calls wrong or ambiguous"
UNFRAMED: Final = "aiohttp takes a coding that it does not know for a body until the close"
ENDLESS: Final = "aiohttp sets no bound to it: the caller's deadline ends it"
BEHIND: Final = "aiohttp blames the reply for what came in one read behind it"

_LAX = {
    "status 099": Whole(99, b"{}"),
    "version 0.9": ONCE,
    "version 2.0": ONCE,
    "coding gzip, chunked": GOOD,
    "coding chunked twice": GOOD,
    "coding in two headers": GOOD,
    "LF alone, everywhere": GOOD,
    "LF alone, status line": GOOD,
    "LF alone, header": GOOD,
    "LF alone, end of head": GOOD,
    "folded header": GOOD,
    "folded length": GOOD,
    "folded first line": GOOD,
    "space before the colon": GOOD,
    "control byte in a value": GOOD,
    "101 with upgrade": Whole(101, b"", kept=False),
    "101 alone": Whole(101, b""),
    "interim with a body": GOOD,
    "interim with chunks": GOOD,
    "chunk size with a space": GOOD,
    "chunk with LF behind it": GOOD,
    "1.0 in chunks": GOOD,
}
_UNFRAMED = [
    "coding chunked, gzip",
    "coding identity",
    "coding xchunked",
    "coding empty",
    "coding with a tab behind",
    "coding with a VT",
]
_ENDLESS = [
    "endless interims",
    "endless blank lines",
    "endless chunk extension",
    "endless chunk extensions",
    "endless chunk size",
]
_BEHIND = [
    "byte behind",
    "bytes behind a close",
    "204 with a body",
    "204 with chunks",
    "204 with bytes behind",
    "304 with a body",
]

DIFFERENCES: Final[dict[str, tuple[Outcome | None, str]]] = {
    "kept alive for no time": (GOOD, "aiohttp does not heed what a server says of its patience"),
    "304 with a length": (Whole(304, b""), "ours does not wait to see whether it is sent"),
    "half an answer behind": (GOOD, "aiohttp sees an answer only when its head is whole"),
    **{name: (outcome, LAX) for name, outcome in _LAX.items()},
    **{name: (Whole(200, END, kept=False), UNFRAMED) for name in _UNFRAMED},
    **dict.fromkeys(_ENDLESS, (None, ENDLESS)),
    **dict.fromkeys(_BEHIND, (BAD, BEHIND)),
}
"""What aiohttp's client makes of a row (None: nothing, ever) where that is not `lean`, and why."""
