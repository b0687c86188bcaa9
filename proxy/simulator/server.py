"""Hosts simulated providers, each on a port of its own. I/O: listeners.

Beside OpenAI's paths (with or without `/v1` or any other prefix) each port serves its control:
GET /sim/bill, GET /sim/stats, POST /sim/script (an object: the default from now on; a list: one
for each of the next calls), POST /sim/reset.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from proxy.domain.catalog import Endpoint
from proxy.simulator.asks import Refused
from proxy.simulator.bill import Bill
from proxy.simulator.bodies import error_body, error_of
from proxy.simulator.config import DEFAULT_MODELS, SimulatedProvider, SimulatorConfig
from proxy.simulator.provider import Provider
from proxy.simulator.script import Script, ScriptError, read_script

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
BACKLOG: Final = 4096

ONE_PROVIDER: Final = SimulatorConfig({"sim": SimulatedProvider(DEFAULT_MODELS)})
"""One flawless provider named `sim` on a free port of 127.0.0.1."""


class Door:
    """The listener of one provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.url = ""
        self._listener: asyncio.Server | None = None
        self._server = _CountingServer(provider, self._handle)

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
        """
        wanted = self.provider.config.listen
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._server, wanted.host, wanted.port, backlog=BACKLOG
            )
        except OSError as error:
            code = error.errno or 0
            reason = os.strerror(code) if code > 0 else error.strerror
            raise OSError(code, f"{wanted.host}:{wanted.port}: {reason}") from error
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Stop listening and drop every connection at once."""
        self.provider.stopping = True
        if self._listener is not None:
            self._listener.close()
        self._server.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/sim/"):
            return await self._control(request)
        endpoint = next((each for each in Endpoint if path.endswith(f"/{each}")), None)
        if endpoint is None:
            return self._models(request)
        if request.method != "POST":
            return _refusal(Refused(405, f"Not allowed to {request.method} on {path}."))
        reused = self._server.is_reused(request.protocol)
        return await self.provider.serve(endpoint, request, reused_connection=reused)

    def _models(self, request: web.BaseRequest) -> web.Response:
        _, found, id_asked = request.path.rpartition("/models")
        if not found or (id_asked and not id_asked.startswith("/")):
            return _refusal(Refused(404, f"Unknown request URL: {request.path}."))
        if request.method != "GET":
            return _refusal(Refused(405, f"Not allowed to {request.method} on {request.path}."))
        if self.provider.refuses_key(request.headers.get("authorization")):
            return _refusal(Refused(401, "Incorrect API key provided.", code="invalid_api_key"))
        models = [
            {"id": id_, "object": "model", "created": 0, "owned_by": self.provider.name}
            for id_ in self.provider.config.models
        ]
        if not id_asked:
            return _json({"object": "list", "data": models})
        for model in models:
            if model["id"] == id_asked[1:]:
                return _json(model)
        return _refusal(Refused(404, "The model does not exist.", code="model_not_found"))

    async def _control(self, request: web.BaseRequest) -> web.Response:
        match request.method, request.path:
            case "GET", "/sim/bill":
                return _json([asdict(entry) for entry in self.provider.bill])
            case "GET", "/sim/stats":
                stats = self.provider.stats
                return _json({**asdict(stats), "cancelled": stats.cancelled})
            case "POST", "/sim/reset":
                self.provider.reset()
                return _json({})
            case "POST", "/sim/script":
                return self._rescript(await request.read())
            case _:
                return _refusal(Refused(404, f"Unknown request URL: {request.path}."))

    def _rescript(self, body: bytes) -> web.Response:
        try:
            wanted = orjson.loads(body)
            if isinstance(wanted, list):
                self.provider.queue_scripts([read_script(each, Script()) for each in wanted])
            else:
                self.provider.script = read_script(wanted, Script())
        except (orjson.JSONDecodeError, ScriptError) as error:
            return _refusal(Refused(400, f"The script is not valid: {error}"))
        return _json({})


class _CountingServer(web.Server):
    """aiohttp's server, which tells the provider of connections and which one was used before."""

    def __init__(
        self,
        provider: Provider,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> None:
        super().__init__(
            handler,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            max_line_size=65_536,
            max_field_size=65_536,
        )
        self._provider = provider
        self._transports: dict[RequestHandler, asyncio.Transport] = {}
        self._used: set[RequestHandler] = set()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._transports[handler] = transport
        self._provider.connection_opened()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._transports.pop(handler, None)
        self._used.discard(handler)
        self._provider.connection_closed()

    def is_reused(self, handler: RequestHandler) -> bool:
        """Whether the connection of *handler* served a call before; from now on it did."""
        reused = handler in self._used
        self._used.add(handler)
        return reused

    def abort(self) -> None:
        """Drop all connections at once, without waiting for what they still had to send."""
        for transport in list(self._transports.values()):
            transport.abort()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES
    )


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _refusal(refused: Refused) -> web.Response:
    body, content_type = error_body(error_of(refused))
    return web.Response(body=body, status=refused.status, content_type=content_type)


def _as_script(script: Script | Mapping[str, Any]) -> Script:
    return script if isinstance(script, Script) else read_script(script, Script())


def _is_busy(provider: Provider) -> bool:
    return provider.stats.open_calls > 0 or provider.stats.connections_open > 0


class Simulator:
    """All providers of one config. Start it, use `urls`, stop it; or `running_simulator`."""

    def __init__(self, config: SimulatorConfig = ONE_PROVIDER, *, bill_path: Path | None = None):
        self.bill = Bill(bill_path)
        self._moved = asyncio.Event()
        self.providers: dict[str, Provider] = {
            name: Provider(name, each, self.bill, self._moved.set)
            for name, each in config.providers.items()
        }
        self._doors: dict[str, Door] = {}

    @property
    def urls(self) -> dict[str, str]:
        """Where each provider listens, without a path."""
        return {name: door.url for name, door in self._doors.items()}

    @property
    def url(self) -> str:
        """Where the first provider listens."""
        return next(iter(self._doors.values())).url

    async def start(self) -> list[tuple[str, str]]:
        """Listen on all ports; the names and URLs. Takes milliseconds.

        Raises:
            OSError: an address is taken or not ours; nothing listens then.
        """
        try:
            for name, provider in self.providers.items():
                door = Door(provider)
                await door.open()
                self._doors[name] = door
        except OSError:
            await self.stop()
            raise
        return list(self.urls.items())

    async def stop(self) -> None:
        """Stop listening, drop what is open, and wait until it is booked."""
        for door in self._doors.values():
            door.close()
        await self.until(lambda: not any(_is_busy(each) for each in self.providers.values()))
        self.bill.close()

    def set_script(
        self, script: Script | Mapping[str, Any], *, provider: str | None = None
    ) -> None:
        """Make *script* the default of *provider*, or of all.

        Raises:
            ScriptError: *script* is a mapping that is no script.
        """
        for each in self._chosen(provider):
            each.script = _as_script(script)

    def queue_scripts(
        self, scripts: Sequence[Script | Mapping[str, Any]], *, provider: str | None = None
    ) -> None:
        """Give *scripts* to the next calls of *provider*, or of each, one a call.

        Raises:
            ScriptError: one of them is a mapping that is no script.
        """
        for each in self._chosen(provider):
            each.queue_scripts([_as_script(script) for script in scripts])

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until *holds*, looked at whenever a call or a connection begins or ends."""
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    def _chosen(self, provider: str | None) -> list[Provider]:
        return list(self.providers.values()) if provider is None else [self.providers[provider]]


@asynccontextmanager
async def running_simulator(
    config: SimulatorConfig = ONE_PROVIDER, *, bill_path: Path | None = None
) -> AsyncIterator[Simulator]:
    """A simulator that listens for as long as the block runs."""
    simulator = Simulator(config, bill_path=bill_path)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()
