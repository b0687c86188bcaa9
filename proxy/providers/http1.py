"""An upstream's HTTP/1.1 response, parsed by llhttp with bounds of our own. Pure.

llhttp bounds neither a head nor a chunk's extensions, and takes transfer codings that we could
not undo. Whatever is out of bounds or ambiguous is refused: the connection is then of no use.
"""

import re
from typing import Final

import httptools

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 200
"""Both count all heads of one answer: the interim ones (1xx), its own, and the trailer."""

MAX_FRAMING_BYTES: Final = 16 * 1024
FRAMING_PER_BODY_BYTE: Final = 32
"""How much more than a body's own bytes may come with it: chunk sizes, extensions, trailers. A
chunk of one byte needs five, so that who chunks at all honestly never comes near.
"""

_KEEP_ALIVE_S = re.compile(r"(?:^|[ ,])timeout=([0-9]{1,6})(?:$|[ ,])", re.IGNORECASE)


PLAIN_FRAME_BYTES: Final = 8 * 1024
"""Up to this size a chunk that comes whole, alone and without extensions is not left to llhttp,
which takes 1.4 us with all that it calls; this way takes 0.5.
"""


def _plain_frame(frame_bytes: int) -> tuple[int, frozenset[bytes]]:
    """Where the body starts in a frame of this length, and how it must begin for that."""
    for digits in (1, 2, 3, 4):
        head = b"%x\r\n" % max(0, frame_bytes - digits - 4)
        if len(head) == digits + 2 and head != b"0\r\n":
            return len(head), frozenset((head, head.upper()))
    return 0, frozenset()


_PLAIN_FRAMES: Final = tuple(map(_plain_frame, range(PLAIN_FRAME_BYTES)))


class BadResponse(Exception):  # noqa: N818 - what came, not what we did
    """These bytes are no response that we take."""


class ResponseParser:
    """Parses the responses on one connection, one after another.

    After `feed`: `status` and `headers` (names in lower case, last one wins) once the head is
    whole, `complete` at the body's end. `surplus`: bytes came after it, which are dropped and
    spoil the connection but not the response before them. `begin` makes ready for the next
    response.

    llhttp need not see a chunk that begins and ends where a feed does, since between two chunks
    it has nothing to remember. Whatever is not plainly such a chunk is llhttp's to judge.
    """

    __slots__ = (
        "_between_chunks",
        "_body",
        "_body_bytes",
        "_coding_count",
        "_framing_bytes",
        "_head_bytes",
        "_header_count",
        "_keep_alive",
        "_length_count",
        "_parser",
        "_unfinished_bytes",
        "_until_eof",
        "complete",
        "headers",
        "status",
        "surplus",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.begin()

    def begin(self) -> None:
        """Forget the last response."""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.complete = False
        self.surplus = False
        self._body.clear()
        self._body_bytes = 0
        self._between_chunks = False
        self._framing_bytes = 0
        self._head_bytes = 0
        self._header_count = 0
        self._unfinished_bytes = 0
        self._length_count = 0
        self._coding_count = 0
        self._until_eof = False
        self._keep_alive = False

    def feed(self, data: bytes) -> bytes:
        """Parse *data*; returns what it brought of the body, which may be empty.

        Raises:
            BadResponse: out of bounds, or not HTTP/1.1 as we take it.
        """
        if self._between_chunks and len(data) < PLAIN_FRAME_BYTES:
            start, heads = _PLAIN_FRAMES[len(data)]
            if data[:start] in heads and data[-2:] == b"\r\n":
                return data[start:-2]
        return self._feed_llhttp(data)

    def _feed_llhttp(self, data: bytes) -> bytes:
        in_body = self.status is not None
        self._body_bytes = 0
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                raise BadResponse from None
            self.surplus = True
        else:
            if self.status is None:
                self._unfinished_bytes += len(data)
                if self._unfinished_bytes > MAX_HEAD_BYTES:
                    raise BadResponse
            elif in_body:
                framing = len(data) - FRAMING_PER_BODY_BYTE * self._body_bytes
                if framing > 0 or self._framing_bytes:
                    self._weigh(framing)
            if self._between_chunks:
                # If more came, it has no line end: with one, `on_chunk_header` was called.
                self._between_chunks = data.endswith(b"\n") and not self._framing_bytes
        return self._take_body()

    def _take_body(self) -> bytes:
        body = self._body
        if not body:
            return b""
        whole = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        return whole

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body has no framing, so that the connection's clean end is its own."""
        return self._until_eof and self.status is not None and not self.complete

    @property
    def may_reuse(self) -> bool:
        """Whether another response may follow on this connection."""
        return self.complete and self._keep_alive and not self.surplus and not self._until_eof

    @property
    def keep_alive_s(self) -> float | None:
        """How long the server says it keeps the connection, None if it does not say."""
        stated = self.headers.get("keep-alive")
        found = None if stated is None else _KEEP_ALIVE_S.search(stated)
        return None if found is None else float(found[1])

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """A response begins; a second one was not asked for."""
        if self.complete:
            raise BadResponse

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head, or of the trailer, which is counted and dropped."""
        self._header_count += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES or self._header_count > MAX_HEADERS:
            raise BadResponse
        if self.status is not None:
            return
        key = name.decode("latin-1").lower()
        if key == "content-length":
            self._length_count += 1
        elif key == "transfer-encoding":
            self._coding_count += 1
            # Exactly this: llhttp and we could read anything around it differently.
            if value.lower() != b"chunked":
                raise BadResponse
        self.headers[key] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        parser = self._parser
        status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadResponse
        self._head_bytes += len("HTTP/1.1 200\r\n\r\n")
        if status >= 200:
            self._check_framing(status, version)
            # llhttp forgets this as soon as the response is whole.
            self._keep_alive = self._keep_alive and parser.should_keep_alive()
            self.status = status
        elif status < 100 or status == 101 or self._length_count or self._coding_count:
            # No body goes with an interim response, and we asked for no other protocol.
            raise BadResponse

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        self._body.append(body)

    def on_chunk_header(self) -> None:
        """A chunk's size line is whole."""
        self._between_chunks = False

    def on_chunk_complete(self) -> None:
        """A chunk is whole, its line end included."""
        self._between_chunks = True

    def on_message_complete(self) -> None:
        """The response is whole; an interim one (1xx) is followed by the one we wait for."""
        if self.status is None:
            self.headers.clear()
        else:
            self.complete = True
            self._between_chunks = False

    def _check_framing(self, status: int, version: str) -> None:
        if self._length_count + self._coding_count > 1:
            raise BadResponse
        framed = self._length_count + self._coding_count == 1
        if status in (204, 304):
            # No body, whatever is said of one; who says so may yet send it.
            self._keep_alive = not framed
        else:
            self._until_eof = not framed
            # RFC 9112 6.1: chunks of HTTP/1.0 are read, but the connection is not trusted.
            self._keep_alive = version == "1.1" or not self._coding_count

    def _weigh(self, framing_bytes: int) -> None:
        framing_bytes += self._framing_bytes
        if framing_bytes > MAX_FRAMING_BYTES:
            raise BadResponse
        self._framing_bytes = max(framing_bytes, 0)
