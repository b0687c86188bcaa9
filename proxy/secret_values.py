"""What the config's references name: read once, at the start. I/O: files and the environment."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from proxy.config.credentials import CredentialProblem, resolve, reveal
from proxy.config.load import LoadedConfig
from proxy.state.tokens import Pepper

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the config's references name, read once. Shows itself nowhere."""

    redis_url: str = field(repr=False)
    pepper: Pepper = field(repr=False)
    credentials: Mapping[str, str] = field(repr=False)
    trusts: Mapping[str, ssl.SSLContext] = field(default_factory=dict)


def read_secrets(config: LoadedConfig) -> Secrets:
    """Read every secret that *config* refers to.

    Raises:
        ValueError: one line for each that cannot be used, naming the reference.
    """
    problems: list[str] = []
    settings = config.settings
    redis_url = _read(lambda: reveal(settings.redis), problems)
    pepper = _read(lambda: Pepper(resolve(settings.pepper).encode()), problems)
    credentials = {
        provider.id: _read(partial(resolve, provider.credential), problems) or ""
        for provider in config.snapshot.providers.values()
        if provider.credential is not None
    }
    trusts = {
        provider.id: context
        for provider in config.snapshot.providers.values()
        if provider.ca_file is not None
        and (context := _read(partial(_trust_in, provider.ca_file), problems)) is not None
    }
    if problems or redis_url is None or pepper is None:
        raise ValueError("\n".join(problems))
    return Secrets(redis_url, pepper, credentials, trusts)


def _trust_in(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one, too
        raise ValueError(f"tls.ca: {path} holds no certificates that can be read") from error


def _read(read: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return read()
    except (CredentialProblem, ValueError) as problem:
        problems.append(str(problem))
        return None
