"""API keys as operators see them, on a real Redis."""

import pytest
from redis import Redis

from proxy.state.connection import Connection, StateMisconfiguredError
from proxy.state.keys import CHANGES, PEPPER_FINGERPRINT, record_of
from proxy.state.store import KeyStore, check_pepper
from proxy.state.tokens import Pepper, is_well_formed
from proxy.units import UnixMs


async def test_key_created_is_listed(store: KeyStore) -> None:
    """A key that was made is listed as it was made, not used and not revoked."""
    token, record = await store.create("acme", "ci", UnixMs(1_760_000_060_000))

    assert is_well_formed(token)
    assert await store.list() == [record]
    assert (record.tenant_id, record.name, record.id) == ("acme", "ci", token.split("_")[1])
    assert (record.created_ms, record.expires_ms) == (1_760_000_000_000, 1_760_000_060_000)
    assert (record.revoked_ms, record.last_used_ms) == (None, None)


async def test_list_of_a_tenant_holds_only_its_keys(store: KeyStore) -> None:
    """A tenant's list holds its own keys; the list of all holds everyone's."""
    _, ours = await store.create("acme", "a")
    _, theirs = await store.create("other", "b")

    assert await store.list("acme") == [ours]
    assert await store.list("nobody") == []
    assert {record.id for record in await store.list()} == {ours.id, theirs.id}


async def test_list_goes_on_past_one_batch(store: KeyStore) -> None:
    """However many keys there are, all are listed, once each."""
    made = {(await store.create("acme", f"key {n}"))[1].id for n in range(501)}

    listed = [record.id for record in await store.list("acme")]

    assert len(listed) == 501
    assert set(listed) == made


async def test_revoked_key_keeps_the_time_it_was_revoked_first(store: KeyStore, clock) -> None:
    """Revoking twice is harmless: the first time stays."""
    _, record = await store.create("acme", "ci")
    clock.wall_ms += 1000
    assert await store.revoke(record.id)
    clock.wall_ms += 1000
    assert await store.revoke(record.id)

    assert [key.revoked_ms for key in await store.list()] == [record.created_ms + 1000]


async def test_unknown_key_cannot_be_revoked(store: KeyStore, connection: Connection) -> None:
    """Revoking what does not exist says so, and leaves nothing behind."""
    assert not await store.revoke("nosuchkey000")

    assert await connection.call(("DBSIZE",)) == [0]


async def test_key_under_another_pepper_is_not_made(
    store: KeyStore, connection: Connection, clock
) -> None:
    """Where keys are hashed with one pepper, another makes none, and is told what to do."""
    _, kept = await store.create("acme", "ci")
    stranger = KeyStore(connection, Pepper(b"another pepper here"), clock.unix_ms)

    with pytest.raises(StateMisconfiguredError, match="same pepper for every replica") as refused:
        await stranger.create("acme", "lost")

    assert await store.list() == [kept]
    assert "another pepper here" not in str(refused.value)


async def test_pepper_of_a_gateway_that_started_first_holds(
    store: KeyStore, connection: Connection, pepper: Pepper
) -> None:
    """The first pepper that comes is in use, before any key: the first key cannot be a dead one."""
    await check_pepper(connection, Pepper(b"another pepper here"))

    with pytest.raises(StateMisconfiguredError):
        await check_pepper(connection, pepper)
    with pytest.raises(StateMisconfiguredError):
        await store.create("acme", "ci")


async def test_redis_that_takes_no_more_still_tells_peppers_apart(
    store: KeyStore, connection: Connection, pepper: Pepper
) -> None:
    """A full Redis refuses writes, but a gateway that starts beside it is judged as ever."""
    await store.create("acme", "ci")
    await connection.call(("CONFIG", "SET", "maxmemory", "1"))
    try:
        await check_pepper(connection, pepper)
        with pytest.raises(StateMisconfiguredError):
            await check_pepper(connection, Pepper(b"another pepper here"))
    finally:
        await connection.call(("CONFIG", "SET", "maxmemory", "0"))


async def test_new_start_is_as_the_refusal_says(
    store: KeyStore, connection: Connection, pepper: Pepper
) -> None:
    """Deleting the one key that the refusal names is enough to go on with another pepper."""
    await check_pepper(connection, Pepper(b"another pepper here"))
    with pytest.raises(StateMisconfiguredError, match=f"DEL '{PEPPER_FINGERPRINT}'"):
        await store.check()

    await connection.call(("DEL", PEPPER_FINGERPRINT))
    await store.create("acme", "ci")

    await check_pepper(connection, pepper)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "\x1b[31m"])
async def test_name_that_would_garble_a_list_is_refused(store: KeyStore, name: str) -> None:
    """A name is short and printable, as it is shown in terminals."""
    with pytest.raises(ValueError, match="printable"):
        await store.create("acme", name)


async def test_expiry_in_the_past_is_refused(store: KeyStore) -> None:
    """A key that would be born expired is not made."""
    with pytest.raises(ValueError, match="expired already"):
        await store.create("acme", "ci", UnixMs(1_760_000_000_000))

    assert await store.list() == []


async def test_redis_never_holds_a_token(store: KeyStore, redis_url: str) -> None:
    """Neither the token nor its secret is anywhere in Redis, the stream of changes included."""
    token, record = await store.create("acme", "ci")
    await store.revoke(record.id)

    with Redis.from_url(redis_url) as client:
        names = client.keys("*")
        # Dumps compress; what the hash and the stream hold is also read plainly.
        held = b" ".join([*names, *(client.dump(name) for name in names)])
        plain = f"{client.hgetall(record_of(record.id))} {client.xrange(CHANGES)}"

    secret = token.split("_")[2]
    assert secret.encode() not in held
    assert secret not in plain
    assert record.id in plain


async def test_all_keys_share_a_hash_tag(store: KeyStore, connection: Connection) -> None:
    """Whatever is written together lives in one slot of a Redis Cluster."""
    await store.create("acme", "ci")

    (names,) = await connection.call(("KEYS", "*"))

    assert len(names) == 5
    assert all(name.startswith("pm:{keys}:") for name in names)
