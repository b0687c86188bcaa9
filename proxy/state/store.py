"""API keys as operators see them: make, list, revoke. I/O: Redis.

Each change is written together with its notice, in one transaction (`keys`, `changes`), so no
replica can miss a change that happened. Beside the keys stands the fingerprint of the pepper that
they are hashed with, so that whoever comes with another one is told, and makes no key that nobody
accepts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.state import keys
from proxy.state.connection import (
    Command,
    Connection,
    StateMisconfiguredError,
    check_server,
)
from proxy.state.tokens import Pepper, make_token
from proxy.units import UnixMs

MAX_NAME_CHARS: Final = 100
MAX_TAGS: Final = 16
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_LIST_BATCH: Final = 500
_OTHER_PEPPER: Final = (
    "This pepper is not the one that this Redis is used with, so API keys made with either are "
    "refused under the other. Use the same pepper for every replica and for 'pointsman keys' "
    "(server.pepper in the config says where it is read; an environment variable must hold the "
    "same in every terminal). If the other one is lost, the keys made with it are too: to start "
    f"over with this one: redis-cli DEL '{keys.PEPPER_FINGERPRINT}', restart what serves, make "
    "new keys and revoke the old ones."
)
_NOTICE: Final[Command] = ("XADD", keys.CHANGES, "MAXLEN", "~", keys.CHANGES_KEPT, "*", "key")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of an API key. `tags` are what policies know it by (`when.key_tag`), in order.
    `last_used_ms` is coarse: replicas report every ten seconds.

    None: it does not expire, was not revoked, was not used yet.
    """

    id: str
    tenant_id: str
    name: str
    created_ms: UnixMs
    expires_ms: UnixMs | None = None
    revoked_ms: UnixMs | None = None
    last_used_ms: UnixMs | None = None
    tags: tuple[str, ...] = ()


class KeyStore:
    """The API keys in Redis. Its calls may raise StateUnavailableError."""

    def __init__(
        self, connection: Connection, pepper: Pepper, unix_ms: Callable[[], UnixMs]
    ) -> None:
        self._connection = connection
        self._pepper = pepper
        self._unix_ms = unix_ms

    async def check(self) -> list[str]:
        """Whether this Redis may hold keys: warnings, each a sentence or two (`check_server`).

        Raises:
            StateMisconfiguredError: it may not, or not with this pepper.
        """
        warnings = await check_server(self._connection)
        await check_pepper(self._connection, self._pepper)
        return warnings

    async def create(
        self,
        tenant_id: str,
        name: str,
        expires_ms: UnixMs | None = None,
        tags: Iterable[str] = (),
    ) -> tuple[str, KeyRecord]:
        """Make a key; its token, which is kept nowhere and so is shown now or never.

        Whether the tenant exists is the caller's to know.

        Raises:
            ValueError: the name is too long or not printable, a tag is not one, or the expiry
                lies in the past.
            StateMisconfiguredError: the keys of this Redis are hashed with another pepper.
        """
        now_ms = self._unix_ms()
        _check_name(name)
        named = _checked_tags(tags)
        if expires_ms is not None and expires_ms <= now_ms:
            raise ValueError("The key would have expired already.")
        await check_pepper(self._connection, self._pepper)
        key_id, token = make_token()
        record = KeyRecord(key_id, tenant_id, name, now_ms, expires_ms, tags=named)
        await self._connection.call(
            ("HSET", keys.record_of(key_id), *_fields(record, self._pepper.digest_of(token))),
            ("ZADD", keys.IDS, now_ms, key_id),
            ("ZADD", keys.ids_of(tenant_id), now_ms, key_id),
            (*_NOTICE, key_id),
            atomic=True,
        )
        return token, record

    async def list(self, tenant_id: str | None = None) -> list[KeyRecord]:
        """The keys of one tenant, or all, oldest first; revoked and expired ones too."""
        index = keys.IDS if tenant_id is None else keys.ids_of(tenant_id)
        (key_ids,) = await self._connection.call(("ZRANGE", index, 0, -1))
        records: list[KeyRecord] = []
        for start in range(0, len(key_ids), _LIST_BATCH):
            records.extend(await self._read(key_ids[start : start + _LIST_BATCH]))
        return records

    async def revoke(self, key_id: str) -> bool:
        """End a key for good, everywhere; False if there is none. A repeat changes nothing."""
        # Records are never deleted, so looking first and writing after cannot go wrong.
        (known,) = await self._connection.call(("EXISTS", keys.record_of(key_id)))
        if known:
            await self._connection.call(
                ("HSETNX", keys.record_of(key_id), "revoked_ms", self._unix_ms()),
                (*_NOTICE, key_id),
                atomic=True,
            )
        return bool(known)

    async def _read(self, key_ids: Sequence[str]) -> Iterator[KeyRecord]:
        *hashes, used = await self._connection.call(
            *(("HGETALL", keys.record_of(key_id)) for key_id in key_ids),
            ("ZMSCORE", keys.LAST_USE, *key_ids),
        )
        rows = zip(key_ids, hashes, used, strict=True)
        return (_record_of(key_id, fields, last) for key_id, fields, last in rows if fields)


async def check_pepper(connection: Connection, pepper: Pepper) -> None:
    """Refuse a pepper that is not the one in use; the first that ever comes is in use from then on.

    A gateway asks at its start, so that it is its pepper that the first key must be made with.

    Raises:
        StateMisconfiguredError: another one is in use.
        StateUnavailableError: no answer.
    """
    ours = pepper.fingerprint()
    read: Command = ("GET", keys.PEPPER_FINGERPRINT)
    (in_use,) = await connection.call(read)
    if in_use is None:  # written only then: a Redis that is full can still be asked
        write: Command = ("SET", keys.PEPPER_FINGERPRINT, ours, "NX")
        _, in_use = await connection.call(write, read, atomic=True)
    if in_use != ours:
        raise StateMisconfiguredError(_OTHER_PEPPER)


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise ValueError(f"A key's name is 1 to {MAX_NAME_CHARS} printable characters.")


def _checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    named = tuple(sorted(set(tags)))
    if len(named) > MAX_TAGS or not all(map(_TAG.fullmatch, named)):
        raise ValueError(
            f"A key has at most {MAX_TAGS} tags, each of 1 to 64 letters, digits and . _ : / - "
            "that begin with a letter or digit."
        )
    return named


def _fields(record: KeyRecord, digest: bytes) -> Iterator[str | int]:
    yield from ("tenant", record.tenant_id, "name", record.name, "hash", digest.hex())
    yield from ("created_ms", record.created_ms)
    if record.tags:
        yield from ("tags", " ".join(record.tags))
    if record.expires_ms is not None:
        yield from ("expires_ms", record.expires_ms)


def _record_of(key_id: str, fields: Mapping[str, str], last_used: str | float | None) -> KeyRecord:
    return KeyRecord(
        id=key_id,
        tenant_id=fields["tenant"],
        name=fields["name"],
        created_ms=UnixMs(int(fields["created_ms"])),
        expires_ms=_time_or_none(fields.get("expires_ms")),
        revoked_ms=_time_or_none(fields.get("revoked_ms")),
        last_used_ms=_time_or_none(last_used),
        tags=tuple(fields.get("tags", "").split()),
    )


def _time_or_none(value: str | float | None) -> UnixMs | None:
    return None if value is None else UnixMs(int(float(value)))
