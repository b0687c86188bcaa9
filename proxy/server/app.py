"""What is served where: one small table of paths, and the outermost frame of every request.

I/O: by aiohttp. The frame is the one place where a GatewayError becomes an answer and where an
error nobody expected becomes a 500; both have been settled and recorded by then.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
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
ROUTE = "/v1/route"
ONE_MODEL = "/v1/models/{id}"
OTHER = "other"
OPERATIONS = ("/healthz", "/readyz", "/metrics")

Report = Callable[[str, BaseException], None]
"""Takes the request id and an error nobody expected, for the operators' log."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is served at a path, by which method (None: by any); `pattern` is how logs name it."""

    method: str | None
    pattern: str
    serve: Callable[[HttpExchange], Awaitable[None]]


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
        self._places = {
            **{
                f"/v1/{endpoint.value}": Place(
                    "POST", f"/v1/{endpoint.value}", partial(pipeline.answer, endpoint=endpoint)
                )
                for endpoint in Endpoint
            },
            ROUTE: Place("POST", ROUTE, pipeline.route),
            MODELS: Place("GET", MODELS, partial(pipeline.models, route_id=None)),
            **{path: Place("GET", path, self._operate) for path in OPERATIONS},
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer *request*; never raises but cancellation."""
        if not _is_plainly_framed(request):
            return self.refuse(request, GatewayError("malformed_request"))
        place = self._places.get(request.raw_path) or self._place_of(request.raw_path)
        exchange = HttpExchange(request, place.pattern, self._limits, self._clock)
        self._lifecycle.enter(exchange)
        try:
            try:
                if self._lifecycle.closed:
                    self._pipeline.refuse(exchange, GatewayError("draining"))
                if request.method != place.method and place.method is not None:
                    self._refuse_method(exchange, place.method)
                await place.serve(exchange)
            except GatewayError as error:
                exchange.sink.break_off(_unwound(error))
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
        exchange.sink.break_off(_unwound(error))
        return self._ends

    def _place_of(self, target: str) -> Place:
        """The place that a request's *target* names, by its path alone."""
        path = _path_of(target)
        if (place := self._places.get(path)) is not None:
            return place
        if path.startswith(MODELS + "/") and len(path) > len(MODELS) + 1:
            route_id = unquote(path[len(MODELS) + 1 :])
            return Place("GET", ONE_MODEL, partial(self._pipeline.models, route_id=route_id))
        return Place(None, OTHER, self._refuse_path)

    async def _refuse_path(self, exchange: HttpExchange) -> None:
        self._pipeline.refuse(exchange, GatewayError("unknown_path"))

    def _refuse_method(self, exchange: HttpExchange, allowed: str) -> None:
        if allowed == "GET" and exchange.method == "HEAD" and exchange.path in OPERATIONS:
            return  # some balancers probe so
        self._pipeline.refuse(exchange, GatewayError("method_not_allowed", allowed=allowed))

    async def _operate(self, exchange: HttpExchange) -> None:
        # Probes and scrapes leave no record: they would drown the requests.
        status, body, content_type = self._operations[exchange.path]()
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


def _unwound(error: GatewayError) -> GatewayError:
    """*error* without the frames that it and its causes came through. They hold the request, which
    holds its error: what was refused would stay, its body too, until the collector's rare visit.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _is_plainly_framed(request: web.BaseRequest) -> bool:
    """Whether nobody could read another body, or another next request, from the same bytes.

    The parser also lets HTTP/0.9 and 2.0 pass, any coding before `chunked`, and chunks in
    HTTP/1.0.
    """
    coding = request.headers.get("Transfer-Encoding")
    version = request.version
    if version is HttpVersion11 or version == HttpVersion11:
        return coding is None or coding.lower() == "chunked"
    return version == HttpVersion10 and coding is None


def _path_of(target: str) -> str:
    """The path of a request's *target*, which may be a whole URL (RFC 9112, 3.2.2)."""
    scheme, is_url, rest = target.partition("://")
    if is_url and scheme.lower() in ("http", "https"):
        target = "/" + rest.partition("/")[2]
    return target.partition("?")[0]
