"""One call at a simulated provider, from its admission to its last byte. I/O: its connection."""

import asyncio
import math
import random
import time
from dataclasses import dataclass, field

from proxy.domain.catalog import Endpoint
from proxy.domain.price import Price, cost_of
from proxy.domain.usage import Usage
from proxy.simulator.answers import Answer, answer_to, billed
from proxy.simulator.asks import Ask, Received
from proxy.simulator.bill import BillEnding, BillEntry
from proxy.simulator.bodies import embeddings_body, error_body, extra_fields, plain_body
from proxy.simulator.events import Stamp, events_of
from proxy.simulator.limits import Limiter, OverLimit
from proxy.simulator.script import ErrorReply, RateLimited, Script
from proxy.simulator.stream import (
    Cut,
    Headers,
    Outlet,
    Tally,
    Timing,
    for_ever,
    send_plain,
    send_stream,
)

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One attempt at work. Once it is `begun` it is billed, however it ends.

    `id` goes back as x-request-id, `seed` as x-sim-seed. `dimensions` are those of the model's
    embeddings, `price` its price; both are known once the call was understood.
    """

    number: int
    id: str
    seed: str
    endpoint: Endpoint
    received: Received
    outlet: Outlet
    limiter: Limiter
    reused_connection: bool
    started_unix_ms: int
    chance: random.Random
    script: Script = field(default_factory=Script)
    ask: Ask | None = None
    price: Price = field(default_factory=lambda: Price(0, 0))
    dimensions: int = 0
    usage: Usage = field(default_factory=Usage)
    admitted: bool = False
    begun: bool = False
    tally: Tally = field(default_factory=Tally)

    def entry(self, provider: str) -> BillEntry:
        """The line of the bill, with the work done so far."""
        usage = billed(self.usage, self.tally.completion_tokens) if self.begun else Usage()
        return BillEntry(
            provider=provider,
            attempt=self.number,
            seed=self.seed,
            time_unix_ms=self.started_unix_ms,
            endpoint=self.endpoint.value,
            model=self.ask.model if self.ask else None,
            stream=bool(self.ask and self.ask.stream),
            status=self.tally.status,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            cost_nanousd=cost_of(usage, self.price),
            # An answer that nobody saw end failed on our own side.
            ending=self.tally.ending or BillEnding.ERROR,
            request_id=self.received.header("x-request-id"),
        )


async def perform(call: Call, ask: Ask) -> None:
    """Admit *call* and do with it what its script says; its tally tells how that ended.

    Raises:
        Refused: nothing was sent and nothing is billed.
        Cut: the script drops the connection.
    """
    script = call.script
    if script.close_reused and call.reused_connection:
        raise Cut
    if (over := call.limiter.admit(ask.prompt_tokens, time.monotonic())) is not None:
        await _send_over_limit(call, over)
        return
    call.admitted = True
    timing = Timing.drawn(script, call.chance)
    if (fate := _fate(script, call.chance)) is not None:
        await asyncio.sleep(timing.latency_s)
        await _send_fate(call, fate)
        return
    answer = _answer_of(call, ask)
    call.usage = answer.usage
    call.begun = True
    if script.close_after_request:
        raise Cut
    if script.hang == "head":
        await for_ever()
    await asyncio.sleep(timing.latency_s)
    if ask.stream:
        await _send_stream(call, ask, answer, timing)
    else:
        await _generate(call, answer, timing)
        call.tally.status = 200
        body = _plain_body(call, ask, answer)
        await send_plain(call.outlet, body, _headers(call, _JSON), script)
    call.tally.ending = call.tally.ending or BillEnding.COMPLETE


async def send_error(call: Call, error: ErrorReply, extra: Headers | None = None) -> None:
    """Answer *call* with *error*; *extra* headers stand beside the usual ones."""
    body, content_type = error_body(error)
    call.tally.status = error.status
    headers = [*_headers(call, content_type), *(extra or [])]
    await call.outlet.head(error.status, headers, len(body))
    if body:
        await call.outlet.body(body)
    await call.outlet.end()


def _fate(script: Script, chance: random.Random) -> ErrorReply | RateLimited | str | None:
    """What the call gets in place of an answer: an error, a 429, a redirect's location."""
    # Both are drawn whatever the script says, so that the same call of a seed fares alike.
    limit_draw, error_draw = chance.random(), chance.random()
    if script.redirect is not None:
        return script.redirect
    if script.rate_limited is not None and limit_draw < script.rate_limited.rate:
        return script.rate_limited
    if script.error is not None and error_draw < script.error.rate:
        return script.error
    return None


async def _send_fate(call: Call, fate: ErrorReply | RateLimited | str) -> None:
    match fate:
        case ErrorReply():
            call.tally.ending = BillEnding.ERROR
            await send_error(call, fate)
        case RateLimited():
            call.tally.ending = BillEnding.RATE_LIMITED
            wait = fate.retry_after
            waiting = [] if wait is None else [("retry-after", _number_text(wait))]
            await send_error(call, _too_many(fate.code, "Rate limit reached."), waiting)
        case location:
            call.tally.ending = BillEnding.ERROR
            error = ErrorReply(status=302, body="empty")
            await send_error(call, error, [("location", location)])


async def _send_over_limit(call: Call, over: OverLimit) -> None:
    call.tally.ending = BillEnding.RATE_LIMITED
    message = f"Rate limit reached for {over.limit}. Try again in {over.retry_after_s:.1f}s."
    waiting = [
        ("retry-after", str(math.ceil(over.retry_after_s))),
        ("retry-after-ms", str(math.ceil(over.retry_after_s * 1000))),
    ]
    await send_error(call, _too_many("rate_limit_exceeded", message), waiting)


def _too_many(code: str, message: str) -> ErrorReply:
    return ErrorReply(status=429, code=code, message=message)


def _number_text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _answer_of(call: Call, ask: Ask) -> Answer:
    if ask.endpoint is Endpoint.EMBEDDINGS:
        return Answer((), Usage(prompt_tokens=ask.prompt_tokens))
    echo = call.received.echo() if call.script.echo else None
    return answer_to(ask, call.script, call.chance, echo)


async def _send_stream(call: Call, ask: Ask, answer: Answer, timing: Timing) -> None:
    script = call.script
    headers = [*_headers(call, _EVENTS), ("cache-control", "no-cache")]
    call.tally.status = 200
    if script.raw is not None:
        await _generate(call, answer, timing)
        await send_plain(call.outlet, script.raw.encode(), headers, script, sized=False)
        return
    await call.outlet.head(200, headers, None)
    events = events_of(answer, ask, script, _stamp(call, ask))
    await send_stream(call.outlet, events, script, timing, call.tally)


async def _generate(call: Call, answer: Answer, timing: Timing) -> None:
    """Take the time that the whole answer takes; what was done by then is billed."""
    tokens = answer.usage.completion_tokens
    pace_s = timing.seconds_per_token
    now = asyncio.get_running_loop().time
    first_s = now() + timing.first_token_s
    try:
        await asyncio.sleep(timing.first_token_s + tokens * pace_s)
    except asyncio.CancelledError:
        done = (now() - first_s) / pace_s if pace_s else 0.0
        call.tally.completion_tokens = max(0, min(tokens, int(done)))
        raise
    call.tally.completion_tokens = tokens


def _plain_body(call: Call, ask: Ask, answer: Answer) -> bytes:
    script = call.script
    if script.raw is not None:
        return script.raw.encode()
    if ask.endpoint is not Endpoint.EMBEDDINGS:
        return plain_body(answer, ask, script, _stamp(call, ask))
    extra = extra_fields(script)
    if script.echo:
        extra["sim_echo"] = call.received.echo()
    return embeddings_body(ask, ask.dimensions or call.dimensions, answer.usage, extra)


def _stamp(call: Call, ask: Ask) -> Stamp:
    prefix = "chatcmpl" if ask.endpoint is Endpoint.CHAT else "cmpl"
    token = random.Random(call.seed).getrandbits(96)
    return Stamp(f"{prefix}-{token:024x}", call.started_unix_ms // 1000, ask.model)


def _headers(call: Call, content_type: str) -> Headers:
    return [
        ("content-type", call.script.content_type or content_type),
        ("x-request-id", call.id),
        ("x-sim-seed", call.seed),
        *call.limiter.headers(time.monotonic()),
    ]
