"""Redaction: what was found is gone, what was not is the same bytes, and JSON stays JSON."""

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY
from proxy.domain.findings import Finding, Findings
from proxy.domain.labels import Kind
from proxy.domain.reading import Reading
from proxy.domain.request import Request
from proxy.errors import GatewayError
from proxy.routing.scan import Scan
from proxy.wire.limits import Caps
from proxy.wire.parse import parse
from proxy.wire.passages import reading_of
from proxy.wire.redact import count_of, redact

ALL = frozenset(Kind)
CARD = "4111 1111 1111 1111"
PLACEHOLDER = re.compile(rb'(?:\\")?[A-Z]+(?:_[A-Z]+)?_nonce[x]*_[0-9]+(?:\\")?')


def read(body: bytes, endpoint: Endpoint = Endpoint.CHAT) -> tuple[Request, Reading, Findings]:
    """A request, its reading and everything that a scan finds in it."""
    request = parse(endpoint, body, Caps())
    reading = reading_of(endpoint, request.decoded, request.body)
    scan = Scan(reading, BUILT_IN_ONLY, every=True)
    while not scan.step(1 << 20):
        pass
    return request, reading, scan.findings()


def redacted(body: bytes, kinds: frozenset[Kind] = ALL, **of: Any) -> bytes:
    """*body* with all of *kinds* taken out."""
    request, reading, found = read(body, **of)
    return redact(request, reading, found.spans, kinds, "nonce")


def chat(content: object, **members: Any) -> dict[str, Any]:
    """A chat whose user says *content*."""
    return {"model": "auto", "messages": [{"role": "user", "content": content}], **members}


def test_values_give_way_to_placeholders() -> None:
    """The same value gets the same one, another value another; the rest stays byte for byte."""
    body = b'{ "model":"auto","seed":1e2,"messages":[{"role":"user","content":"bob@x.com, ann@x.com'
    body += b' or bob@x.com \\u00e9\\/"}]}'

    assert redacted(body) == (
        b'{ "model":"auto","seed":1e2,"messages":[{"role":"user","content":"EMAIL_nonce_1, '
        b'EMAIL_nonce_2 or EMAIL_nonce_1 \\u00e9\\/"}]}'
    )


def test_members_stand_where_they_say_afterwards() -> None:
    """The result can be spliced like any request."""
    request, reading, found = read(orjson.dumps(chat("bob@x.com", stop="ann@x.com")))
    made = redact(request, reading, found.spans, ALL, "nonce")

    again = parse(Endpoint.CHAT, made, Caps())
    assert again.decoded["stop"] == "EMAIL_nonce_2"
    assert again.route_id == "auto"


def test_only_asked_kinds_are_taken_out() -> None:
    """Nothing of those kinds leaves the very request as it was."""
    body = orjson.dumps(chat(f"bob@x.com {CARD}"))

    out = redacted(body, frozenset({Kind.PAYMENT_CARD}))
    assert b"bob@x.com PAYMENT_CARD_nonce_1" in out
    request, reading, found = read(body)
    assert redact(request, reading, found.spans, frozenset({Kind.IBAN}), "nonce") is request.body


def test_nonce_never_collides_with_the_text() -> None:
    """A user who writes a placeholder writes no placeholder of ours."""
    out = redacted(orjson.dumps(chat("EMAIL_nonce_1 is not bob@x.com, noncex neither")))
    assert b"EMAIL_nonce_1 is not EMAIL_noncexx_1, noncex" in out


@pytest.mark.parametrize("ascii_only", [True, False])
def test_escaped_strings_are_cut_where_they_stand(ascii_only: bool) -> None:
    """Escapes before, between and behind; signs outside the basic plane too."""
    text = f'é"\\😀 bob@x.com\n\t{CARD} 😀 +33 1 42 68 53 00\u0007/'
    out = redacted(json.dumps(chat(text), ensure_ascii=ascii_only).encode())

    content = json.loads(out)["messages"][0]["content"]
    assert content == ('é"\\😀 EMAIL_nonce_1\n\tPAYMENT_CARD_nonce_2 😀 PHONE_nonce_3\u0007/')


def test_every_place_is_redacted() -> None:
    """System, parts, calls, results, tools, metadata; not the model and `routing`."""
    body = {
        "model": "bob@x.com",
        "routing": {"session": "bob@x.com"},
        "messages": [
            {"role": "system", "content": "bob@x.com"},
            {"role": "user", "content": [{"type": "text", "text": "bob@x.com"}]},
            {"role": "assistant", "content": None,
             "tool_calls": [{"function": {"name": "f", "arguments": '{"to":"bob@x.com"}'}}]},
            {"role": "tool", "tool_call_id": "c", "content": "bob@x.com"},
        ],
        "tools": [{"function": {"description": "bob@x.com"}}],
        "metadata": {"k": "bob@x.com"},
    }  # fmt: skip
    out = redacted(orjson.dumps(body))

    assert out.count(b"bob@x.com") == 2
    decoded = orjson.loads(out)
    assert decoded["model"] == "bob@x.com"
    assert decoded["routing"]["session"] == "bob@x.com"


def call(arguments: str) -> dict[str, Any]:
    """An assistant's call of a tool."""
    return {"role": "assistant", "tool_calls": [{"function": {"arguments": arguments}}]}


@pytest.mark.parametrize(
    "body",
    [
        chat("hi", metadata={"bob@x.com": "v"}),
        chat("hi", metadata={"card": 4111111111111111}),
        chat("hi", **{"bob@x.com": 1}),
        chat("hi", **{"bob\u200b@x.com": 1}),
        chat("password: " + "\u200b" + "aB3dE5fG7hI9" * 200),
        chat([{"type": "text", "text": "password: "},
              {"type": "text", "text": "aB3dE5fG7hI9" * 200}]),
    ],
)  # fmt: skip
def test_what_cannot_be_replaced_is_refused(body: dict[str, Any]) -> None:
    """Keys and numbers; and what goes on where it is not shown without what hides it."""
    with pytest.raises(GatewayError) as refused:
        redacted(orjson.dumps(body))
    assert refused.value.code == "not_redactable"
    assert b"hi" in redacted(orjson.dumps(chat("hi", metadata={"bob@x.com": "v"})), frozenset())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("to bob@x.\u200bcom\u200b!", "to EMAIL_nonce_1\u200b!"),
        ("4111\u200b 1111\u00a0１１１１ ١١١١, \u00e9", "PAYMENT_CARD_nonce_1, \u00e9"),
        ("a\u0000b bob\u0000@x.com", "a\u0000b EMAIL_nonce_1"),
        ("bob＠x.com " + "x " * 2000 + "4111\u00ad1111 1111 1111",
         "EMAIL_nonce_1 " + "x " * 2000 + "PAYMENT_CARD_nonce_2"),
        # What is found only in part where nothing hides goes whole.
        ("sk-" + "proj-aB3dE5fG7hI9jK1lM3nO5pQ7\u200b4Xy9Zw2Vu7 bob@x.com",
         "API_KEY_nonce_1 EMAIL_nonce_2"),
    ],
)  # fmt: skip
def test_what_is_hidden_is_replaced_where_it_was_written(written: str, expected: str) -> None:
    """With all signs that nobody sees within it, and with none around it."""
    for ascii_only in (True, False):
        out = redacted(json.dumps(chat(written), ensure_ascii=ascii_only).encode())
        assert json.loads(out)["messages"][0]["content"] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"to":"bob\\u0040x.com"}', '{"to":"EMAIL_nonce_1"}'),
        ('{"to":"bob\\u0040x.com, bob@x.com"}', '{"to":"EMAIL_nonce_1, EMAIL_nonce_2"}'),
        ('{"a":"\\\\u0041 \\u00e9 \\uFF14111\\u200b1111 1111 1111"}',
         '{"a":"\\\\u0041 \\u00e9 PAYMENT_CARD_nonce_1"}'),
    ],
)  # fmt: skip
def test_escapes_are_replaced_where_they_stand(arguments: str, expected: str) -> None:
    """Those of JSON in a string that spell a value."""
    out = redacted(orjson.dumps({"model": "auto", "messages": [call(arguments)]}))

    assert orjson.loads(out)["messages"][0]["tool_calls"][0]["function"]["arguments"] == expected


def test_text_of_two_readings_loses_what_is_found_in_either() -> None:
    """The same text is literal from a user and escaped in a call; what either shows is gone."""
    text = '{"a":"bob\\u0040x.com ann@x.com"}'
    body = {"model": "auto", "messages": [chat(text)["messages"][0], call(text)]}

    assert b"bob" not in redacted(orjson.dumps(body))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["to ann@exa", "mple.com, bob@x.com"],
         ["to EMAIL_nonce_1", "EMAIL_nonce_2, EMAIL_nonce_3"]),
        (["41", "11 1111\u200b", " 1111 1111", "."],
         ["PAYMENT_CARD_nonce_1", "PAYMENT_CARD_nonce_2", "PAYMENT_CARD_nonce_3", "."]),
        (["call me:", " 030 901820"], ["call me:", " PHONE_nonce_1"]),
        (["ann@x.com " + "x " * 400, "y"], ["EMAIL_nonce_1 " + "x " * 400, "y"]),
        (["x " * 400 + "ann@x.com " + "z " * 124, "y"],
         ["x " * 400 + "EMAIL_nonce_1 " + "z " * 124, "y"]),
    ],
)  # fmt: skip
def test_values_over_several_parts_are_taken_out_of_each(
    texts: list[str], expected: list[str]
) -> None:
    """Many providers join the text parts of a message."""
    out = redacted(orjson.dumps(chat([{"type": "text", "text": text} for text in texts])))

    assert [part["text"] for part in orjson.loads(out)["messages"][0]["content"]] == expected


def test_each_value_counts_once() -> None:
    """However many passages show it."""
    request, reading, found = read(orjson.dumps(chat("bob@x.com \u200b bob@x.\u200bcom")))

    assert count_of(reading, found.spans, ALL) == ((Kind.EMAIL, 2),)
    assert count_of(reading, found.spans, frozenset({Kind.IBAN})) == ()
    assert request.body


def test_escapes_beside_what_was_found_do_no_harm() -> None:
    """Some encoders escape what needs none: the value is found where it stands, and replaced."""
    arguments = '{"to":"Ann \\u003cann@x.com\\u003e \\\\u0041","n":"\\u00eb"}'
    out = orjson.loads(redacted(orjson.dumps({"model": "auto", "messages": [call(arguments)]})))

    found = out["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert found == arguments.replace("ann@x.com", "EMAIL_nonce_1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"card":4111111111111111}', '{"card":"PAYMENT_CARD_nonce_1"}'),
        ("4111111111111111", '"PAYMENT_CARD_nonce_1"'),
        ('{"a":"x\\nbob@x.com \\"4111111111111111\\""}',
         '{"a":"x\\nEMAIL_nonce_1 \\"PAYMENT_CARD_nonce_2\\""}'),
        ("{broken: 4111111111111111", "{broken: PAYMENT_CARD_nonce_1"),
    ],
)  # fmt: skip
def test_json_within_a_string_stays_json(arguments: str, expected: str) -> None:
    """A bare number is replaced with quotes around; what is no JSON is taken as text."""
    out = redacted(orjson.dumps({"model": "auto", "messages": [call(arguments)]}))

    assert orjson.loads(out)["messages"][0]["tool_calls"][0]["function"]["arguments"] == expected


def test_bare_number_goes_whole() -> None:
    """A term that stands within a number of JSON takes all of it along."""
    body = {"model": "auto", "messages": [call("[1,-1234.5e6, 7]")]}
    request, reading, _ = read(orjson.dumps(body))
    found = [Finding(Kind.TERM, 0, 5, 7), Finding(Kind.TERM, 0, 8, 9)]

    out = orjson.loads(redact(request, reading, found, ALL, "nonce"))
    arguments = out["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert arguments == '[1,"TERM_nonce_1", 7]'


def test_overlapping_findings_are_cut_once() -> None:
    """What two kinds claim goes as one, and what is left of the second as the second."""
    request, reading, _ = read(orjson.dumps(chat("abcdefgh")))
    found = [
        Finding(Kind.TERM, 0, 2, 4), Finding(Kind.EMAIL, 0, 1, 4), Finding(Kind.IBAN, 0, 3, 6),
    ]  # fmt: skip

    out = redact(request, reading, found, ALL, "nonce")
    assert orjson.loads(out)["messages"][0]["content"] == "aEMAIL_nonce_1IBAN_nonce_2gh"


def test_signs_of_several_bytes_are_cut_whole() -> None:
    """A private key without an end, of letters that take two bytes, leaves a valid body."""
    for lead in ("", "x"):
        text = lead + "-----BEGIN PRIVATE KEY-----" + "é" * 20_000
        content = orjson.loads(redacted(orjson.dumps(chat(text))))["messages"][0]["content"]
        assert content.startswith(f"{lead}PRIVATE_KEY_nonce_1é")


def test_prompts_and_inputs_are_redacted() -> None:
    """Also where they are lists."""
    body = orjson.dumps({"model": "auto", "input": ["bob@x.com", "none"]})
    out = redacted(body, endpoint=Endpoint.EMBEDDINGS)
    assert orjson.loads(out)["input"] == ["EMAIL_nonce_1", "none"]


def values_of(reading: Reading, found: Findings) -> set[bytes]:
    """The values that were found."""
    return {reading.passages[at].text.encode()[start:end] for _, at, start, end in found.spans}


WORDS = st.sampled_from(
    ["hi ", "bob@x.com", CARD, " ", "\n", "é", "\u200b", "\u00a0", "４１", "\x00", "م\u200c",
     '"', "\\", "😀", "+33 1 42 68 53 00", "8.8.8.8 ",
     "4111111111111111", "{", "}", ":", ",", "1", "password: hunter2hunter2X "]
)  # fmt: skip
TEXT = st.lists(WORDS, max_size=12).map("".join)
JSON_TEXT = st.recursive(
    st.one_of(TEXT, st.integers(), st.just(4111111111111111), st.none()),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=6,
).map(json.dumps)


def shape_of(value: object) -> object:
    """*value* with every string made one, so that only the structure counts."""
    match value:
        case str():
            return ""
        case list():
            return [shape_of(item) for item in value]
        case dict():
            return {name: shape_of(below) for name, below in value.items()}
    return value


@settings(deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=4), arguments=JSON_TEXT, ascii_only=st.booleans())
def test_redacted_body_is_the_same_but_for_what_was_found(
    texts: list[str], arguments: str, ascii_only: bool
) -> None:
    """No value is left, the structure is the same, inner JSON is JSON, other bytes stay."""
    messages = [*({"role": "user", "content": text} for text in texts), call(arguments)]
    body = json.dumps({"model": "auto", "messages": messages}, ensure_ascii=ascii_only).encode()
    request, reading, found = read(body)

    out = redact(request, reading, found.spans, ALL, "nonce")

    decoded = orjson.loads(out)
    assert shape_of(decoded) == shape_of(orjson.loads(body))
    json.loads(decoded["messages"][-1]["tool_calls"][0]["function"]["arguments"])
    _, after, left = read(out)
    assert values_of(after, left).isdisjoint(values_of(reading, found))
    pieces = PLACEHOLDER.split(out)
    place = 0
    for piece in pieces:  # every byte between placeholders stood in the body, in this order
        place = body.index(piece, place) + len(piece)


@pytest.mark.parametrize("sign", ["é", "😀", "\n", "x", "\\"])
def test_places_are_told_in_texts_of_several_blocks(sign: str) -> None:
    """Escapes are looked at in blocks; where a value stands among them makes no difference."""
    for before in (0, 1023, 1024, 5000):
        text = f"{sign * before} bob@x.com {sign * 1500} bob@x.com"
        out = redacted(json.dumps(chat(text)).encode())
        content = json.loads(out)["messages"][0]["content"]
        assert content == text.replace("bob@x.com", "EMAIL_nonce_1")
