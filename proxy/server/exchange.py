"""One request of a client: what its head says, its body under caps. I/O: one socket.

Only headers on the allow-list go upstream; hop-by-hop headers, cookies, `x-forwarded-*`, the
caller's key and our own `x-pointsman-*` never do.
"""

import asyncio
import os
import re
from collections.abc import KeysView, Mapping

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestPayloadError
from multidict import CIMultiDictProxy

from proxy.config.settings import Limits
from proxy.errors import GatewayError
from proxy.ports import Clock
from proxy.server.sink import ClientSink

FORWARDED = ("idempotency-key", "openai-beta", "traceparent", "tracestate", "x-client-request-id")
_NONE: Mapping[str, str] = {}

FLOOR_BYTES_PER_S = 1024
FLOOR_AFTER_S = 10.0
"""A body that comes slower than this, after a first grace, is not waited for."""

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?:(?<!^00.{53})-[!-~]*)?"  # more fields may follow from version 01 on
)


class SentHeaders:
    """A request's headers (implements `request.Headers`)."""

    __slots__ = ("_fields",)

    def __init__(self, fields: CIMultiDictProxy[str]) -> None:
        self._fields = fields

    def get(self, name: str, /) -> str | None:
        """The field *name*; several of that name with commas between (RFC 9110, 5.3)."""
        if name not in self._fields:
            return None
        return ", ".join(self._fields.getall(name))

    def keys(self) -> KeysView[str]:
        """All names, in any case."""
        return self._fields.keys()


class HttpExchange:
    """One request (implements `ports.Exchange`)."""

    def __init__(self, request: web.BaseRequest, path: str, limits: Limits, clock: Clock) -> None:
        self._request = request
        self._limits = limits
        self.method = request.method
        self.path = path
        self.request_id = f"req_{os.urandom(12).hex()}"
        self.sink = ClientSink(request, self.request_id, clock, limits.client_stall_s)
        self.drained = False
        self.body_bytes = 0

    @property
    def authorization(self) -> str | None:
        """The Authorization header as sent.

        Raises:
            GatewayError: there are two, so that two readers could take different ones.
        """
        values = self._request.headers.getall("Authorization", ())
        if len(values) > 1:
            raise GatewayError("malformed_request")
        return values[0] if values else None

    @property
    def headers(self) -> "SentHeaders":
        """All of the client's headers."""
        return SentHeaders(self._request.headers)

    @property
    def forwarded(self) -> Mapping[str, str]:
        """The client's headers that may go upstream."""
        headers = self._request.headers
        if headers.keys().isdisjoint(FORWARDED):
            return _NONE
        found = {
            name: value
            for name in FORWARDED
            if (value := headers.get(name)) is not None and value.isascii()
        }
        if found and self.trace_id is None:
            found.pop("traceparent", None)
            found.pop("tracestate", None)
        return found

    @property
    def trace_id(self) -> str | None:
        """The trace id of a valid `traceparent`."""
        traceparent = self._request.headers.get("traceparent")
        if traceparent is None:
            return None
        match = _TRACEPARENT.fullmatch(traceparent)
        return None if match is None else match[1]

    def cancel(self) -> None:
        """End the connection's task, and with it whatever this exchange waits for."""
        self._request.task.cancel()

    async def body(self) -> bytes:
        """Read the body under its caps and deadline."""
        request, cap = self._request, self._limits.max_body_bytes
        headers = request.headers
        _check_type(headers.get("Content-Type"), headers.get("Content-Encoding"))
        content = request.content
        if content.is_eof():  # it came together with the head, as most do
            body = content.read_nowait(-1)
            self.body_bytes = len(body)
            if len(body) > cap:
                raise GatewayError("body_too_large", limit=cap)
            return body
        if (request.content_length or 0) > cap:
            raise GatewayError("body_too_large", limit=cap)
        self._invite()
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                return await self._read(cap)
        except TimeoutError:
            raise GatewayError("request_timeout", limit=self._limits.body_timeout_s) from None
        except (RequestPayloadError, web.PayloadAccessError):
            raise GatewayError("body_incomplete") from None

    def _invite(self) -> None:
        # The head was found good, so a client that asked first may send its body now.
        transport = self._request.transport
        expects = self._request.headers.get("Expect", "").lower() == "100-continue"
        if expects and self._request.version >= HttpVersion11 and transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _read(self, cap: int) -> bytes:
        content = self._request.content
        loop = asyncio.get_running_loop()
        started = loop.time()
        parts: list[bytes] = []
        size = 0
        while not content.at_eof():
            part = await content.readany()
            size += len(part)
            if size > cap:
                raise GatewayError("body_too_large", limit=cap)
            self.body_bytes = size
            parts.append(part)
            elapsed_s = loop.time() - started
            if elapsed_s > FLOOR_AFTER_S and size < elapsed_s * FLOOR_BYTES_PER_S:
                raise GatewayError("request_timeout", limit=round(elapsed_s))
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_type(content_type: str | None, content_encoding: str | None) -> None:
    if content_type == "application/json" and content_encoding is None:
        return  # as nearly every client says it
    if content_encoding is not None and content_encoding.strip().lower() != "identity":
        raise GatewayError("unsupported_content_encoding")
    media, *parameters = (content_type or "").lower().split(";")
    if media.strip() != "application/json":
        raise GatewayError("unsupported_content_type")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' \t"') not in ("utf-8", "utf8"):
            raise GatewayError("unsupported_content_type")
