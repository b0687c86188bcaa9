"""Starts and drains the server of one process. I/O: by aiohttp.

The drain: `/readyz` goes off while connections are still accepted, so that balancers notice;
then the listener closes, running answers finish within a grace, the rest are told and cut. Who
is in a hurry has the waiting left out, never the telling.
"""

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress

from aiohttp import http_parser, web

from proxy.config.settings import Settings
from proxy.server.app import Gateway
from proxy.server.lifecycle import Lifecycle
from proxy.server.listener import SETTLE_S, turn_away
from proxy.server.protocol import GatewayServer
from proxy.server.tls import TlsSite

BACKLOG = 2048
"""How many connections may wait for us to accept them."""

KEEPALIVE_S = 30.0
LINGER_S = 5.0
READ_BUFFER_BYTES = 16 * 1024
FLUSH_TURN_S = 0.5
LAST_WORDS_S = 1.0
"""What connections get, after the drain, to flush and close."""

GC_THRESHOLDS = (50_000, 20, 50)

Parts = AbstractAsyncContextManager[tuple[Gateway, Lifecycle]]
Report = Callable[..., None]


class GatewayRunner(web.AppRunner):
    """Runs the gateway that *parts* makes; gunicorn's aiohttp worker can drive it as well.

    The application that aiohttp wants is empty but for its start and clean-up: requests go from
    the server straight to the gateway.
    """

    __slots__ = (
        "_gateway",
        "_hurries",
        "_lifecycle",
        "_patience",
        "_report",
        "_settings",
        "tls_context",
    )

    def __init__(
        self,
        parts: Parts,
        settings: Settings,
        report: Report,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(web.Application())
        self.tls_context = tls_context
        self._settings = settings
        self._report = report
        self._gateway: Gateway | None = None
        self._lifecycle: Lifecycle | None = None
        self._hurries = False
        self._patience: asyncio.Timeout | None = None

        async def run_parts(_: web.Application) -> AsyncIterator[None]:
            async with parts as (self._gateway, self._lifecycle):
                yield

        self.app.cleanup_ctx.append(run_parts)

    async def _make_server(self) -> web.Server:
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError("aiohttp's C parser is missing; its Python parser is not strict")
        await super()._make_server()
        assert self._gateway is not None
        limits = self._settings.limits
        server = GatewayServer(
            self._gateway.handle,
            self._gateway.refuse,
            limits,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            max_field_size=limits.max_header_bytes,
            max_headers=limits.max_header_count,
            max_line_size=8190,
            read_bufsize=READ_BUFFER_BYTES,
        )
        server.start_sweeping()
        _calm_collector()
        return server

    async def setup(self) -> None:
        """Start every part, once: gunicorn's aiohttp worker asks again."""
        if self.server is None:
            await super().setup()

    async def listen(self, sock: socket.socket) -> None:
        """Take connections from the listening socket *sock*; call `setup` before."""
        site: web.SockSite
        if self.tls_context is None:
            site = web.SockSite(self, sock, backlog=BACKLOG)
        else:
            handshake_s = self._settings.limits.header_timeout_s
            site = TlsSite(
                self, sock, context=self.tls_context, backlog=BACKLOG, handshake_s=handshake_s
            )
        await site.start()

    def hurry(self) -> None:
        """Wait for nobody: let the drain that runs, or the coming one, tell who is still there and
        end. Harmless to repeat.
        """
        if self._patience is not None and not self._hurries:
            self._patience.reschedule(asyncio.get_running_loop().time())
        self._hurries = True

    async def cleanup(self) -> None:
        """Drain, then stop. After it every part is closed."""
        if self._lifecycle is not None and not self._lifecycle.draining:
            await self._drain(self._lifecycle)
        self._shutdown_timeout = LAST_WORDS_S
        await super().cleanup()

    async def _drain(self, lifecycle: Lifecycle) -> None:
        self._report("drain_started", running=lifecycle.running_count)
        lifecycle.draining = True
        if not self._hurries:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._patience:
                    await self._wait(lifecycle)
            self._patience = None
        broken_off = await lifecycle.close()
        await self._flush(LAST_WORDS_S)
        lifecycle.keep_books()
        self._report("drain_ended", broken_off=broken_off)

    async def _wait(self, lifecycle: Lifecycle) -> None:
        """The drain's patient part. Left in its midst, it leaves listeners to the clean-up."""
        await asyncio.sleep(self._settings.drain_delay_s)
        await self._close_listeners()
        await self._let_finish(lifecycle, self._settings.drain_grace_s)

    async def _let_finish(self, lifecycle: Lifecycle, grace_s: float) -> None:
        """Wait until nothing runs and nothing written waits for its reader, or the grace ends.

        Connections that are kept may ask again meanwhile; they are served as long as we wait.
        """
        loop = asyncio.get_running_loop()
        grace_ends = loop.time() + grace_s
        while (left_s := grace_ends - loop.time()) > 0:
            await lifecycle.until_idle(left_s)
            await self._flush(min(left_s, FLUSH_TURN_S))
            if lifecycle.is_idle and not self._is_behind:
                return

    async def _close_listeners(self) -> None:
        sites = [site for site in self.sites if isinstance(site, web.SockSite)]
        for site in sites:
            turn_away(site._sock.fileno())
        await asyncio.sleep(min(SETTLE_S, self._settings.drain_delay_s))
        for site in sites:
            await site.stop()

    async def _flush(self, within_s: float) -> None:
        # An answer is over once it is written; its reader may still be at it.
        if isinstance(self.server, GatewayServer):
            await self.server.flush(within_s)

    @property
    def _is_behind(self) -> bool:
        return isinstance(self.server, GatewayServer) and self.server.is_behind


def _calm_collector() -> None:
    # What lives now lives on: the collector need not walk it again. Requests make few cycles, so
    # it need not run every few of them either; a body of many small objects would else be walked
    # several times while it is parsed.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
