"""Calls to Redis, each under a deadline; the only module that knows the redis package.

I/O: sockets. Callers send plain commands and get the parsed replies. Whoever may be cancelled by
a client that leaves must not call from its own task: a cancelled call costs the connection.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

CALL_DEADLINE_S: Final = 1.0
OLDEST_VERSION: Final = (6, 2)

_KEEPS_NOTHING: Final = (
    "This Redis keeps nothing on disk (appendonly is no, save is empty): a restart of it loses "
    "all API keys. Set appendonly to yes."
)
_KEEPING_UNKNOWN: Final = (
    "Redis does not say whether it keeps anything on disk. Make sure of it (appendonly yes): "
    "without, a restart of it loses all API keys."
)

Command = tuple[str | int, ...]


class StateUnavailableError(Exception):
    """Redis did not answer, or not in time; whether it did the work is not known."""


class CommandRefusedError(StateUnavailableError):
    """Redis answered that it will not: no permission, unknown command, out of memory."""


class StateMisconfiguredError(Exception):
    """This Redis must not be used as it is set up; the message says what to change."""


class Connection:
    """A pool of connections to one Redis. Opened on the first call; the maker closes it.

    *url* is `redis://`, `rediss://` or `unix://`.

    Raises:
        ValueError: *url* is none of these.
    """

    def __init__(
        self, url: str, *, deadline_s: float = CALL_DEADLINE_S, max_connections: int = 16
    ) -> None:
        self._deadline_s = deadline_s
        # RESP2 is what 6.2, Valkey and every proxy speak alike. No retries: a deadline of 1 s that
        # is tried again is no deadline. No timeouts inside: `call` has one, and redis-py's sending
        # under its own (asyncio.wait_for) swallows a cancellation on Python 3.11 now and then.
        self._client = Redis.from_url(
            url,
            protocol=2,
            decode_responses=True,
            encoding_errors="replace",  # a foreign value must not fail those read beside it
            max_connections=max_connections,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )

    async def call(self, *commands: Command, atomic: bool = False) -> list[Any]:
        """Send *commands* in one round trip; their replies, in order.

        *atomic*: as one transaction, so that all of them happen or none.

        Raises:
            StateUnavailableError: no answer by the deadline, counted from now.
            CommandRefusedError: Redis refused one of them.
        """
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                self._client.pipeline(transaction=atomic) as pipeline,
            ):
                for command in commands:
                    pipeline.execute_command(*command)
                return list(await pipeline.execute())
        except ResponseError as error:
            raise CommandRefusedError(f"Redis refused a command: {error}") from error
        except TimeoutError as error:
            raise StateUnavailableError(
                f"Redis did not answer in {self._deadline_s:g} s"
            ) from error
        except (RedisError, OSError) as error:
            raise StateUnavailableError(f"Redis cannot be reached: {error}") from error

    async def close(self) -> None:
        """Close all connections, waiting no longer than for a call; a later call opens new ones."""
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(self._deadline_s):
                await self._client.aclose()


def address_of(url: str) -> str:
    """Where *url* leads, for a log: without a user or password."""
    parts = parse_url(url)
    if "path" in parts:
        return f"unix:{parts['path']}"
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"


async def check_server(connection: Connection) -> list[str]:
    """Refuse a Redis that would lose keys while it runs, or lacks commands.

    What would lose them at a restart, or cannot be told, is a warning: a sentence or two each,
    saying what to do.

    Raises:
        StateMisconfiguredError: too old, or set to evict keys when its memory is full.
        StateUnavailableError: no answer.
    """
    try:
        (server,) = await connection.call(("INFO",))
    except CommandRefusedError:
        server = {}
    _refuse_old(server.get("redis_version"))
    found = (_of_eviction(server.get("maxmemory_policy")), await _of_keeping(connection, server))
    return [warning for warning in found if warning is not None]


def _refuse_old(version: str | None) -> None:
    if version is not None and _version_of(version) < OLDEST_VERSION:
        raise StateMisconfiguredError(f"Redis {version} is too old: Pointsman needs 6.2 or newer.")


def _of_eviction(policy: str | None) -> str | None:
    if policy is None:
        return "Redis does not state its maxmemory-policy. Make sure that it is noeviction."
    if policy != "noeviction":
        raise StateMisconfiguredError(
            f"Redis evicts keys when its memory is full (maxmemory-policy is {policy}), which "
            "would lose API keys and budgets. Set it to noeviction."
        )
    return None


async def _of_keeping(connection: Connection, server: Mapping[str, Any]) -> str | None:
    appends = server.get("aof_enabled")
    if appends:
        return None
    try:
        (reply,) = await connection.call(("CONFIG", "GET", "save"))
    except CommandRefusedError:
        reply = []
    match reply:
        case ["save", str(times)] if times:
            return None
        case ["save", _] if appends is not None:
            return _KEEPS_NOTHING
    return _KEEPING_UNKNOWN


def _version_of(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
