"""TLS on our own listener, reloaded when its files change. I/O: files, a listening socket.

New connections get the new certificate; open ones live on. A pair that does not load leaves the
old one in force. A handshake has a deadline: before its end no protocol of ours looks after the
connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

LOOK_EVERY_S = 2.0

SHUTDOWN_S = 10.0
"""How long a connection that closes may take to send its rest and to hear the client's goodbye;
enough for the last 64 KiB on a slow line.
"""


class TlsFiles:
    """A certificate and its key on disk, and the context that serves them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load both.

        Raises:
            OSError, ssl.SSLError: a file is missing, or the two do not fit.
        """
        self._certificate = certificate
        self._key = key
        self._seen = self._stamp()
        self.context = _context()
        self._load_into(self.context)

    def reload_if_changed(self) -> bool:
        """Load the files again if they changed; whether they did.

        Raises:
            OSError, ssl.SSLError: they changed, but cannot be used; the old ones serve on.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        self._load_into(_context())  # try it where nothing can break
        self._load_into(self.context)
        return True

    async def watch(self, report: Callable[[str], None], every_s: float = LOOK_EVERY_S) -> None:
        """Look for changes for ever; *report* hears what came of each: reloaded, or an error."""
        while True:
            await asyncio.sleep(every_s)
            try:
                if self.reload_if_changed():
                    report("reloaded")
            except (OSError, ssl.SSLError) as error:
                report(type(error).__name__)

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        stats = (path.stat() for path in (self._certificate, self._key))
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def _load_into(self, context: ssl.SSLContext) -> None:
        # A key with a passphrase would else be asked for at the terminal, by the event loop.
        context.load_cert_chain(self._certificate, self._key, password=lambda: b"")


class TlsSite(web.SockSite):
    """A listening socket whose handshakes have a deadline; aiohttp leaves them the loop's, a
    minute.
    """

    __slots__ = ("_handshake_s",)

    def __init__(
        self,
        runner: web.BaseRunner,
        sock: socket.socket,
        *,
        context: ssl.SSLContext,
        backlog: int,
        handshake_s: float,
    ) -> None:
        super().__init__(runner, sock, ssl_context=context, backlog=backlog)
        self._handshake_s = handshake_s

    async def start(self) -> None:
        """Take connections."""
        await web.BaseSite.start(self)  # the next class's would listen by itself
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            server,
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=self._handshake_s,
            ssl_shutdown_timeout=SHUTDOWN_S,
        )


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
