"""The books: every exit passes once, and the record says what is known and how."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.price import Price
from proxy.domain.record import Attempt
from proxy.domain.request import Request
from proxy.domain.tenant import Identity
from proxy.domain.usage import Evidence, Usage
from proxy.errors import GatewayError, UpstreamRefusal
from proxy.execution.opening import Opening, PlainTap
from proxy.execution.settle import Books, Entry, record_of, usage_of
from proxy.ports import Head
from proxy.units import LoopSeconds, UnixMs
from tests.builders import a_call, a_decision, a_request, a_target, an_embedding
from tests.fakes import FakeClock, FakeExchange, FakeReply, KeptRecords

NOW = LoopSeconds(1002.5)


def an_opening(
    usage: Usage | None = None, *, request: Request | None = None, **target: Any
) -> Opening:
    """An answer of 40 bytes that began, with *usage* if it reported any."""
    tap = PlainTap()
    prefix = tap.feed(b"x" * 40)
    tap.usage, tap.finish_reason = usage, "stop"
    call = a_call(request, a_target(**target))
    return Opening(call, FakeReply(), tap, prefix, whole=True, stream=False)


def an_entry(**fields: Any) -> Entry:
    """An entry opened at 1000 s; *fields* are set on it."""
    entry = Entry(FakeExchange(), LoopSeconds(1000.0), UnixMs(1_700_000_000_000))
    for name, value in fields.items():
        setattr(entry, name, value)
    return entry


def an_answered_entry(usage: Usage | None, **fields: Any) -> Entry:
    """An entry whose request was answered."""
    request = fields.pop("request", a_request())
    return an_entry(request=request, opening=an_opening(usage, request=request, **fields))


@pytest.mark.parametrize(
    ("usage", "evidence"),
    [
        (Usage(5, 7), Evidence.REPORTED),
        (Usage(0, 7), Evidence.REPORTED),
        (Usage(5, 0), Evidence.REPORTED),
        (Usage(0, 0), Evidence.REPORTED_ZERO),
    ],
)
def test_reported_usage_stands(usage: Usage, evidence: Evidence) -> None:
    """A reported zero is a figure, not a gap."""
    assert usage_of(an_answered_entry(usage)) == (usage, evidence)


def test_missing_usage_is_estimated() -> None:
    """Four bytes to a token, rounded up for the prompt, of what was asked and what came."""
    assert usage_of(an_answered_entry(None)) == (Usage(2, 10), Evidence.ESTIMATED)


def test_embeddings_are_estimated_by_their_input() -> None:
    """Vectors are no text."""
    entry = an_answered_entry(None, request=an_embedding())
    assert usage_of(entry) == (Usage(3, 0), Evidence.ESTIMATED)


def test_request_that_was_not_answered_used_nothing() -> None:
    """Without an answer there is no figure and no guess."""
    assert usage_of(an_entry()) == (Usage(), Evidence.NONE)
    assert record_of(an_entry(request=a_request()), NOW).cost_nanousd is None


def test_cost_is_the_targets_price() -> None:
    """A million tokens in cost a dollar, out two; a nano-dollar at least is a thousandth token."""
    assert record_of(an_answered_entry(Usage(3, 2)), NOW).cost_nanousd == 3000 + 4000
    dear = an_answered_entry(Usage(1, 0), price=Price(1, 1))
    assert record_of(dear, NOW).cost_nanousd == 1
    free = an_answered_entry(Usage(3, 2), price=None)
    assert record_of(free, NOW).cost_nanousd is None


def test_record_of_an_answer_is_complete() -> None:
    """Everything that is known of the request stands in its record."""
    target = a_target()
    attempts = [
        Attempt("other/m", FailureKind.OVERLOADED, 503, 1.0),
        Attempt("first/m", None, None, 2.0),
    ]
    entry = an_entry(
        identity=Identity("acme", "k1"),
        request=a_request(),
        route_id="auto",
        decision=a_decision(target),
        attempts=attempts,
        opening=an_opening(Usage(3, 2)),
        ending=Ending.COMPLETE,
    )
    exchange = entry.exchange
    assert isinstance(exchange, FakeExchange)
    exchange.trace_id = "f" * 32
    exchange.body_bytes = 63
    exchange.sink.start(Head(200, "application/json", 40, stream=False))
    exchange.sink.write(b"x" * 40)

    record = record_of(entry, NOW)

    assert (record.request_id, record.started_at_ms) == ("req_1", 1_700_000_000_000)
    assert (record.method, record.path, record.status) == ("POST", exchange.path, 200)
    assert (record.ending, record.error_code) == (Ending.COMPLETE, None)
    assert (record.tenant_id, record.key_id) == ("acme", "k1")
    assert (record.route_id, record.target_id) == ("auto", "first/m")
    assert record.attempts == tuple(attempts)
    assert (record.stream, record.finish_reason) == (False, "stop")
    assert (record.config_version, record.trace_id) == ("v1", "f" * 32)
    assert (record.body_bytes, record.sent_bytes) == (63, 40)
    assert (record.first_byte_ms, record.total_ms) == (1000.0, 2500.0)


def test_record_of_nothing_is_a_client_that_left() -> None:
    """Whatever is not known is none, and the status is 499."""
    record = record_of(an_entry(ending=Ending.CLIENT_GONE), NOW)

    assert (record.status, record.ending) == (499, Ending.CLIENT_GONE)
    nothing = (record.tenant_id, record.key_id, record.route_id, record.target_id)
    assert nothing == (None, None, None, None)
    assert (record.finish_reason, record.config_version, record.first_byte_ms) == (None, None, None)
    assert (record.stream, record.body_bytes, record.attempts) == (False, 0, ())


def test_request_that_was_drained_says_so() -> None:
    """Whatever else happened to it, the gateway broke it off."""
    entry = an_entry(ending=Ending.CLIENT_GONE)
    assert isinstance(entry.exchange, FakeExchange)
    entry.exchange.drained = True

    assert record_of(entry, NOW).ending is Ending.DRAINED


def test_status_that_went_out_is_the_status() -> None:
    """An error after the head does not change what the client got."""
    entry = an_entry(error=GatewayError("internal_error"))
    assert record_of(entry, NOW).status == 500
    entry.exchange.sink.start(Head(200, "text/event-stream", None, stream=True))
    assert record_of(entry, NOW).status == 200


class Ledger:
    """Books with all that they write kept."""

    def __init__(self) -> None:
        self.records = KeptRecords()
        self.books = Books(self.records, self.records, FakeClock())

    @property
    def only(self) -> Any:
        """The one record, which both recorder and meter got."""
        (record,) = self.records.kept
        assert self.records.ended == [record]
        assert self.records.started == 1
        return record


def test_entry_that_is_left_well_is_settled_once() -> None:
    """Without a word the request is complete; its reply is closed."""
    ledger = Ledger()
    opening = an_opening(Usage(1, 1))
    with ledger.books.entry(FakeExchange()) as entry:
        entry.opening = opening
        assert ledger.records.kept == []

    assert ledger.only.ending is Ending.COMPLETE
    assert isinstance(opening.reply, FakeReply)
    assert opening.reply.closed_times == 1


ENDINGS: dict[str, tuple[BaseException, Ending, str | None, int]] = {
    "the request itself": (GatewayError("invalid_body"), Ending.REFUSED, "invalid_body", 400),
    "our own limits": (GatewayError("draining"), Ending.REFUSED, "draining", 503),
    "the provider": (
        GatewayError("provider_failed", route="r", attempts=1, kind="tls"),
        Ending.FAILED,
        "provider_failed",
        502,
    ),
    "the provider, of the request": (
        UpstreamRefusal(422, "no", "odd", None),
        Ending.REFUSED,
        "request_refused_by_provider",
        422,
    ),
    "the client left": (asyncio.CancelledError(), Ending.CLIENT_GONE, None, 499),
    "a crash": (ValueError("oops"), Ending.FAILED, "internal_error", 500),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_entry_that_is_left_by_an_error_is_settled_once(case: str) -> None:
    """The record says how it ended; the error goes on to who answers."""
    error, ending, code, status = ENDINGS[case]
    ledger = Ledger()

    with pytest.raises(type(error)) as raised, ledger.books.entry(FakeExchange()):
        raise error

    assert raised.value is error
    record = ledger.only
    assert (record.ending, record.error_code, record.status) == (ending, code, status)


def test_books_are_kept_a_moment_later_for_many_at_once() -> None:
    """One call for all that ended meanwhile; what is learned is learned at once."""
    records, due, learned = KeptRecords(), [], []
    books = Books(
        records,
        records,
        FakeClock(),
        lambda entry, record: learned.append(record),
        later=due.append,
    )
    for _ in range(3):
        with books.entry(FakeExchange()):
            pass

    assert len(learned) == 3
    assert (records.kept, records.ended) == ([], [])
    (flush,) = due
    flush()
    assert records.kept == records.ended == learned
    flush()
    assert len(records.kept) == 3  # nothing is kept twice

    with books.entry(FakeExchange()):
        pass
    assert due == [flush, flush]


def test_books_that_cannot_wait_are_kept_with_the_next_request() -> None:
    """A moment that could not be had is asked for again; nothing is lost meanwhile."""
    records, due, told = KeptRecords(), [], []

    def later(flush: Callable[[], None]) -> None:
        due.append(flush)
        if len(due) == 1:
            raise RuntimeError("no running event loop")

    books = Books(records, records, FakeClock(), on_failure=lambda *told_: told.append(told_),
                  later=later)  # fmt: skip
    for _ in range(2):
        with books.entry(FakeExchange()):
            pass

    assert [name for name, _ in told] == ["books"]
    assert len(due) == 2
    due[1]()
    assert len(records.kept) == len(records.ended) == 2


def test_long_prompt_is_let_go_once_its_answer_began() -> None:
    """A stream that lives for minutes does not hold the megabytes that asked for it."""
    request = a_request()
    long = replace(request, body=b"x" * 100_000)
    entry = an_entry(request=long, opening=an_opening(Usage(3, 2)))

    entry.let_go_of_body()

    assert entry.request is not None
    assert entry.opening is not None
    assert entry.request.body == entry.opening.call.request.body == b""
    assert entry.request.prompt_bytes == request.prompt_bytes
