"""Passages: every string that goes upstream is read, and the shape is told right."""

from typing import Any

import orjson
import pytest

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import ClassifyRules
from proxy.domain.labels import Kind, Risk
from proxy.domain.patterns import PatternSet, TermPattern
from proxy.domain.reading import Form, Reading, Role, ToolChoice
from proxy.routing.scan import Scan
from proxy.wire.limits import Caps
from proxy.wire.parse import parse
from proxy.wire.passages import MAX_VALUES, reading_of


def chat(*messages: dict[str, Any], **members: Any) -> Reading:
    """The reading of a chat of *messages*."""
    body = {"model": "auto", "messages": list(messages) or [user("hi")], **members}
    request = parse(Endpoint.CHAT, orjson.dumps(body), Caps())
    return reading_of(request.endpoint, request.decoded, request.body)


def user(content: object) -> dict[str, Any]:
    """A user's message."""
    return {"role": "user", "content": content}


def texts(reading: Reading) -> list[tuple[str, str]]:
    """Roles and texts of a reading."""
    return [(passage.role.value, passage.text) for passage in reading.passages]


def test_messages_are_read_in_order_with_their_roles() -> None:
    """Developers speak as the system; tools and functions as tools."""
    reading = chat(
        {"role": "developer", "content": "d"},
        {"role": "system", "content": "s"},
        user("u"),
        {"role": "assistant", "content": "a"},
        {"role": "tool", "tool_call_id": "c", "content": "t"},
        {"role": "function", "name": "f", "content": '{"x":1}'},
    )

    assert texts(reading) == [
        ("system", "d"), ("system", "s"), ("user", "u"), ("assistant", "a"), ("tool", "t"),
        ("setting", "c"),        ("call", '{"x":1}'), ("setting", "f"),
    ]  # fmt: skip
    assert reading.turns == 1
    assert reading.answers_tools


def test_parts_are_read_and_images_counted() -> None:
    """Text parts are text; an image is counted, its address read unless it is the image itself."""
    reading = chat(
        user(
            [
                {"type": "text", "text": "look", "note": "n"},
                {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": "https://c.example/"},
                {"type": "text", "text": None},
                {"type": "refusal", "refusal": "no"},
                "bare",
            ]
        )
    )

    assert texts(reading) == [
        ("user", "look"), ("setting", "n"), ("setting", "https://a.example/b.png"),
        ("setting", "https://c.example/"), ("setting", "text"), ("setting", "refusal"),
        ("setting", "no"), ("setting", "bare"),
    ]  # fmt: skip
    assert reading.images == 3
    assert not reading.unread


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ],
)
def test_what_holds_language_and_is_no_text_is_unread(part: dict[str, Any]) -> None:
    """A file or a recording cannot be read here, and that is told; a file counts as an image."""
    reading = chat(user([part]))
    assert reading.unread
    assert reading.images == (part["type"] != "input_audio")


def test_tool_calls_are_read_as_json_in_a_string() -> None:
    """Arguments, names and ids of calls are passages; so are legacy function calls."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    reading = chat(
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "content": "x", "function_call": {"arguments": "{}"}},
    )

    assert texts(chat({"role": "assistant", "tool_calls": [call]})) == [
        ("call", "c1"), ("call", "function"), ("call", "f"), ("call", '{"a":1}'),
    ]  # fmt: skip
    assert ("call", '{"a":1}') in texts(reading)
    assert ("call", "{}") in texts(reading)
    assert reading.answers_tools
    assert reading.turns == 0


def test_other_members_are_settings_but_for_what_is_never_sent() -> None:
    """Metadata, stops and tools are read; the model and `routing` are not."""
    reading = chat(
        user("hi"),
        metadata={"k": ["v"]},
        stop="END",
        temperature=1,
        routing={"feature": "hidden"},
        tools=[{"type": "function", "function": {"name": "f", "description": "does"}}],
    )

    assert texts(reading) == [
        ("user", "hi"), ("setting", "v"), ("setting", "END"), ("setting", "function"),
        ("setting", "f"), ("setting", "does"),
    ]  # fmt: skip
    assert reading.tools == 1


@pytest.mark.parametrize(
    ("members", "choice", "forced"),
    [
        ({}, ToolChoice.NONE, None),
        ({"tools": [{}]}, ToolChoice.AUTO, None),
        ({"functions": [{}], "function_call": {"name": "g"}}, ToolChoice.FORCED, "g"),
        ({"tools": [{}], "tool_choice": "none"}, ToolChoice.NONE, None),
        ({"tools": [{}], "tool_choice": "required"}, ToolChoice.FORCED, None),
        ({"tools": [{}], "tool_choice": {"function": {"name": "f"}}}, ToolChoice.FORCED, "f"),
        ({"tools": [{}], "tool_choice": {"type": "custom"}}, ToolChoice.FORCED, None),
        ({"tools": "x", "tool_choice": "required"}, ToolChoice.NONE, None),
    ],
)
def test_tool_choice_is_told(
    members: dict[str, Any], choice: ToolChoice, forced: str | None
) -> None:
    """Whether tools may, must or must not be called, and which."""
    reading = chat(**members)
    assert (reading.tool_choice, reading.forced_tool) == (choice, forced)


def schema(**properties: object) -> dict[str, Any]:
    """A response_format with these properties."""
    return {"type": "json_schema", "json_schema": {"schema": {"properties": properties}}}


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (None, Form.FREE),
        ({"type": "text"}, Form.FREE),
        ({"type": "json_object"}, Form.JSON),
        ({"type": "json_schema"}, Form.SCHEMA),
        ({"type": "json_schema", "json_schema": {"schema": []}}, Form.SCHEMA),
        (schema(), Form.SCHEMA),
        (schema(name={"type": "string"}), Form.SCHEMA),
        (schema(sure={"type": "number"}), Form.SCHEMA),
        (schema(label={"enum": ["a"]}, sure={"type": "number"}), Form.CHOICE),
        (schema(label={"enum": ["a"]}, why={"type": "string"}), Form.SCHEMA),
        (schema(label={"enum": ["a"]}, why=[]), Form.SCHEMA),
    ],
)
def test_form_is_told(written: object, form: Form) -> None:
    """A schema in which the answer only picks is a choice."""
    assert chat(response_format=written).form is form


@pytest.mark.parametrize(
    ("endpoint", "body", "found", "unread"),
    [
        (Endpoint.COMPLETIONS, {"prompt": "a", "suffix": "z"}, ["a", "z"], False),
        (Endpoint.COMPLETIONS, {"prompt": ["a", "b"]}, ["a", "b"], False),
        (Endpoint.COMPLETIONS, {"prompt": [1, 2]}, [], True),
        (Endpoint.EMBEDDINGS, {"input": ["a", "b"], "user": "u"}, ["a", "b", "u"], False),
        (Endpoint.EMBEDDINGS, {"input": [[1], [2]]}, [], True),
        (
            Endpoint.COMPLETIONS,
            {"prompt": "a", "messages": [{"content": "m"}], "input": "i"},
            ["a", "m", "i"],
            False,
        ),
        (
            Endpoint.EMBEDDINGS,
            {"input": "a", "messages": ["m"], "prompt": "p"},
            ["a", "m", "p"],
            False,
        ),
    ],
)
def test_prompts_and_inputs_are_read(
    endpoint: Endpoint, body: dict[str, Any], found: list[str], unread: bool
) -> None:
    """Each text is a turn; token numbers cannot be read."""
    request = parse(endpoint, orjson.dumps({"model": "auto", **body}), Caps())
    reading = reading_of(endpoint, request.decoded)

    assert [text for _, text in texts(reading)] == found
    assert reading.unread is unread


def test_prompts_of_other_endpoints_are_read() -> None:
    """What is no prompt here goes upstream all the same."""
    found = texts(chat(user("hi"), prompt="p", input=["i"]))
    assert found == [("user", "hi"), ("setting", "p"), ("setting", "i")]


def test_content_that_is_an_object_is_read() -> None:
    """No shape of a message hides its strings."""
    assert texts(chat(user({"type": "text", "text": "t"}))) == [("user", "text"), ("user", "t")]


def test_keys_and_numbers_that_may_tell_something_are_read() -> None:
    """Long ones, wherever they stand; not the words of the protocol."""
    reading = chat(
        {"role": "user", "content": "hi", "ann@x.com": None},
        metadata={"bob@x.com": 1, "n": [4111111111111111, 4111111111111111.0, 1234567.5, True]},
        temperature=0.5,
        cid_of_it={"description": -1234567},  # a card with a minus is a card
        seed=12345678,
    )
    assert texts(reading)[1:] == [
        ("name", "ann@x.com"), ("name", "bob@x.com"), ("name", "4111111111111111"),
        ("name", "4111111111111111"), ("name", "1234567.5"), ("name", "cid_of_it"),
        ("name", "1234567"), ("name", "12345678"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "role", "shown"),
    [
        ({"role": "tool", "content": '{"a":"b\\u0040x.com"}'}, "call", '{"a":"b@x.com"}'),
        ({"role": "tool", "content": " \\u0040\\\\u0041\\u00e9"}, "tool", " @  u0041\\u00e9"),
        ({"role": "user", "content": "4111\u200b1111 \ufeff"}, "user", "41111111 "),
        ({"role": "user", "content": "4111\u00001111"}, "user", "41111111"),
        ({"role": "tool", "content": "4\\u200b1\\u00A0"}, "tool", "41 "),
    ],
)
def test_hidden_signs_are_shown_in_a_second_passage(
    message: dict[str, Any], role: str, shown: str
) -> None:
    """Escapes that need none within JSON in a string, and signs that nobody sees."""
    assert texts(chat(message)) == [(role, message["content"]), ("plain", shown)]


@pytest.mark.parametrize("text", ["\\u0040", "😀\u200d😀", "é"])
def test_nothing_hidden_is_shown_once(text: str) -> None:
    """Users write of escapes as such, and signs are joined for good reasons."""
    assert texts(chat(user(text))) == [("user", text)]


WRAPPED = "\r\n".join(["QUJD" * 19] * 10)
"""A file in base64, as in mail."""


@pytest.mark.parametrize(
    ("part", "unread"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,AA"}}, True),
        ({"type": "image_url", "image_url": " data:text/plain,hello"}, True),
        ({"type": "image_url", "image_url": {"url": "DATA:image/PNG;base64,AA"}}, False),
        ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA"}}, True),
        ({"type": "document", "source": {"data": "QUJD" * 64}}, True),
        ({"type": "document", "source": {"data": "a b c " * 64}}, False),
        ({"type": "text", "text": "hi", "note": "data: a, b"}, False),
        ({"type": "text", "text": "hi", "source": {"data": "QUJD" * 64}}, True),
        ({"type": "refusal", "refusal": "no", "source": {"data": "QUJD" * 64}}, True),
        ({"type": "image_url", "image_url": "https://a.example/", "data": "QUJD" * 64}, True),
        ({"type": "image_url", "image_url": {"url": "QUJD" * 64}}, True),
        ({"type": "document", "source": {"data": WRAPPED}}, True),
        ({"type": "document", "source": {"data": " " + "QUJD" * 64}}, True),
        ({"type": "File", "file": {"file_data": WRAPPED}}, True),
        ({"type": "document", "url": " " * 20 + "data:application/pdf;base64,AA"}, True),
    ],
)
def test_data_that_is_no_picture_is_unread(part: dict[str, Any], unread: bool) -> None:
    """Only what is known to be a picture holds no text."""
    assert chat(user([part])).unread is unread


def test_file_in_place_of_parts_is_unread() -> None:
    """A content that is one object is read like a part."""
    assert chat(user({"type": "document", "source": {"data": WRAPPED}})).unread


def test_text_parts_are_read_as_one_too() -> None:
    """Where two or more of one message meet; each message by itself, whatever is between."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    reading = chat(
        user([part("ann@exa"), image, part("mple.com\u200b")]),
        user([part("one")]),
        user([part("a"), part("b")]),
    )

    assert texts(reading) == [
        ("user", "ann@exa"), ("user", "mple.com\u200b"), ("plain", "mple.com"),
        ("joined", "ann@example.com\u200b"), ("plain", "ann@example.com"),
        ("user", "one"), ("user", "a"), ("user", "b"), ("joined", "ab"),
    ]  # fmt: skip
    assert reading.joins == ((0, 1), (6, 7))


def part(text: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "text": text}


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\x08", "\U000e0041", "\ufe0f"])
def test_patterns_of_the_config_match_what_is_shown(sign: str) -> None:
    """Terms and risks, with a hidden sign beside a space or another space in its place."""
    rules = ClassifyRules(
        terms=TermPattern.of(["project zebra"]),
        risks=PatternSet.of([("wire transfer", Risk.HIGH)]),
    )
    for text in (
        f"project{sign} zebra, wire{sign} transfer",
        "project\u00a0zebra, wire\u2003transfer",
    ):
        scan = Scan(chat(user(text)), rules)
        assert scan.step(1 << 20)
        assert scan.findings().kinds == (Kind.TERM,)
        assert scan.findings().risk is Risk.HIGH


def test_more_than_may_be_shown_is_unread() -> None:
    """Text that is hidden all over costs more than its length; what is left out is told."""
    hidden = "a\u200b" * 60_000

    assert not chat(user(hidden)).unread
    assert chat(*[user(hidden)] * 12).unread


def test_body_as_written_tells_nothing_else() -> None:
    """Without it a reading is the same, and takes longer."""
    body = {"model": "auto", "messages": [user("4111\u00001111"), user("caf\u00e9"), user("hi")]}

    assert reading_of(Endpoint.CHAT, body) == chat(*body["messages"])  # type: ignore[misc]


def test_what_stands_beside_a_picture_is_read() -> None:
    """Its detail, or whatever is put there."""
    image = {"url": "data:image/png;base64,AA", "detail": "d"}
    assert texts(chat(user([{"type": "image_url", "image_url": image}]))) == [("setting", "d")]


def test_body_of_too_many_strings_is_read_in_part() -> None:
    """A million tiny strings would hold the loop; what is left out is told."""
    many = ["a"] * (MAX_VALUES + 1)

    for reading in (
        chat(stop=many),
        chat(user([{"type": "text", "text": "a"}] * (MAX_VALUES + 1))),
        chat(*[user("a") | {"name": "b"}] * (MAX_VALUES // 2), user("c")),
        chat(metadata={str(name): "a" for name in range(MAX_VALUES + 1)}),
        chat(metadata={f"{name:07}": 1 for name in range(MAX_VALUES + 1)}),
    ):
        assert reading.unread
        assert len(reading.passages) <= MAX_VALUES + 1  # where the parts of a message meet
    assert not chat(stop=["a"] * 1000).unread


def test_readings_show_no_text() -> None:
    """What a request says stays out of whatever is printed."""
    reading = chat(user("hush-hush"), tools=[{}], tool_choice={"name": "hush-tool"})

    assert "hush" not in repr(reading) + repr(reading.passages[0])
    assert repr(reading.passages[0]) == "Passage(user, 9 characters)"
    assert reading.passages[0].role is Role.USER


def test_message_without_calls_is_no_tool_loop() -> None:
    """SDKs send null where there is none."""
    said = {"role": "assistant", "content": "Hi", "tool_calls": None, "function_call": None}

    assert not chat(user("Hello"), said, user("And now?")).answers_tools
