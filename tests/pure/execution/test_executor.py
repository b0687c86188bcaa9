"""Attempts, one after another, until a reply begins; the error that all their failures make."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from proxy.assembly import SystemClock
from proxy.deadlines import Deadlines
from proxy.domain.decision import Decision, Reason, Rejection
from proxy.domain.outcome import Failure, FailureKind, UpstreamComplaint
from proxy.errors import GatewayError, Side, UpstreamRefusal
from proxy.execution.executor import Executor
from proxy.execution.opening import Opening
from proxy.execution.settle import Entry
from proxy.units import LoopSeconds, UnixMs
from tests.builders import a_decision, a_provider, a_request, a_target
from tests.fakes import FakeExchange, FakeHealth, FakeProvider, FakeReply, silence

GOOD = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class Attempts:
    """An executor over fake providers, and the entry of one request."""

    def __init__(self, **results: Iterable[Any]) -> None:
        self.providers = {name: FakeProvider(each) for name, each in results.items()}
        self.entry = Entry(FakeExchange(), LoopSeconds(0.0), UnixMs(0))
        self.health = FakeHealth()
        self._executor = Executor(self.providers, self.health, SystemClock(), Deadlines())

    async def open(self, decision: Decision, **fields: Any) -> Opening:
        """Open a chat with *fields* as *decision* says."""
        return await self._executor.open(a_request(**fields), decision, {"a": "b"}, self.entry)

    async def refusal(self, decision: Decision) -> GatewayError:
        """What a chat that no target answers is refused with."""
        with pytest.raises(GatewayError) as raised:
            await self.open(decision)
        return raised.value


def plain() -> FakeReply:
    """A good plain answer."""
    return FakeReply(GOOD, content_type="application/json")


def failed(name: str, kind: FailureKind, **fields: Any) -> Failure:
    """A failure of the target of provider *name*."""
    return Failure(f"{name}/m", kind, **fields)


ONE, TWO, THREE = (a_target(f"{name}/m") for name in ("one", "two", "three"))


async def test_first_reply_that_begins_is_returned() -> None:
    """Failures before it are listed with status and kind; it is open, the others are not tried."""
    attempts = Attempts(
        one=[failed("one", FailureKind.OVERLOADED, status=503)], two=[plain()], three=[]
    )

    opening = await attempts.open(a_decision(ONE, TWO, THREE))

    assert opening.call.target is TWO
    assert opening.call.headers == {"a": "b"}
    first, second = attempts.entry.attempts
    assert (first.target_id, first.failure, first.status) == ("one/m", FailureKind.OVERLOADED, 503)
    assert (second.target_id, second.failure) == ("two/m", None)
    assert [each.maybe_billed for each in attempts.entry.attempts] == [False, False]
    assert all(each.elapsed_ms >= 0 for each in attempts.entry.attempts)


async def test_reply_that_does_not_begin_is_a_failure_like_others() -> None:
    """An answer that is none leads on, and is closed."""
    empty = FakeReply(content_type="application/json")
    attempts = Attempts(one=[empty], two=[plain()])

    opening = await attempts.open(a_decision(ONE, TWO))

    assert opening.call.target is TWO
    assert empty.closed_times == 1
    assert attempts.entry.attempts[0].failure is FailureKind.EMPTY_REPLY
    assert attempts.entry.attempts[0].maybe_billed


async def test_stale_connection_is_tried_again_afresh() -> None:
    """The second call to the same target asks for a fresh connection."""
    attempts = Attempts(one=[failed("one", FailureKind.STALE_CONNECTION), plain()])

    await attempts.open(a_decision(ONE))

    assert [call.fresh_connection for call in attempts.providers["one"].calls] == [False, True]
    assert [each.fresh_connection for each in attempts.entry.attempts] == [False, True]


async def test_silent_target_is_left_at_its_first_byte_deadline() -> None:
    """The attempt's own deadline, not the request's, ends the wait."""
    slow = a_target("one/m", provider=a_provider("one", plain_first_byte_s=0.01))
    attempts = Attempts(one=[silence], two=[plain()])

    opening = await attempts.open(a_decision(slow, TWO))

    assert opening.call.target is TWO
    (first, _) = attempts.entry.attempts
    assert (first.failure, first.maybe_billed) == (FailureKind.FIRST_BYTE_TIMEOUT, True)


async def test_reply_that_falls_silent_is_closed() -> None:
    """A head alone is no beginning: the deadline runs on to the first event."""
    slow = a_target("one/m", provider=a_provider("one", first_byte_s=0.01))
    reply = FakeReply(b"data: {", silence)
    attempts = Attempts(one=[reply])

    with pytest.raises(GatewayError) as raised:
        await attempts.open(a_decision(slow), stream=True)

    assert raised.value.code == "provider_timeout"
    assert reply.closed_times == 1


async def test_requests_deadline_bounds_all_attempts() -> None:
    """Where the route's deadline comes first, it ends the attempt, and no other is begun."""
    attempts = Attempts(one=[silence], two=[])

    error = await attempts.refusal(a_decision(ONE, TWO, deadline_s=0.01))

    assert error.code == "provider_timeout"
    assert len(attempts.entry.attempts) == 1


async def test_deadline_of_a_call_is_the_nearer_one() -> None:
    """The target's total or the route's deadline, whichever comes first."""
    short = a_target("one/m", provider=a_provider("one", total_s=5.0))
    attempts = Attempts(one=[plain()], two=[plain()])
    now = SystemClock().now()

    await attempts.open(a_decision(short, deadline_s=50.0))
    await attempts.open(a_decision(TWO, deadline_s=50.0))

    (first,), (second,) = (each.calls for each in attempts.providers.values())
    assert 4 < first.deadline - now < 6
    assert 49 < second.deadline - now < 51


async def test_client_that_leaves_blames_nobody() -> None:
    """The attempt is listed as perhaps billed, without a failure; nothing else is tried."""
    attempts = Attempts(one=[silence], two=[])
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(attempts.open(a_decision(ONE, TWO)))
        while not attempts.providers["one"].calls:
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    (attempt,) = attempts.entry.attempts
    assert (attempt.failure, attempt.maybe_billed) == (None, True)


async def test_nothing_permitted_is_refused_with_every_reason() -> None:
    """An empty ranking says why, target by target, without a call."""
    rejected = (
        Rejection("one/m", Reason.WRONG_ENDPOINT, "embeddings"),
        Rejection("two/m", Reason.MISSING_CAPABILITY, "tools, vision"),
    )
    attempts = Attempts()

    error = await attempts.refusal(a_decision(ONE, TWO)._replace(ranking=(), rejected=rejected))

    assert (error.code, error.kind.side) == ("no_target", Side.GATEWAY)
    assert "one/m: wrong_endpoint (embeddings)" in error.message
    assert "two/m: missing_capability (tools, vision)" in error.message


KINDS = {
    "all rate limited": ([FailureKind.RATE_LIMITED] * 2, "provider_rate_limited"),
    "limited, then overloaded": (
        [FailureKind.RATE_LIMITED, FailureKind.OVERLOADED],
        "provider_overloaded",
    ),
    "all overloaded": ([FailureKind.OVERLOADED] * 2, "provider_overloaded"),
    "a timeout last": ([FailureKind.RATE_LIMITED, FailureKind.CONNECT_TIMEOUT], "provider_timeout"),
    "a timeout first": ([FailureKind.FIRST_BYTE_TIMEOUT, FailureKind.TLS], "provider_failed"),
    "the gateway's credential": ([FailureKind.UNAUTHORIZED] * 2, "provider_failed"),
    "no credit": ([FailureKind.OUT_OF_CREDIT, FailureKind.RATE_LIMITED], "provider_failed"),
}


@pytest.mark.parametrize("case", KINDS)
async def test_failures_together_make_the_refusal(case: str) -> None:
    """The code says what a client can do about it; the message how many were tried."""
    kinds, code = KINDS[case]
    attempts = Attempts(
        one=[failed("one", kinds[0], retry_after_s=9)], two=[failed("two", kinds[1])]
    )

    error = await attempts.refusal(a_decision(ONE, TWO))

    assert (error.code, error.kind.side) == (code, Side.PROVIDER)
    assert error.retry_after_s == 9
    assert "2 tried" in error.message
    assert "'auto'" in error.message


async def test_shortest_wait_is_told() -> None:
    """The client may come back as soon as the first provider takes calls again."""
    attempts = Attempts(
        one=[failed("one", FailureKind.RATE_LIMITED, retry_after_s=30)],
        two=[failed("two", FailureKind.RATE_LIMITED, retry_after_s=4)],
        three=[failed("three", FailureKind.RATE_LIMITED)],
    )

    assert (await attempts.refusal(a_decision(ONE, TWO, THREE))).retry_after_s == 4


async def test_clients_mistake_comes_with_the_providers_words() -> None:
    """Status, code and param of the provider's explanation are passed on."""
    complaint = UpstreamComplaint(422, "No such tool.", "bad_tool", "tools[0]")
    mistake = failed("one", FailureKind.CLIENT_MISTAKE, status=422, complaint=complaint)
    attempts = Attempts(one=[mistake], two=[])

    error = await attempts.refusal(a_decision(ONE, TWO))

    assert isinstance(error, UpstreamRefusal)
    assert (error.status, error.upstream_code, error.param) == (422, "bad_tool", "tools[0]")
    assert error.message == "No such tool."


async def test_clients_mistake_without_words_has_ours() -> None:
    """An explanation that was none leaves the catalogue's message."""
    complaint = UpstreamComplaint(400, None, None, None)
    mistake = failed("one", FailureKind.CLIENT_MISTAKE, status=400, complaint=complaint)

    error = await Attempts(one=[mistake]).refusal(a_decision(ONE))

    assert error.message == "The provider refused the request as invalid."


async def test_clients_mistake_that_nobody_explained_is_a_failure() -> None:
    """Without a complaint the provider is at fault."""
    mistake = failed("one", FailureKind.CLIENT_MISTAKE)

    error = await Attempts(one=[mistake]).refusal(a_decision(ONE))

    assert error.code == "provider_failed"


async def test_plain_answer_may_come_slowly_but_not_stop() -> None:
    """Past its first byte a plain answer has the time between chunks, and no longer."""
    times = {"plain_first_byte_s": 0.05, "between_chunks_s": 0.05}
    slow = a_target("one/m", provider=a_provider("one", **times))
    reply = FakeReply(b"\n", silence, content_type="application/json")
    attempts = Attempts(one=[reply])

    error = await attempts.refusal(a_decision(slow))

    assert error.code == "provider_timeout"
    assert reply.closed_times == 1
