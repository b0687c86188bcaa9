"""What answers teach: figures for the board, issuers of tool calls, answers to keep, caps."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from proxy.domain.catalog import Endpoint, Tier
from proxy.domain.labels import OutputType, Workload
from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.record import Attempt
from proxy.domain.usage import Usage
from proxy.execution.lessons import CHECKED_BYTES, Lessons
from proxy.execution.opening import Opening, PlainTap
from proxy.execution.settle import Entry, record_of
from proxy.state.answers import Answers
from proxy.state.call_caps import CallCaps
from proxy.state.tool_calls import ToolCallOrigins
from proxy.units import LoopSeconds, UnixMs
from tests.builders import a_call, a_decision, a_request, a_target, some_facts
from tests.fakes import FakeClock, FakeExchange, FakeHealth, FakeReply

PREMIUM = a_target("first/m", tier=Tier.PREMIUM)
ANSWERED = Attempt("first/m", None, 200, 900.0)


class School:
    """Lessons, and who learns from them."""

    def __init__(self) -> None:
        self.health = FakeHealth()
        self.tool_calls = ToolCallOrigins()
        self.answers = Answers(FakeClock().now)
        self.caps = CallCaps()
        self.lessons = Lessons(self.health, self.tool_calls, self.answers, self.caps)

    def learn(self, entry: Entry, **changes: Any) -> None:
        self.lessons.learn(entry, replace(record_of(entry, LoopSeconds(1002.0)), **changes))


def an_answer(content: str = "hi") -> bytes:
    """A plain answer that says *content*."""
    return orjson.dumps({"choices": [{"message": {"content": content}}]})


def an_entry(prefix: bytes | None = None, **fields: Any) -> Entry:
    """A request that was answered plainly, with ten tokens."""
    tap = PlainTap()
    tap.usage, tap.finish_reason = Usage(5, 10), fields.pop("finish_reason", "stop")
    tap.calls = fields.pop("calls", [])
    request = fields.pop("request", a_request())
    body = an_answer() if prefix is None else prefix
    entry = Entry(FakeExchange(), LoopSeconds(1000.0), UnixMs(1_700_000_000_000))
    entry.request, entry.decision = request, a_decision(PREMIUM)
    entry.facts = some_facts(**fields.pop("facts", {}))
    entry.attempts = [ANSWERED]
    entry.opening = Opening(
        a_call(request, PREMIUM), FakeReply(), tap, body, whole=True, stream=False
    )
    for name, value in fields.items():
        setattr(entry, name, value)
    return entry


def bad_of(entry: Entry, **changes: Any) -> bool | None:
    """What the board is told of the answer's quality."""
    school = School()
    school.learn(entry, **changes)
    (told,) = school.health.answers
    return told.bad


def test_answer_becomes_figures() -> None:
    """Reported tokens, the attempt's time, the workload that was asked for."""
    school = School()
    school.learn(an_entry(facts={"workload": Workload.CODE, "prompt_bytes": 4000}))
    (told,) = school.health.answers
    assert (told.target_id, told.route_id, told.workload) == ("first/m", "auto", Workload.CODE)
    assert (told.prompt_bytes, told.prompt_tokens, told.completion_tokens) == (5, 5, 10)
    assert (told.writing_ms, told.attempts, told.broke) == (900.0, 1, False)


def test_stream_writes_from_its_first_byte_on() -> None:
    """The time before it is not the writing's."""
    school = School()
    school.learn(an_entry(), stream=True, first_byte_ms=400.0, total_ms=1400.0)
    assert school.health.answers[0].writing_ms == 1000.0


def test_estimated_tokens_and_images_calibrate_nothing() -> None:
    """Only what was reported of text tells how many bytes a token has."""
    entry = an_entry(facts={"images": 1})
    assert entry.opening is not None
    entry.opening.tap.usage = None
    school = School()
    school.learn(entry)
    told = school.health.answers[0]
    assert (told.prompt_bytes, told.prompt_tokens, told.completion_tokens) == (0, 0, 0)


@pytest.mark.parametrize("ending", [Ending.CLIENT_GONE, Ending.DRAINED, Ending.CLIENT_STALLED])
def test_answers_that_others_broke_off_teach_nothing(ending: Ending) -> None:
    """A client that leaves says nothing of the target."""
    school = School()
    school.learn(an_entry(calls=["c"], keep_as=b"k"), ending=ending)
    assert school.health.answers == []
    assert school.tool_calls.origin_of("acme", ["c"]) is None
    assert school.answers.find(b"k") is None


def test_answer_that_the_upstream_broke_off_is_told_as_broken() -> None:
    """And nothing of it is kept."""
    school = School()
    school.learn(an_entry(calls=["c"], keep_as=b"k"), ending=Ending.UPSTREAM_CUT)
    assert school.health.answers[0].broke
    assert school.answers.find(b"k") is None


def test_request_without_an_answer_teaches_nothing() -> None:
    """Refusals and failures have no answer."""
    school = School()
    school.learn(an_entry(opening=None))
    assert school.health.answers == []


def test_issuer_of_tool_calls_is_remembered_and_the_answer_kept() -> None:
    """Where a rule allows it, the whole answer is kept under its key."""
    school = School()
    key = school.answers.key_of("acme", Endpoint.CHAT, b"{}")
    school.learn(an_entry(calls=["c"], keep_as=key, finish_reason="tool_calls"))
    assert school.tool_calls.origin_of("acme", ["c"]) == "first"
    kept = school.answers.find(key)
    assert kept is not None
    assert (kept.target_id, kept.body) == ("first/m", an_answer())
    assert school.health.answers[0].called_tools


@pytest.mark.parametrize(
    ("reason", "bad"),
    [("stop", False), ("content_filter", True), ("length", True), (None, None)],
)
def test_end_tells_of_quality(reason: str | None, bad: bool | None) -> None:
    """Refused and cut short are bad; where nothing is said, nothing is known."""
    assert bad_of(an_entry(finish_reason=reason)) is bad


def test_limit_that_was_asked_for_is_no_fault() -> None:
    """An answer that stops at the client's own limit did what was asked."""
    assert bad_of(an_entry(finish_reason="length", request=a_request(max_tokens=5))) is None


@pytest.mark.parametrize(
    ("body", "reason", "bad"),
    [
        (an_answer('{"a":1}'), "stop", False),
        (an_answer("{"), "stop", True),
        (b"{", "stop", True),
        (orjson.dumps({"choices": []}), "stop", True),
        (an_answer("{"), "tool_calls", False),
        (an_answer("1" * CHECKED_BYTES), "stop", None),
    ],
)
def test_json_that_was_asked_for_is_checked(body: bytes, reason: str, bad: bool | None) -> None:
    """Up to a size; beyond it is unknown, never good."""
    facts = {"labels": some_facts().labels}
    entry = an_entry(body, finish_reason=reason, facts=facts)
    assert entry.facts is not None
    label = entry.facts.labels.output_type._replace(value=OutputType.JSON)
    entry.facts = replace(entry.facts, labels=replace(entry.facts.labels, output_type=label))
    assert bad_of(entry) is bad


@pytest.mark.parametrize(
    ("attempt", "given_back"),
    [
        (ANSWERED, False),
        (Attempt("first/m", FailureKind.FIRST_BYTE_TIMEOUT, None, 1.0, maybe_billed=True), False),
        (Attempt("first/m", FailureKind.RATE_LIMITED, 429, 1.0), True),
        (Attempt("other/m", None, 200, 1.0), True),
    ],
)
def test_cap_is_given_back_where_no_premium_call_was_made(
    attempt: Attempt, given_back: bool
) -> None:
    """What was answered or may be billed counts; all else does not."""
    school = School()
    school.caps.hold(["cap"])
    school.learn(an_entry(held=("cap",), attempts=[attempt]))
    assert school.caps.allows("cap", 1) is given_back
