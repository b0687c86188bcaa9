"""TLS on our own listener, reloaded when its files change. I/O: files.

New connections get the new certificate; open ones live on. A pair that does not load leaves the
old one in force.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

LOOK_EVERY_S = 2.0


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


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
