"""Secrets by reference: `env:NAME` or `file:PATH`. I/O: environment and files.

Config, versions and messages hold references only; the secret itself is read here, at start,
and stays in memory.
"""

import os
import re
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,127}|file:[^\s\x00-\x1f\x7f].{0,1023}")


class CredentialProblem(Exception):  # noqa: N818 - named like the config's other problems
    """A secret that could not be read; names the reference, never the content."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(f"{reference}: {reason}")
        self.reference = reference


def is_reference(text: str) -> bool:
    """Whether *text* is `env:NAME` or `file:PATH`."""
    return _REFERENCE.fullmatch(text) is not None and text.isprintable()


def resolve(reference: str) -> str:
    """The secret that *reference* names: printable ASCII, one closing newline removed.

    A path is relative to the working directory.

    Raises:
        CredentialProblem: not there, unreadable, empty, too large, or not printable ASCII.
    """
    if not is_reference(reference):
        # Most likely the secret itself, so it is not repeated.
        raise CredentialProblem("credential", "must be env:NAME or file:PATH")
    kind, _, name = reference.partition(":")
    secret = _from_environment(reference, name) if kind == "env" else _from_file(reference, name)
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise CredentialProblem(reference, "is empty")
    if not (secret.isascii() and secret.isprintable()):
        raise CredentialProblem(reference, "holds control characters or text beyond ASCII")
    return secret


def reveal(text: str) -> str:
    """*text* itself, or what it refers to; for settings that may hold a secret (Redis' URL).

    Raises:
        CredentialProblem: as `resolve`.
    """
    return resolve(text) if is_reference(text) else text


def _from_environment(reference: str, name: str) -> str:
    secret = os.environ.get(name)
    if secret is None:
        raise CredentialProblem(reference, "this environment variable is not set")
    return secret


def _from_file(reference: str, name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CredentialProblem(reference, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise CredentialProblem(reference, f"is larger than {MAX_FILE_BYTES} bytes")
    return content.decode("utf-8", "replace")
