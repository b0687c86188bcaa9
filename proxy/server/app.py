"""What is served where: one small table of paths, and the outermost frame of every request.

I/O: by aiohttp. The frame is the one place where a GatewayError becomes an answer and where an
error nobody expected becomes a 500; both have been settled and recorded by then.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

from aiohttp import HttpVersion10, HttpVersion11, web

from proxy.config.settings import Limits
from proxy.domain.catalog import Endpoint
from proxy.errors import GatewayError
from proxy.pipeline import Pipeline
from proxy.ports import Clock, Head
from proxy.server.exchange import HttpExchange
from proxy.server.lifecycle import Lifecycle
from proxy.server.sink import Written

MODELS = "/v1/models"
ONE_MODEL = "/v1/models/{id}"
OTHER = "other"
OPERATIONS = ("/healthz", "/readyz", "/metrics")

_POSTS = {f"/v1/{endpoint.value}": endpoint for endpoint in Endpoint}

T = TypeVar("T")

Report = Callable[[str, BaseException], None]
"""Takes the request id and an error nobody expected, for the operators' log."""


@dataclass(frozen=True, slots=True)
class Operations:
    """What probes and scrapes ask: whether this process can know any key yet, and the metrics
    with their content type.
    """

    knows_keys: Callable[[], bool]
    render_metrics: Callable[[], tuple[bytes, str]]


class Gateway:
    """Serves the gateway's paths. One for a process."""

    def __init__(
        self,
        pipeline: Pipeline,
        operations: Operations,
        *,
        lifecycle: Lifecycle,
        report: Report,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._lifecycle = lifecycle
        self._stays = Written(keep_alive=True)
        self._ends = Written(keep_alive=False)
        self._knows_keys = operations.knows_keys
        self._report = report
        self._limits = limits
        self._clock = clock
        self._operations: dict[str, Callable[[], tuple[int, bytes, str]]] = {
            "/healthz": lambda: (200, b'{"status":"ok"}', "application/json"),
            "/readyz": self._readiness,
            "/metrics": lambda: (200, *operations.render_metrics()),
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer *request*; never raises but cancellation."""
        if not _is_plainly_framed(request):
            return self.refuse(request, GatewayError("malformed_request"))
        path = _path_of(request.raw_path)
        exchange = HttpExchange(request, _pattern_of(path), self._limits, self._clock)
        self._lifecycle.enter(exchange)
        try:
            try:
                if self._lifecycle.closed:
                    self._pipeline.refuse(exchange, GatewayError("draining"))
                await self._answer(exchange, path)
            except GatewayError as error:
                exchange.sink.break_off(error)
            except Exception as error:
                self._report(exchange.request_id, error)
                exchange.sink.break_off(GatewayError("internal_error"))
            if exchange.sink.paused:
                await exchange.sink.taken()
        finally:
            self._lifecycle.leave(exchange)
        return self._stays if exchange.sink.keeps_connection else self._ends

    def refuse(self, request: web.BaseRequest, error: GatewayError) -> web.StreamResponse:
        """Answer what could not be parsed as a request."""
        exchange = HttpExchange(request, OTHER, self._limits, self._clock)
        exchange.sink.close_after()
        with suppress(GatewayError):
            self._pipeline.refuse(exchange, error)
        exchange.sink.break_off(error)
        return self._ends

    def _answer(self, exchange: HttpExchange, path: str) -> Awaitable[None]:
        if exchange.path in _POSTS:
            return self._only("POST", exchange, self._pipeline.answer, _POSTS[exchange.path])
        if exchange.path == MODELS:
            return self._only("GET", exchange, self._pipeline.models, None)
        if exchange.path == ONE_MODEL:
            route_id = unquote(path[len(MODELS) + 1 :])
            return self._only("GET", exchange, self._pipeline.models, route_id)
        if exchange.path in self._operations:
            # Some balancers probe by HEAD.
            method = "HEAD" if exchange.method == "HEAD" else "GET"
            return self._only(method, exchange, self._operate, exchange.path)
        return self._refuse(exchange, GatewayError("unknown_path"))

    def _only(
        self,
        method: str,
        exchange: HttpExchange,
        serve: Callable[[HttpExchange, T], Awaitable[None]],
        subject: T,
    ) -> Awaitable[None]:
        if exchange.method != method:
            return self._refuse(exchange, GatewayError("method_not_allowed", allowed=method))
        return serve(exchange, subject)

    async def _refuse(self, exchange: HttpExchange, error: GatewayError) -> None:
        self._pipeline.refuse(exchange, error)

    async def _operate(self, exchange: HttpExchange, path: str) -> None:
        # Probes and scrapes leave no record: they would drown the requests.
        status, body, content_type = self._operations[path]()
        exchange.sink.start(Head(status, content_type, len(body), stream=False))
        if exchange.method != "HEAD":
            exchange.sink.write(body)
        exchange.sink.end()

    def _readiness(self) -> tuple[int, bytes, str]:
        if self._lifecycle.draining:
            return 503, b'{"status":"draining"}', "application/json"
        if not self._knows_keys():
            return 503, b'{"status":"waiting for Redis"}', "application/json"
        return 200, b'{"status":"ready"}', "application/json"


def _is_plainly_framed(request: web.BaseRequest) -> bool:
    """Whether nobody could read another body, or another next request, from the same bytes.

    The parser also lets HTTP/0.9 and 2.0 pass, any coding before `chunked`, and chunks in
    HTTP/1.0.
    """
    coding = request.headers.get("Transfer-Encoding")
    if request.version == HttpVersion11:
        return coding is None or coding.lower() == "chunked"
    return request.version == HttpVersion10 and coding is None


def _path_of(target: str) -> str:
    """The path of a request's *target*, which may be a whole URL (RFC 9112, 3.2.2)."""
    scheme, is_url, rest = target.partition("://")
    if is_url and scheme.lower() in ("http", "https"):
        target = "/" + rest.partition("/")[2]
    return target.partition("?")[0]


def _pattern_of(path: str) -> str:
    if path in _POSTS or path in (MODELS, *OPERATIONS):
        return path
    if path.startswith(MODELS + "/") and len(path) > len(MODELS) + 1:
        return ONE_MODEL
    return OTHER
