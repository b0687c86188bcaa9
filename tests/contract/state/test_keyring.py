"""The local ring before a real Redis: who bears a key, and how soon a change is known."""

import asyncio
import os
import signal
import tracemalloc
from pathlib import Path

import pytest

from proxy.state.changes import FeedTimes
from proxy.state.connection import Connection
from proxy.state.embedded import EmbeddedRedis
from proxy.state.keyring import ABSENT_KEYS, RING_KEYS, RingTimes
from proxy.state.keys import CHANGES, record_of
from proxy.state.lookups import MAX_WAITING, Lookups
from proxy.state.store import KeyStore
from proxy.state.tokens import make_token
from proxy.tasks import Supervisor
from proxy.units import UnixMs

NOWHERE = "unix:///nonexistent/redis.sock"


async def test_key_is_known_by_tenant_and_id(store: KeyStore, a_ring) -> None:
    """A key that was made identifies its tenant and itself."""
    token, record = await store.create("acme", "ci")

    identity = (await a_ring().ring.identify(token)).identity

    assert (identity.tenant_id, identity.key_id) == ("acme", record.id)


async def test_key_is_looked_up_once(store: KeyStore, a_ring) -> None:
    """What the ring has seen it knows; a hundred who ask at once share one look-up."""
    token, _ = await store.create("acme", "ci")
    watched = a_ring()
    await watched.settle()

    assert set(await asyncio.gather(*(watched.verdict(token) for _ in range(100)))) == {"acme"}
    before = watched.ring.counts.lookups
    assert await watched.verdict(token) == "acme"

    assert watched.ring.counts.lookups == before
    assert watched.ring.counts.hits == 1


async def test_revocation_reaches_every_ring(store: KeyStore, a_ring) -> None:
    """A revoked key is refused by all replicas as soon as they hear of it, with its own code."""
    token, record = await store.create("acme", "ci")
    rings = [a_ring(), a_ring()]
    for watched in rings:
        await watched.settle()
        assert await watched.verdict(token) == "acme"

    await store.revoke(record.id)

    for watched in rings:
        assert await watched.next_forgotten() == record.id
        assert await watched.verdict(token) == "revoked_api_key"


async def test_key_expires_by_the_clock(store: KeyStore, a_ring, clock) -> None:
    """A key ends at its expiry even where nothing else happens."""
    token, _ = await store.create("acme", "ci", UnixMs(clock.wall_ms + 1000))
    watched = a_ring()
    assert await watched.verdict(token) == "acme"

    clock.wall_ms += 1000

    assert await watched.verdict(token) == "expired_api_key"


async def test_wrong_secret_learns_nothing_of_the_key(store: KeyStore, a_ring, forge) -> None:
    """Under a known id, a wrong secret is unknown: never revoked, expired or of a tenant."""
    token, record = await store.create("acme", "ci")
    watched = a_ring()
    await watched.settle()

    assert await watched.verdict(forge(token)) == "invalid_api_key"
    assert await watched.verdict(token) == "acme"
    assert await watched.verdict(forge(token)) == "invalid_api_key"
    await store.revoke(record.id)
    await watched.next_forgotten()
    assert await watched.verdict(forge(token)) == "invalid_api_key"


@pytest.mark.parametrize(
    "token",
    ["", "pm_", "sk-proj-abc", "pm_" + "a" * 63, "é" * 66, "\udcff" * 66, "x" * 100_000],
)
async def test_junk_is_refused_without_redis(a_ring, token: str) -> None:
    """What is no key is refused where it stands, even while Redis is gone."""
    watched = a_ring(NOWHERE)

    assert await watched.verdict(token) == "invalid_api_key"
    assert watched.ring.counts.lookups == 0


async def test_junk_under_a_known_id_is_refused(store: KeyStore, a_ring) -> None:
    """A key of the ring with any one character changed is refused."""
    token, _ = await store.create("acme", "ci")
    watched = a_ring()
    assert await watched.verdict(token) == "acme"

    for at in range(16, len(token)):
        changed = token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :]
        assert await watched.verdict(changed) == "invalid_api_key"


async def test_unknown_key_is_remembered_for_a_while(a_ring, clock) -> None:
    """A key that Redis does not know costs one look-up every five seconds, not one a request."""
    _, token = make_token()
    watched = a_ring()
    await watched.settle()

    assert [await watched.verdict(token) for _ in range(3)] == ["invalid_api_key"] * 3
    assert watched.ring.counts.lookups == 1
    clock.loop_s += 5.1
    assert await watched.verdict(token) == "invalid_api_key"
    assert watched.ring.counts.lookups == 2


async def test_key_made_after_it_was_refused_is_known_at_once(
    connection: Connection, a_ring, pepper
) -> None:
    """A notice of a change also removes the memory that there was no such key."""
    key_id, token = make_token()
    watched = a_ring()
    await watched.settle()
    assert await watched.verdict(token) == "invalid_api_key"

    await connection.call(
        ("HSET", record_of(key_id), "tenant", "acme", "hash", pepper.digest_of(token).hex()),
        ("XADD", CHANGES, "*", "key", key_id),
        atomic=True,
    )

    await watched.forgot.get()
    assert await watched.verdict(token) == "acme"


async def test_known_keys_outlive_redis(store: KeyStore, a_ring, wire) -> None:
    """With Redis gone, keys seen before go on; others are told to try again, not refused."""
    token, _ = await store.create("acme", "seen")
    unseen, _ = await store.create("acme", "unseen")
    watched = a_ring(wire.url)
    await watched.settle()
    assert await watched.verdict(token) == "acme"

    wire.cut()
    assert await watched.next_trouble() is not None

    assert await watched.verdict(token) == "acme"
    assert await watched.verdict(unseen) == "state_unavailable"
    assert not watched.ring.is_following


async def test_change_made_while_disconnected_is_seen(store: KeyStore, a_ring, wire) -> None:
    """What changed while the connection was down is known when it is back."""
    token, record = await store.create("acme", "ci")
    watched = a_ring(wire.url)
    await watched.settle()
    assert await watched.verdict(token) == "acme"

    wire.cut()
    assert await watched.next_trouble() is not None
    await store.revoke(record.id)
    wire.mend()

    assert await watched.next_trouble() is None
    assert await watched.next_forgotten() == record.id
    assert await watched.verdict(token) == "revoked_api_key"
    assert watched.ring.counts.drops == 1  # the first, at the start


async def test_half_open_connection_is_given_up(store: KeyStore, a_ring, wire) -> None:
    """A connection that carries nothing any more, yet stands, delays a change, not for ever."""
    token, record = await store.create("acme", "ci")
    watched = a_ring(wire.url)
    await watched.settle()
    assert await watched.verdict(token) == "acme"

    wire.silence()
    await store.revoke(record.id)

    assert await watched.next_forgotten() == record.id


def test_half_open_connection_delays_a_change_by_less_than_five_seconds() -> None:
    """As deployed: the answer is waited for, then a pause, then a new connection's answer."""
    times = FeedTimes()

    worst_s = times.answer_s + min(times.pause_s, 2 * times.first_pause_s) + 1.0

    assert worst_s < 5.0
    assert times.block_ms / 1000 < times.answer_s


async def test_trimmed_stream_drops_the_ring(
    store: KeyStore, connection: Connection, a_ring, wire
) -> None:
    """Where changes were trimmed before we read them, nothing that was learnt is trusted."""
    token, record = await store.create("acme", "ci")
    watched = a_ring(wire.url)
    await watched.settle()
    assert await watched.verdict(token) == "acme"

    wire.cut()
    assert await watched.next_trouble() is not None
    await store.revoke(record.id)
    await store.create("acme", "another")
    await connection.call(("XTRIM", CHANGES, "MAXLEN", "=", 1))
    wire.mend()

    assert await watched.next_forgotten() is None
    assert await watched.verdict(token) == "revoked_api_key"


async def test_redis_that_came_back_empty_drops_the_ring(
    store: KeyStore, connection: Connection, a_ring
) -> None:
    """A Redis without our position in its stream is another one: start afresh."""
    token, _ = await store.create("acme", "ci")
    watched = a_ring()
    await watched.settle()
    assert await watched.verdict(token) == "acme"

    await connection.call(("FLUSHALL",))

    assert await watched.next_forgotten() is None
    assert await watched.verdict(token) == "invalid_api_key"


async def test_notice_that_names_no_key_drops_the_ring(
    store: KeyStore, connection: Connection, a_ring
) -> None:
    """A notice that cannot be read may be of any key, and does not end the following."""
    _, record = await store.create("acme", "ci")
    watched = a_ring()
    await watched.settle()

    await connection.call(("XADD", CHANGES, "*", "garbled", "x"))
    await store.revoke(record.id)

    assert await watched.next_forgotten() is None
    assert await watched.next_forgotten() == record.id


async def test_redis_killed_and_restarted_is_followed_again(
    short_dir: Path, tmp_path: Path, pepper, clock, a_ring
) -> None:
    """After a crash of Redis keys go on, and the next revocation arrives as ever."""
    times = RingTimes(feed=FeedTimes(block_ms=50, answer_s=1.0, pause_s=0.05))
    first = EmbeddedRedis(tmp_path, short_dir).start()
    connection = Connection(first.url)
    store = KeyStore(connection, pepper, clock.unix_ms)
    token, record = await store.create("acme", "ci")
    # Written by the second, as `everysec` may lose the last one otherwise.
    await connection.call(("CONFIG", "SET", "appendfsync", "always"), ("SET", "barrier", "1"))
    watched = a_ring(first.url, times)
    await watched.settle()
    assert await watched.verdict(token) == "acme"

    os.kill(first.pid, signal.SIGKILL)
    assert await watched.next_trouble() is not None
    first.stop()
    assert await watched.verdict(token) == "acme"
    with EmbeddedRedis(tmp_path, short_dir):
        assert await watched.next_trouble() is None
        assert await store.revoke(record.id)
        assert await watched.next_forgotten() == record.id
        assert await watched.verdict(token) == "revoked_api_key"
        await connection.close()
        await watched.ring.stop()


async def test_stopped_redis_costs_one_deadline(pepper, clock, a_ring) -> None:
    """A Redis that takes connections and answers nothing holds nobody beyond the deadline."""
    times = RingTimes(lookup_s=0.2, feed=FeedTimes(block_ms=50, answer_s=0.2, pause_s=0.05))
    with EmbeddedRedis() as server:
        watched = a_ring(server.url, times)
        await watched.settle()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(1.0):
                verdicts = await asyncio.gather(
                    *(watched.verdict(make_token()[1]) for _ in range(300))
                )
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert set(verdicts) == {"state_unavailable"}
        await watched.ring.stop()


async def test_clients_that_leave_disturb_nobody(
    store: KeyStore, supervisor: Supervisor, a_ring, wire
) -> None:
    """A thousand cancelled mid-look-up, and each one who asks next still gets its own answer."""
    made = [await store.create(f"tenant-{n}", "ci") for n in range(50)]
    watched = a_ring(wire.url)
    await watched.settle()

    for round_ in range(20):
        stayed, stayed_record = made[round_]
        wire.hold_replies()
        leavers = [supervisor.start("client", watched.verdict(token)) for token, _ in made]
        stays = supervisor.start("client", watched.verdict(stayed))
        await wire.replied.wait()
        for leaver in leavers:
            leaver.cancel()
        await asyncio.wait(leavers)
        wire.release_replies()
        assert await stays == stayed_record.tenant_id
        watched.ring._forget(None)  # so that the next round looks up again

    for token, record in made:
        identity = (await watched.ring.identify(token)).identity
        assert (identity.tenant_id, identity.key_id) == (record.tenant_id, record.id)


async def test_reply_older_than_a_change_is_not_kept(
    store: KeyStore, supervisor: Supervisor, wire
) -> None:
    """A key that was revoked while its record was on the way here is read again."""
    _, record = await store.create("acme", "ci")
    connection = Connection(wire.url)
    learnt = []
    lookups = Lookups(connection, supervisor, lambda _, key: learnt.append(key))
    await connection.call(("PING",))  # connected, so that the reply held is the record's
    wire.hold_replies()
    finding = supervisor.start("client", lookups.find(record.id))
    await wire.replied.wait()

    await store.revoke(record.id)
    lookups.changed(record.id)
    wire.release_replies()
    found = await finding

    assert found is not None
    assert found.is_revoked
    assert learnt == [found]
    await connection.close()


async def test_lookups_waiting_are_bounded(supervisor: Supervisor, a_ring, wire) -> None:
    """A flood of unknown keys is turned away beyond a bound rather than piled up."""
    watched = a_ring(wire.url)
    await watched.settle()
    await watched.verdict(make_token()[1])
    wire.hold_replies()
    asked = [
        supervisor.start("client", watched.verdict(make_token()[1]))
        for _ in range(MAX_WAITING + 10)
    ]
    await wire.replied.wait()

    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result() for task in done} == {"state_unavailable"}
    assert len(waiting) == MAX_WAITING

    wire.release_replies()
    assert set(await asyncio.gather(*waiting)) == {"invalid_api_key"}


@pytest.mark.slow
async def test_memory_is_bounded_whatever_is_asked(connection: Connection, a_ring, pepper) -> None:
    """Twice the ring of keys in use, and as many unknown ones, cost less than 5 MB."""
    made = [make_token() for _ in range(2 * RING_KEYS)]
    for start in range(0, len(made), 1000):
        await connection.call(
            *(
                ("HSET", record_of(key_id), "tenant", "acme", "hash", pepper.digest_of(t).hex())
                for key_id, t in made[start : start + 1000]
            )
        )
    unknown = [make_token() for _ in range(4 * ABSENT_KEYS)]
    watched = a_ring()
    await watched.settle()
    await asyncio.gather(*(watched.verdict(token) for _, token in made[:500]))

    tracemalloc.start()
    for tokens in (made, unknown):
        for start in range(0, len(tokens), 500):
            batch = tokens[start : start + 500]
            await asyncio.gather(*(watched.verdict(token) for _, token in batch))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert grown < 5_000_000


async def test_broken_record_costs_only_its_own_key(
    store: KeyStore, connection: Connection, a_ring
) -> None:
    """A record that someone garbled is no key; those read together with it are not touched."""
    garbled, record = await store.create("acme", "ci")
    sound, _ = await store.create("acme", "ci")
    await connection.call(("HSET", record_of(record.id), "hash", "no hex"))
    watched = a_ring()

    verdicts = await asyncio.gather(watched.verdict(garbled), watched.verdict(sound))

    assert verdicts == ["invalid_api_key", "acme"]


async def test_last_use_is_told_in_batches(store: KeyStore, a_ring, clock) -> None:
    """A key's last use is known to operators after the next flush, the latest time winning."""
    token, record = await store.create("acme", "ci")
    watched = a_ring()
    clock.wall_ms += 5000
    await watched.verdict(token)
    assert [key.last_used_ms for key in await store.list()] == [None]

    await watched.ring.flush_last_use()
    clock.wall_ms -= 3000  # another replica, whose clock is behind
    await watched.verdict(token)
    await watched.ring.flush_last_use()

    assert [key.last_used_ms for key in await store.list()] == [record.created_ms + 5000]


async def test_refused_keys_are_not_used(store: KeyStore, a_ring, forge) -> None:
    """Only a right secret counts as use."""
    token, _ = await store.create("acme", "ci")
    watched = a_ring()

    await watched.verdict(forge(token))
    await watched.ring.flush_last_use()

    assert [key.last_used_ms for key in await store.list()] == [None]


async def test_ring_stops_whatever_it_is_doing(store: KeyStore, a_ring) -> None:
    """At whichever step of connecting or reading it is stopped, it ends, and at once."""
    token, _ = await store.create("acme", "ci")
    for steps in range(80):
        watched = a_ring()
        asking = watched.ring._supervisor.start("client", watched.verdict(token))
        for _ in range(steps):
            await asyncio.sleep(0)

        async with asyncio.timeout(2):
            await watched.ring.stop()
            assert await asking in {"acme", "state_unavailable"}


async def test_secrets_are_in_no_error_and_no_repr(store: KeyStore, a_ring, forge) -> None:
    """Neither token nor hash shows in an error, its causes, or the values of the ring."""
    token, _ = await store.create("acme", "ci")
    down = a_ring(NOWHERE)
    up = a_ring()
    await up.ring.identify(token)
    shown = []
    for ring, asked in ((down.ring, token), (up.ring, forge(token)), (up.ring, token + "x")):
        try:
            await ring.identify(asked)
        except Exception as error:
            cause: BaseException | None = error
            while cause is not None:
                shown.append(f"{cause!r} {cause} {getattr(cause, 'message', '')}")
                cause = cause.__cause__ or cause.__context__

    shown += [repr(key) for key in up.ring._ring.values()] + [repr(up.ring)]
    digest = up.ring._pepper.digest_of(token)

    assert len(shown) >= 5
    text = " ".join(shown)
    assert token.split("_")[2] not in text
    assert "x" * 43 not in text
    assert digest.hex() not in text
    assert repr(digest) not in text
