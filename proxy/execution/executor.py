"""Step 6: attempts, one after another, until a reply begins. I/O: upstream calls, by port."""

from collections.abc import Mapping

from proxy.deadlines import Deadlines
from proxy.domain.decision import Decision
from proxy.domain.outcome import TIMEOUTS, Failure, FailureKind
from proxy.domain.price import cost_of
from proxy.domain.record import Attempt
from proxy.domain.request import Request
from proxy.domain.usage import estimated_usage
from proxy.errors import GatewayError, UpstreamRefusal
from proxy.execution.next_step import GiveUp, Try, next_step
from proxy.execution.opening import Opening, open_answer
from proxy.execution.settle import Entry
from proxy.ports import Call, Clock, HealthBoard, Provider
from proxy.routing.degrade import refusal_of
from proxy.units import LoopSeconds, NanoUsd


class Executor:
    """Turns a decision into a reply that began."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        health: HealthBoard,
        clock: Clock,
        deadlines: Deadlines,
    ) -> None:
        self._providers = providers
        self._health = health
        self._clock = clock
        self._deadlines = deadlines

    async def open(
        self, request: Request, decision: Decision, forwarded: Mapping[str, str], entry: Entry
    ) -> Opening:
        """The first reply that began; the caller owns and closes it.

        Raises:
            GatewayError: no permitted target answered, or none is permitted.
        """
        if not decision.ranking:
            raise refusal_of(decision)
        now = self._clock.now()
        deadline = LoopSeconds(now + decision.route.deadline_s)
        failures: list[Failure] = []
        step = next_step(decision, failures, now, deadline)
        while isinstance(step, Try):
            timeouts = step.target.provider.timeouts
            ends = LoopSeconds(min(deadline, now + timeouts.total_s))
            call = Call(request, step.target, forwarded, ends, step.fresh_connection)
            first_byte_s = timeouts.until_first_byte_s(stream=request.stream)
            result = await self._attempt(call, LoopSeconds(min(ends, now + first_byte_s)), entry)
            if isinstance(result, Opening):
                return result
            failures.append(result)
            now = self._clock.now()
            step = next_step(decision, failures, now, deadline)
        raise _refusal(decision, failures, step)

    async def _attempt(
        self, call: Call, first_byte_by: LoopSeconds, entry: Entry
    ) -> Opening | Failure:
        started = self._clock.now()
        result: Opening | Failure | None = None
        try:
            # A failed attempt is an expected answer, hence a value. Cancellation is not caught:
            # the client has left, and no target is to blame for that.
            with self._deadlines.until(first_byte_by) as watch:
                reply = await self._providers[call.target.provider.id].open(call)
                if isinstance(reply, Failure):
                    result = reply
                else:
                    result = await open_answer(reply, call, watch)
        except TimeoutError:
            result = Failure(call.target.id, FailureKind.FIRST_BYTE_TIMEOUT)
        finally:
            attempt = _attempt_of(call, result, self._clock.now() - started)
            entry.attempts.append(attempt)
        self._note(call, result, attempt.elapsed_ms)
        return result

    def _note(self, call: Call, result: Opening | Failure, elapsed_ms: float) -> None:
        target_id = call.target.id
        if isinstance(result, Failure):
            self._health.attempt_ended(target_id, result.kind, None)
            return
        self._health.attempt_ended(target_id, None, elapsed_ms if result.stream else None)
        if (share := result.reply.limits_left) is not None:
            self._health.limits_left(target_id, share)


def _attempt_of(call: Call, result: Opening | Failure | None, elapsed_s: float) -> Attempt:
    elapsed_ms = elapsed_s * 1000
    if isinstance(result, Opening):
        return Attempt(call.target.id, None, result.status, elapsed_ms, call.fresh_connection)
    # Interrupted (the client left): the provider may have begun to work.
    maybe_billed = result.maybe_billed if result is not None else True
    return Attempt(
        target_id=call.target.id,
        failure=result.kind if result is not None else None,
        status=result.status if result is not None else None,
        elapsed_ms=elapsed_ms,
        fresh_connection=call.fresh_connection,
        maybe_billed=maybe_billed,
        maybe_nanousd=_prompt_cost(call) if maybe_billed else None,
    )


def _prompt_cost(call: Call) -> NanoUsd | None:
    price = call.target.price
    return None if price is None else cost_of(estimated_usage(call.request.prompt_bytes, 0), price)


def _refusal(decision: Decision, failures: list[Failure], step: GiveUp) -> GatewayError:
    last = failures[-1]
    if step is GiveUp.CLIENT_MISTAKE and last.complaint is not None:
        complaint = last.complaint
        return UpstreamRefusal(complaint.status, complaint.message, complaint.code, complaint.param)
    return GatewayError(
        _code_of(failures),
        retry_after_s=_wait_of(failures),
        route=decision.route.id,
        attempts=len(failures),
        kind=last.kind.value,
    )


def _code_of(failures: list[Failure]) -> str:
    kinds = {failure.kind for failure in failures}
    if kinds == {FailureKind.RATE_LIMITED}:
        return "provider_rate_limited"
    if kinds <= {FailureKind.RATE_LIMITED, FailureKind.OVERLOADED}:
        return "provider_overloaded"
    if failures[-1].kind in TIMEOUTS:
        return "provider_timeout"
    return "provider_failed"


def _wait_of(failures: list[Failure]) -> int | None:
    waits = [f.retry_after_s for f in failures if f.retry_after_s is not None]
    return min(waits, default=None)
