"""Builds records for the tests of telemetry, with defaults that a plain answer leaves."""

from dataclasses import replace
from typing import Any

from proxy.domain.decision import Degradation, Reason, Rejection
from proxy.domain.labels import Kind
from proxy.domain.outcome import Ending, FailureKind
from proxy.domain.record import Attempt, Record
from proxy.domain.rules import DegradeStep
from proxy.domain.usage import Evidence, Usage
from proxy.units import NanoUsd, UnixMs
from tests.builders import a_decision, a_target, some_facts

PLAIN = Record(
    request_id="req-1",
    started_at_ms=UnixMs(1_700_000_000_123),
    method="POST",
    path="/v1/chat/completions",
    status=200,
    ending=Ending.COMPLETE,
    error_code=None,
    error_param=None,
    tenant_id="acme",
    key_id="k1",
    route_id="auto",
    target_id="sim-b/fast",
    attempts=(
        Attempt("sim-a/fast", FailureKind.RATE_LIMITED, 429, 12.3456),
        Attempt("sim-b/fast", None, 200, 80.5),
    ),
    skipped=(Rejection("sim-c/plain", Reason.MISSING_CAPABILITY, "tools"),),
    redacted=((Kind.EMAIL, 2),),
    stream=True,
    usage=Usage(prompt_tokens=34, completion_tokens=120, cached_tokens=10),
    evidence=Evidence.REPORTED,
    cost_nanousd=NanoUsd(123_456),
    finish_reason="stop",
    config_version="cfg-1",
    facts=some_facts(),
    decision=a_decision(a_target("sim-b/fast"))._replace(
        degradation=Degradation(DegradeStep.CHEAPER_TIER, "premium", "standard", "policy")
    ),
    trace_id="0af7651916cd43dd8448eb211c80319c",
    body_bytes=512,
    sent_bytes=9000,
    first_byte_ms=93.25,
    total_ms=1234.5678,
)


def a_record(**changes: Any) -> Record:
    """A streamed answer of the second target, with *changes*."""
    return replace(PLAIN, **changes)
