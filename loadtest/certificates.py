"""A certificate for the scripted upstream, and the authority to trust for it. I/O: three files.

Made anew for every run by trustme; nothing outside the run's own folder ever trusts them.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

HOST: Final = "localhost"
"""The name that the certificate is for, and that every client checks."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: whom to trust, and what the upstream shows."""

    ca: Path
    chain: Path
    key: Path

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca))


def make_certificates(folder: Path) -> Certificates:
    """New ones, in *folder*."""
    authority = trustme.CA()
    issued = authority.issue_cert(HOST, "127.0.0.1")
    made = Certificates(folder / "ca.pem", folder / "upstream.pem", folder / "upstream.key")
    authority.cert_pem.write_to_path(str(made.ca))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(made.chain), append=number > 0)
    issued.private_key_pem.write_to_path(str(made.key))
    return made
