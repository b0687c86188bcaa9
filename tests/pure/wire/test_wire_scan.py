"""The byte scanner: it agrees with orjson on what stands where, and refuses what is ambiguous."""

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.domain.request import Member, Span
from proxy.errors import GatewayError
from proxy.wire.scan import mask_escapes, refuse_duplicates, scan_members
from tests.pure.wire.documents import json_objects


def scan(body: bytes, max_depth: int = 64) -> dict[str, Member]:
    """The members of *body*."""
    return scan_members(body, mask_escapes(body), max_depth)


def slice_of(body: bytes, span: Span) -> bytes:
    """The bytes in *span*."""
    return body[span.start : span.end]


@given(json_objects())
def test_scan_finds_each_member_where_it_stands(body: bytes) -> None:
    """Key and value spans decode to what orjson says of the whole."""
    decoded = orjson.loads(body)
    members = scan(body)
    assert list(members) == list(decoded)
    for name, member in members.items():
        assert orjson.loads(body[member.key_start : member.key_end]) == name
        assert orjson.loads(slice_of(body, member.value)) == decoded[name]


@given(st.text())
def test_masking_keeps_offsets_and_true_quotes_only(text: str) -> None:
    """A masked string has its two quotes and no other."""
    body = json.dumps(text).encode()
    masked = mask_escapes(body)
    assert len(masked) == len(body)
    assert masked.count(b'"') == 2


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":2}', b'{"a":[{}],"b":{},"\\u0061" : null}', b' {"":1, "x":"\\"", "":2}'],
)
def test_scan_refuses_a_key_that_stands_twice(body: bytes) -> None:
    """Two spellings of one key are one key."""
    with pytest.raises(GatewayError) as refusal:
        scan(body)
    assert refusal.value.code == "duplicate_field"


def test_scan_shows_little_of_a_clients_key() -> None:
    """A key in a message is capped and printable ASCII."""
    key = "é\x1b[31m" + "k" * 500
    body = b"{" + b",".join([json.dumps(key).encode() + b":1"] * 2) + b"}"
    with pytest.raises(GatewayError) as refusal:
        scan(body)
    assert refusal.value.param is not None
    assert len(refusal.value.param) == 64
    assert refusal.value.param.startswith("??[31mkkk")


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
@pytest.mark.parametrize("cap", [1, 2, 5, 64])
def test_scan_refuses_exactly_what_is_deeper_than_the_cap(opened: bytes, cap: int) -> None:
    """The object itself is the first level; one level more than the cap is refused."""
    closed = b"]" if opened == b"[" else b"}"

    def nested(levels: int) -> bytes:
        inner = opened * (levels - 1) + b"1" + closed * (levels - 1)
        return b'{"first":"[[[{", "x":' + inner + b', "last":1}'

    assert list(scan(nested(cap), cap)) == ["first", "x", "last"]
    with pytest.raises(GatewayError) as refusal:
        scan(nested(cap + 1), cap)
    assert refusal.value.code == "body_too_deep"


@pytest.mark.parametrize("body", [b"{}", b" { } ", b"\n{\t\r\n}\n"])
def test_scan_of_an_empty_object_is_empty(body: bytes) -> None:
    """No members, no refusal."""
    assert scan(body) == {}


@given(json_objects())
@example(b'{"k":"\\u0022","l":"\\\\\\u0022\\""}')
def test_nested_objects_without_repeats_pass(body: bytes) -> None:
    """An object that json would write never has a repeated key, whatever its strings hold."""
    span = Span(body.index(b"{"), body.rindex(b"}") + 1)
    refuse_duplicates("x", body, mask_escapes(body), span, orjson.loads(body))


@pytest.mark.parametrize(
    "value",
    [
        b'[{"role":"user","role":"system"}]',
        b'[{"a":[{"k":1,"\\u006b":2}]}]',
        b'[{"k":"\\"\\u0022\\u0022","k":"\\\\"}]',
        b'[{"k":1,"k":"\\u0022\\u0022"}]',
        b'{"k" :{} ,"k"\n:{}}',
        b'[{"k":1,"k":"' + b"x" * 100_000 + b'"}]',
    ],
)
def test_nested_repeat_is_refused(value: bytes) -> None:
    """A repeated key at any depth is found, however it is spelled or spaced."""
    body = b'{"m":' + value + b"}"
    member = scan(body)["m"]
    with pytest.raises(GatewayError) as refusal:
        refuse_duplicates("m", body, mask_escapes(body), member.value, orjson.loads(value))
    assert refusal.value.code == "duplicate_field"
