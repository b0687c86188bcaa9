"""Who may ask is decided by headers alone, before anything else of the request matters."""

import asyncio

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.state.connection import Connection
from proxy.state.embedded import EmbeddedRedis
from proxy.state.store import KeyStore
from proxy.state.tokens import make_token
from proxy.units import UnixMs
from tests.gateway import PEPPER, GatewayUnderTest, running_gateway
from tests.server.raw import (
    CHAT,
    WAIT_S,
    a_chat,
    a_get,
    a_post,
    connected,
    head_of,
    upstream_calls,
)


def with_key(gateway: GatewayUnderTest, value: str | None, *, method: str = "POST") -> bytes:
    """A good request but for its Authorization header, *value* or none."""
    whole = a_post(gateway) if method == "POST" else a_get(gateway, "/v1/models")
    mine = f"Authorization: Bearer {gateway.token}\r\n".encode()
    return whole.replace(mine, b"" if value is None else f"Authorization: {value}\r\n".encode())


def mistyped(token: str) -> str:
    """*token* with one letter of its secret changed."""
    return token[:30] + ("a" if token[30] != "a" else "b") + token[31:]


WRONG = {
    "none": (lambda token: None, "missing_api_key"),
    "empty": (lambda token: "", "missing_api_key"),
    "scheme alone": (lambda token: "Bearer", "missing_api_key"),
    "scheme and blank": (lambda token: "Bearer ", "missing_api_key"),
    "other scheme": (lambda token: f"Basic {token}", "missing_api_key"),
    "no scheme": (lambda token: token, "missing_api_key"),
    "mistyped": (lambda token: f"Bearer {mistyped(token)}", "invalid_api_key"),
    "cut": (lambda token: f"Bearer {token[:-1]}", "invalid_api_key"),
    "cut to its id": (lambda token: f"Bearer {token[:15]}", "invalid_api_key"),
    "longer": (lambda token: f"Bearer {token}x", "invalid_api_key"),
    "in capitals": (lambda token: f"Bearer {token.upper()}", "invalid_api_key"),
    "twice in one": (lambda token: f"Bearer {token} {token}", "invalid_api_key"),
    "another vendor's": (lambda token: "Bearer sk-proj-" + "x" * 40, "invalid_api_key"),
    "well-formed, unknown": (lambda token: f"Bearer {make_token()[1]}", "invalid_api_key"),
    "of a megabyte's kind": (lambda token: "Bearer " + "x" * 8000, "invalid_api_key"),
    "beyond ASCII": (lambda token: f"Bearer {token[:-1]}é", "invalid_api_key"),
    "injection": (lambda token: "Bearer pm_' OR 1=1 --", "invalid_api_key"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", WRONG)
async def test_wrong_key_is_a_401(gateway: GatewayUnderTest, case: str, method: str) -> None:
    """Nothing of the key comes back, nothing goes upstream, and the connection lives on."""
    make, code = WRONG[case]
    async with connected(gateway) as it:
        answer = await it.ask(with_key(gateway, make(gateway.token), method=method))
        assert (await it.ask(a_get(gateway, "/v1/models"))).status == 200

    assert (answer.status, answer.error["code"]) == (401, code)
    assert answer.error["type"] == "authentication_error"
    assert answer.error["param"] is None
    assert gateway.token[3:30].encode() not in answer.body
    assert upstream_calls(gateway) == 0
    (row, _) = await gateway.lines.requests(2)
    assert (row["tenant"], row["key_id"], row["error_code"]) == (None, None, code)
    assert (row["body_bytes"], row["tokens"]["prompt"]) == (0, 0)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_case_of_the_scheme_does_not_matter(gateway: GatewayUnderTest, scheme: str) -> None:
    """Schemes are matched whatever their case, with any blanks behind."""
    async with connected(gateway) as it:
        answer = await it.ask(with_key(gateway, f"{scheme}   {gateway.token}", method="GET"))

    assert answer.status == 200


async def test_revoked_key_has_a_code_of_its_own(gateway: GatewayUnderTest) -> None:
    """A revoked key is told from an unknown one, as soon as the replica heard of it."""
    key_id = gateway.token.split("_")[1]
    async with connected(gateway) as it:
        assert (await it.ask(a_get(gateway, "/v1/models"))).status == 200
        await gateway.store.revoke(key_id)
        async with asyncio.timeout(WAIT_S):
            while (answer := await it.ask(a_post(gateway))).status == 200:
                pass

    assert (answer.status, answer.error["code"]) == (401, "revoked_api_key")


async def test_expired_key_has_a_code_of_its_own(gateway: GatewayUnderTest, redis_url: str) -> None:
    """A key ends by itself at its expiry."""
    connection = Connection(redis_url)
    past = KeyStore(connection, PEPPER, lambda: UnixMs(1_600_000_000_000))
    token, _ = await past.create("acme", "old", expires_ms=UnixMs(1_600_000_001_000))
    await connection.close()
    async with connected(gateway) as it:
        answer = await it.ask(with_key(gateway, f"Bearer {token}"))

    assert (answer.status, answer.error["code"]) == (401, "expired_api_key")


async def test_key_of_a_tenant_that_the_config_does_not_name_is_a_403(
    gateway: GatewayUnderTest,
) -> None:
    """A good key without a tenant may ask for nothing; the record names both."""
    token, record = await gateway.store.create("vanished", "orphan")
    async with connected(gateway) as it:
        answer = await it.ask(with_key(gateway, f"Bearer {token}"))

    assert (answer.status, answer.error["code"]) == (403, "unknown_tenant")
    assert answer.error["type"] == "permission_error"
    (row,) = await gateway.lines.requests(1)
    assert row["key_id"] == record.id


async def test_refusal_does_not_wait_for_the_body(gateway: GatewayUnderTest) -> None:
    """A 401 to a request that announces 20 MB comes at once, whether or not they follow."""
    head = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Length: 20000000\r\n\r\n" % CHAT.encode()
    async with connected(gateway) as it:
        answer = await it.ask(head)

    assert (answer.status, answer.error["code"]) == (401, "missing_api_key")
    assert answer.header("connection") == "close"


async def test_refusal_reaches_a_client_that_sends_all_the_same(gateway: GatewayUnderTest) -> None:
    """A client that reads only after it has sent its whole body gets the refusal, not a reset."""
    body = a_chat(user="x" * 3_000_000)
    whole = with_key(gateway, "Bearer wrong")
    head = whole[: whole.index(b"\r\n\r\n")].replace(
        b"Content-Length: %d" % len(a_chat()), b"Content-Length: %d" % len(body)
    )
    async with connected(gateway) as it:
        it.send(head + b"\r\n\r\n" + body)
        await it.flushed()
        answer = await it.answer()

    assert answer.status == 401


async def test_key_comes_before_everything_else(gateway: GatewayUnderTest) -> None:
    """Without a key nobody learns which routes there are, nor what is wrong with a body."""
    bad = head_of(gateway, "POST", CHAT, "Content-Type: text/plain", "Content-Length: 3") + b"{[,"
    mine = f"Authorization: Bearer {gateway.token}\r\n".encode()
    async with connected(gateway) as it:
        post = await it.ask(bad.replace(mine, b""))
        get = await it.ask(a_get(gateway, "/v1/models/secret-route").replace(mine, b""))

    assert (post.status, get.status) == (401, 401)


async def test_operations_need_no_key(gateway: GatewayUnderTest) -> None:
    """Probes and scrapes are served to anyone who reaches the listener, and leave no record."""
    async with connected(gateway) as it:
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await it.ask(f"GET {path} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
            assert answer.status == 200

    assert await gateway.rows() == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=120))
async def test_no_header_value_gets_in(gateway: GatewayUnderTest, value: str) -> None:
    """Whatever stands behind `Bearer`, the answer is a 401, or a 400 where HTTP forbids it."""
    mine = f"Bearer {gateway.token}".encode()
    sent = a_get(gateway, "/v1/models").replace(mine, f"Bearer {value}".encode("latin-1"))
    async with connected(gateway) as it:
        answer = await it.ask(sent)

    assert answer.status in {400, 401}
    assert set(orjson.loads(answer.body)["error"]) >= {"message", "type", "param", "code"}


@pytest.mark.slow
async def test_keys_that_were_seen_live_on_without_redis() -> None:
    """With Redis gone a key that was seen is served; another cannot be told from a wrong one."""
    with EmbeddedRedis() as redis:
        async with running_gateway(redis.url) as gateway, connected(gateway) as it:
            unseen, _ = await gateway.store.create("acme", "second")
            assert (await it.ask(a_post(gateway))).status == 200
            redis.stop()
            answer = await it.ask(with_key(gateway, f"Bearer {unseen}"))
            seen = await it.ask(a_post(gateway))

    assert (answer.status, answer.error["code"]) == (503, "state_unavailable")
    assert answer.error["type"] == "gateway_error"
    assert answer.header("x-should-retry") is None
    assert seen.status == 200
