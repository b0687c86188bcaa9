"""A plain answer through the whole gateway: buffered while it may still fail over, then relayed."""

import pytest

from tests.gateway import GatewayUnderTest, running_gateway
from tests.server.downstream import a_chat, connected, post
from tests.server.upstream import CHUNKED, JSON_BODY, LAST_CHUNK, Line, config_of, raw_upstream

BUFFERED_BYTES = 200_000
FLOWING_BYTES = 5_000_000


@pytest.mark.parametrize("missing_bytes", [1, 100_000])
async def test_buffered_answer_that_breaks_leads_to_the_next_target(
    gateway: GatewayUnderTest, missing_bytes: int
) -> None:
    """Up to 256 KiB nothing has been said to the client, so another target may still answer."""
    gateway.script("first", huge_body_bytes=BUFFERED_BYTES, truncate_bytes=missing_bytes)
    async with connected(gateway.port) as client:
        answer = await client.ask(post(gateway.token, a_chat()))

    assert (answer.status, answer.is_whole) == (200, True)
    assert answer.header("x-pointsman-target") == "second/sim-medium"


async def test_large_answer_flows_with_its_length(gateway: GatewayUnderTest) -> None:
    """A body beyond the buffer keeps the upstream's content-length, and its usage is booked."""
    gateway.script("first", huge_body_bytes=FLOWING_BYTES)
    async with connected(gateway.port) as client:
        answer = await client.ask(post(gateway.token, a_chat()))
        again = await client.ask(post(gateway.token, a_chat()))

    assert int(answer.header("content-length") or 0) == len(answer.body) > FLOWING_BYTES
    assert again.is_whole
    row, _ = await gateway.lines.requests(2)
    (bill, _) = gateway.simulator.bill.of("first")
    assert (row["ending"], row["evidence"]) == ("complete", "reported")
    assert row["tokens"]["completion"] == bill.completion_tokens


async def test_large_answer_cut_late_is_seen_as_broken(gateway: GatewayUnderTest) -> None:
    """Past the commit point a cut plain body ends short of its length; nothing is tried again."""
    gateway.script("first", huge_body_bytes=FLOWING_BYTES, truncate_bytes=1000)
    async with connected(gateway.port) as client:
        answer = await client.ask(post(gateway.token, a_chat()))
        rest = await client.rest()

    assert (answer.status, answer.is_whole, rest) == (200, False, b"")
    assert len(answer.body) < int(answer.header("content-length") or 0)
    assert gateway.calls("second") == 0
    (row,) = await gateway.lines.requests(1)
    assert (row["ending"], row["error_code"]) == ("upstream_cut", "provider_interrupted")


@pytest.mark.parametrize("is_cut", [False, True])
async def test_large_answer_of_unknown_length_is_chunked(redis_url: str, is_cut: bool) -> None:
    """Without a length the body's last chunk says that it is whole; a cut one lacks it."""
    body = b'{"choices":[],"pad":"' + b"x" * 600_000 + b'"}'

    async def script(line: Line) -> None:
        await line.send(JSON_BODY + CHUNKED)
        await line.pieces([body[:500_000], body[500_000:]])
        if is_cut:
            line.cut()
        else:
            await line.send(LAST_CHUNK)

    async with (
        raw_upstream() as upstream,
        running_gateway(redis_url, config_text=config_of(upstream.url), names=()) as gateway,
        connected(gateway.port) as client,
    ):
        upstream.answers(script)
        answer = await client.ask(post(gateway.token, a_chat()))

    assert (answer.body, answer.is_whole) == (body, not is_cut)
