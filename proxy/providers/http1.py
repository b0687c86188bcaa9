"""An upstream's HTTP/1.1 response, parsed by llhttp with bounds of our own. Pure.

llhttp bounds neither a head nor a chunk's extensions, and takes transfer codings that we could
not undo. Whatever is out of bounds or ambiguous is refused: the connection is then of no use.
"""

from typing import Final

import httptools

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 200
MAX_SILENT_BYTES: Final = 16 * 1024
"""Bytes of a body that bring nothing: chunk extensions, or the digits of one size."""


class BadResponse(Exception):  # noqa: N818 - what came, not what we did
    """These bytes are no response that we take."""


class ResponseParser:
    """Parses the responses on one connection, one after another.

    After `feed`: `status` and `headers` (names in lower case, last one wins) once the head is
    whole, `take_body` for what came of the body, `complete` at its end. `surplus`: bytes came
    after it. `begin` makes ready for the next response.
    """

    __slots__ = (
        "_body",
        "_coding_count",
        "_head_bytes",
        "_head_whole",
        "_keep_alive",
        "_length_count",
        "_parser",
        "_progress",
        "_silent_bytes",
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
        self._start_head()

    def feed(self, data: bytes) -> None:
        """Parse *data*.

        Raises:
            BadResponse: out of bounds, or not HTTP/1.1 as we take it.
        """
        self._progress = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise BadResponse from None
        if self.status is None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise BadResponse
        elif self._progress:
            self._silent_bytes = 0
        else:
            self._silent_bytes += len(data)
            if self._silent_bytes > MAX_SILENT_BYTES:
                raise BadResponse

    def take_body(self) -> bytes:
        """What came of the body since the last call, in one piece; may be empty."""
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

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """A response begins; a second one was not asked for."""
        if self.complete:
            self.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailer, which is counted and dropped."""
        self._progress = True
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES or self.surplus:
            raise BadResponse
        if self._head_whole:
            return
        key = name.decode("latin-1").lower()
        self._length_count += key == "content-length"
        self._coding_count += key == "transfer-encoding"
        self.headers[key] = value.decode("latin-1").strip()
        if len(self.headers) > MAX_HEADERS:
            raise BadResponse

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._progress = True
        status = self._parser.get_status_code()
        if self.surplus or status < 100:
            raise BadResponse
        if status < 200:
            return
        self._check_framing(status)
        # llhttp forgets this as soon as the response is whole.
        self._keep_alive = self._parser.should_keep_alive()
        self._head_whole = True
        self.status = status

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._progress = True
        self._body.append(body)

    def on_chunk_header(self) -> None:
        """A chunk's size was read."""
        self._progress = True

    def on_message_complete(self) -> None:
        """The response is whole; an interim one (1xx) is followed by the one we wait for."""
        self._progress = True
        if self.status is None:
            self.headers.clear()
            self._start_head()
        else:
            self.complete = True

    def _start_head(self) -> None:
        self._head_bytes = 0
        self._head_whole = False
        self._silent_bytes = 0
        self._length_count = 0
        self._coding_count = 0
        self._until_eof = False
        self._keep_alive = False
        self._progress = False

    def _check_framing(self, status: int) -> None:
        if self._length_count > 1 or self._coding_count > 1:
            raise BadResponse
        if self._coding_count:
            if self._length_count or self.headers["transfer-encoding"].lower() != "chunked":
                raise BadResponse
        elif not self._length_count:
            self._until_eof = status not in (204, 304)
