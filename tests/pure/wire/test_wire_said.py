"""What callers say: read from headers and `routing`, refused by name where it makes no sense."""

from typing import Any

import pytest

from proxy.domain.labels import LatencyClass, Risk, Sensitivity, Workload
from proxy.domain.said import SAID_NOTHING, Said
from proxy.errors import GatewayError
from proxy.wire.said import MAX_LATENCY_MS, said_of


def said(headers: dict[str, str] | None = None, **routing: Any) -> Said:
    """What a request with these headers and this `routing` says."""
    return said_of(headers or {}, {"routing": routing} if routing else {})


def refusal(headers: dict[str, str] | None = None, **routing: Any) -> GatewayError:
    """How it is refused."""
    with pytest.raises(GatewayError) as refused:
        said(headers, **routing)
    assert refused.value.code == "invalid_field"
    return refused.value


def test_nothing_said_is_one_value() -> None:
    """Most requests say nothing, and that costs no object."""
    assert said() is SAID_NOTHING
    assert said_of({}, {"routing": None}) is SAID_NOTHING
    assert said_of({}, {"routing": {}}) is SAID_NOTHING


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("x-pointsman-sensitivty", "x-pointsman-sensitivity"),
        ("X-Pointsman-Riks", "x-pointsman-risk"),
        ("X_Pointsman_Risk", "x-pointsman-risk"),
        ("x-pointsman-qqqqqqqq", None),
        ("x-pointsman-", None),
    ],
)
def test_slip_in_a_headers_name_is_told(name: str, meant: str | None) -> None:
    """Or a claim that the text is regulated would be lost in silence."""
    error = refusal({"content-type": "application/json", name: "regulated"})
    assert error.param == name.lower()
    told = "known are x-pointsman-workload" if meant is None else f"did you mean '{meant}'?"
    assert told in error.message


def test_routing_is_read_in_whole() -> None:
    """Every word that the object may have."""
    assert said(
        workload="code", sensitivity="regulated", max_latency_ms=1500, feature="inbox",
        scope={"ticket": "1234", "case": "a b"}, session="s 1", user_type="agent", risk="high",
        latency="batch",
    ) == Said(
        workload=Workload.CODE, sensitivity=Sensitivity.REGULATED, max_latency_ms=1500,
        feature="inbox", scopes=(("case", "a b"), ("ticket", "1234")), session="s 1",
        user_type="agent", risk=Risk.HIGH, latency_class=LatencyClass.BATCH,
    )  # fmt: skip


def test_headers_say_the_same() -> None:
    """Every word has its header; scopes may stand in one header or in several."""
    assert said(
        {
            "x-pointsman-workload": "code",
            "x-pointsman-sensitivity": " public ",
            "x-pointsman-max-latency-ms": "1500",
            "x-pointsman-feature": "inbox",
            "x-pointsman-scope": "ticket=1234, case=x=y",
            "x-pointsman-session": "s1",
            "x-pointsman-user-type": "agent",
            "x-pointsman-risk": "low",
            "x-pointsman-latency": "interactive",
            "x-other": "1",
        }
    ) == Said(
        workload=Workload.CODE, sensitivity=Sensitivity.PUBLIC, max_latency_ms=1500,
        feature="inbox", scopes=(("case", "x=y"), ("ticket", "1234")), session="s1",
        user_type="agent", risk=Risk.LOW, latency_class=LatencyClass.INTERACTIVE,
    )  # fmt: skip


def test_header_and_body_may_agree_and_must_not_differ() -> None:
    """Saying a thing twice is fine; saying two things is not."""
    header = {"x-pointsman-workload": "code"}

    assert said(header, workload="code", feature="f") == Said(workload=Workload.CODE, feature="f")
    assert said(header, workload=None).workload is Workload.CODE
    error = refusal(header, workload="chat")
    assert error.param == "routing.workload"
    assert "x-pointsman-workload" in error.message


@pytest.mark.parametrize(
    ("routing", "param", "hint"),
    [
        ({"workload": "coding"}, "routing.workload", "one of classification, extraction, "),
        ({"workload": "embeddings"}, "routing.workload", "tool_use"),
        ({"workload": 5}, "routing.workload", "one of"),
        ({"sensitivity": "unknown"}, "routing.sensitivity", "public, internal, regulated"),
        ({"max_latency_ms": 0}, "routing.max_latency_ms", f"1 to {MAX_LATENCY_MS}"),
        ({"max_latency_ms": True}, "routing.max_latency_ms", "whole number"),
        ({"max_latency_ms": 1.5}, "routing.max_latency_ms", "whole number"),
        ({"max_latency_ms": MAX_LATENCY_MS + 1}, "routing.max_latency_ms", "whole number"),
        ({"feature": "a b"}, "routing.feature", "in one word"),
        ({"feature": "a" * 65}, "routing.feature", "in one word"),
        ({"session": ""}, "routing.session", "printable"),
        ({"session": "é"}, "routing.session", "printable"),
        ({"session": "a" * 201}, "routing.session", "200"),
        ({"scope": "ticket=1"}, "routing.scope", "an object"),
        ({"scope": {"a b": "1"}}, "routing.scope", "in one word"),
        ({"scope": {"a": 1}}, "routing.scope", "printable"),
        ({"scope": {str(n): "x" for n in range(9)}}, "routing.scope", "at most 8"),
        ({"risk": "huge"}, "routing.risk", "low, normal, high"),
        ({"latency": "fast"}, "routing.latency", "interactive, batch"),
        ({"worklod": "code"}, "routing", "did you mean 'workload'?"),
        ({"zz": 1}, "routing", "known are workload, sensitivity"),
        ({"a\u0000é": 1}, "routing", "routing.a??"),
    ],
)
def test_nonsense_in_routing_is_refused_by_name(
    routing: dict[str, Any], param: str, hint: str
) -> None:
    """The refusal names the member and what it may be."""
    error = refusal(**routing)
    assert error.param == param
    assert hint in error.message


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("x-pointsman-workload", "coding", "one of classification"),
        ("x-pointsman-max-latency-ms", "soon", "whole number"),
        ("x-pointsman-max-latency-ms", "-5", "whole number"),
        ("x-pointsman-scope", "ticket", "name=value"),
        ("x-pointsman-scope", "a=1, a=2", "twice"),
        ("x-pointsman-scope", "a=", "printable"),
        ("x-pointsman-session", "a\x01", "printable"),
    ],
)
def test_nonsense_in_a_header_is_refused_by_its_name(name: str, value: str, hint: str) -> None:
    """The refusal names the header."""
    error = refusal({name: value})
    assert error.param == name
    assert hint in error.message


def test_routing_must_be_an_object() -> None:
    """Anything else is refused as such."""
    with pytest.raises(GatewayError) as refused:
        said_of({}, {"routing": []})
    assert refused.value.param == "routing"


def test_callers_values_do_not_show() -> None:
    """A session or a scope may name a person."""
    assert "hush" not in repr(said(session="hush", scope={"ticket": "hush"}))
