"""Step 3: the texts of a request and its shape, from the decoded body. Pure.

Every string that goes upstream is a passage, wherever it stands, so that nothing can be hidden
from the scan by where it is put; so are keys and numbers that are long enough to tell something.
Left out are roles, the model, the `routing` object (it is never sent) and images. A file, a
recording or any other data in a URL cannot be read and is told of.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.domain.reading import Form, Passage, Reading, Role, ToolChoice
from proxy.wire.encoded import is_data_url, is_encoded
from proxy.wire.joined import joined
from proxy.wire.shown import MAX_SHOWN_BYTES, is_as_shown, may_hide, plain

MAX_VALUES: Final = 30_000
"""Strings, lists and objects that are looked at; a body with more is told of as unread."""

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
_NOT_SENT = frozenset({"model", "routing"})
_MIN_NAME_CHARS = 7
_MIN_NUMBER = 10 ** (_MIN_NAME_CHARS - 1)
_USUAL_NAMES = frozenset(
    {"additionalProperties", "allowed_tools", "arguments", "cache_control", "content"}
    | {"default", "definitions", "description", "dimensions", "encoding_format", "examples"}
    | {"exclusiveMaximum", "exclusiveMinimum", "frequency_penalty", "function", "function_call"}
    | {"functions", "image_url", "include_usage", "input_audio", "json_schema", "logit_bias"}
    | {"logprobs", "max_completion_tokens", "max_tokens", "maxItems", "maxLength", "maximum"}
    | {"messages", "metadata", "minItems", "minLength", "minimum", "modalities"}
    | {"multipleOf", "nullable", "parallel_tool_calls", "parameters", "pattern", "prediction"}
    | {"presence_penalty", "prompt_cache_key", "properties", "reasoning_content"}
    | {"reasoning_effort", "refusal", "required", "response_format", "safety_identifier"}
    | {"service_tier", "stream_options", "temperature", "tool_call_id", "tool_calls"}
    | {"tool_choice", "top_logprobs", "uniqueItems", "verbosity"}
)
"""Keys of the protocol and of JSON schemas, which tell nothing."""

_PICTURE = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp|tiff|avif|heic|heif);base64,", re.I)
_PICKS = frozenset({"boolean", "number", "integer"})


def reading_of(
    endpoint: Endpoint, body: Mapping[str, object], written: bytes | None = None
) -> Reading:
    """The reading of *body*, decoded and accepted by `parse` for *endpoint*. How it was *written*
    tells most bodies from those that need a closer look.
    """
    walk = _Walk()
    if written is not None:
        walk.ascii_is_plain = not (b"\x7f" in written or (b"\\" in written and may_hide(written)))
    if endpoint is Endpoint.CHAT:
        return _reading_of_chat(body, walk)
    name = "prompt" if endpoint is Endpoint.COMPLETIONS else "input"
    prompt = body.get(name)
    walk.strings(Role.USER, prompt)
    turns = len(walk.passages)
    walk.settings(body, name)
    holds_more = isinstance(prompt, list) and not all(isinstance(each, str) for each in prompt)
    unread = walk.unread or turns == 0 or holds_more
    return Reading(endpoint, tuple(walk.passages), turns=turns, unread=unread)


def _reading_of_chat(body: Mapping[str, object], walk: "_Walk") -> Reading:
    messages = body["messages"]
    assert isinstance(messages, list)
    for message in messages:
        if walk.left <= 0:
            walk.unread = True
            break
        walk.message(message)
    walk.settings(body, "messages")
    tools = 0
    choice, forced = ToolChoice.NONE, None
    if ("tools" in body or "functions" in body) and (tools := _count_of_tools(body)):
        choice, forced = _tool_choice(body)
    return Reading(
        Endpoint.CHAT,
        tuple(walk.passages),
        tools,
        choice,
        forced,
        walk.answers_tools,
        _form(body["response_format"]) if "response_format" in body else Form.FREE,
        walk.images,
        walk.turns,
        walk.unread,
        tuple(walk.joins) if walk.joins else (),
    )


class _Walk:
    """Goes through a body once and keeps what it meets."""

    __slots__ = (
        "_to_show", "answers_tools", "ascii_is_plain", "images", "joins", "left", "passages",
        "turns", "unread",
    )  # fmt: skip

    def __init__(self) -> None:
        self.joins: list[tuple[int, ...]] = []
        self.ascii_is_plain = False
        self.passages: list[Passage] = []
        self.images = 0
        self.turns = 0
        self.answers_tools = False
        self.unread = False
        self.left = MAX_VALUES
        self._to_show = MAX_SHOWN_BYTES

    def message(self, message: Mapping[str, object]) -> None:
        """Take one message; `parse` has checked that it is an object with a known role."""
        role = _ROLES[message["role"]]  # type: ignore[index]  # `parse` found a text
        if role is Role.USER:
            self.turns += 1
        elif role is Role.TOOL:
            self.answers_tools = True
        content = message.get("content")
        if isinstance(content, str):
            if (
                role is not Role.TOOL
                and content.isascii()
                and self.ascii_is_plain
                and self.left > 0
            ):
                self.left -= 1  # as most are: nothing in it can be hidden
                self.passages.append(Passage(role, content))
                if len(message) == 2:
                    return
            else:
                self._text(role, content)
        elif isinstance(content, list):
            texts = [at for part in content if (at := self._part(role, part)) is not None]
            if len(texts) > 1:
                self._join(texts)
        else:
            before = len(self.passages)
            self.strings(role, content)
            self._look_for_files(before)
        if len(message) > 1 + ("content" in message):
            self._rest(message)

    def settings(self, body: Mapping[str, object], prompt: str) -> None:
        """Take the members of *body* but for the *prompt* of its endpoint: another's prompt goes
        upstream like any member that is not known here.
        """
        for name, value in body.items():
            if name == prompt or name in _NOT_SENT:
                continue
            if name not in _USUAL_NAMES:
                self._names((name,))
            if _may_tell(value):
                self.strings(Role.SETTING, value)

    def strings(self, role: Role, value: object) -> None:
        """Take every string in *value*, in order, and what keys and numbers tell."""
        waiting = [value]
        while waiting:
            self.left -= 1
            if self.left < 0:
                self.unread = True
                return
            match waiting.pop():
                case str() as text:
                    self.unread = self.unread or is_data_url(text)
                    self._add(role, text)
                case list() as items:
                    waiting += reversed(self._some(items))
                case dict() as members:
                    self._names(members)
                    waiting += reversed(members.values())
                case int() | float() as number if _may_tell(number):
                    self.passages.append(Passage(Role.NAME, _digits(number)))

    def _some(self, items: list[object]) -> list[object]:
        """What of a list may hold strings, as far as may be looked at; numbers cost least."""
        if len(items) > self.left:
            self.unread = True
            items = items[: self.left]
        return [item for item in items if _may_tell(item)]

    def _names(self, names: Iterable[str]) -> None:
        for name in names:
            if len(name) >= _MIN_NAME_CHARS and name not in _USUAL_NAMES:
                self.left -= 1
                if self.left < 0:
                    self.unread = True
                    return
                self._add(Role.NAME, name)

    def _add(self, role: Role, text: str) -> None:
        self.passages.append(Passage(role, text))
        if self.ascii_is_plain and text.isascii() and is_as_shown(role, text):
            return
        if self._to_show <= 0:  # so much was shown that the rest is not looked at
            self.unread = True
            return
        shown, is_all = plain(role, text, self._to_show)
        if shown is not None:
            self._to_show -= len(shown) + 5 * text.count("\\u")  # six signs for one are read
            self.passages.append(Passage(Role.PLAIN, shown))
        if not is_all:
            self._to_show, self.unread = 0, True

    def _join(self, texts: list[int]) -> None:
        """Add what the passages at *texts* make together, for some providers join them."""
        self.joins.append(tuple(texts))
        self._add(Role.JOINED, joined([self.passages[at].text for at in texts]))

    def _text(self, role: Role, text: str) -> None:
        self.left -= 1
        if self.left < 0:
            self.unread = True
            return
        if role is Role.TOOL and text[:1] in ("{", "["):
            role = Role.CALL
        self._add(role, text)

    def _part(self, role: Role, part: object) -> int | None:
        """Take one part of a message; where the passage of its text stands, if it has one."""
        before = at = len(self.passages)
        if not isinstance(part, dict):
            self.strings(Role.SETTING, part)
            return None
        rest = part
        kind = part.get("type")
        is_text = kind == "text" and isinstance(part.get("text"), str)
        if is_text:
            self._text(role, part["text"])
            if len(part) == 2:
                return at if len(self.passages) > at else None
            before = len(self.passages)
            rest = _without(part, "type", "text")
        elif kind == "image_url":
            self.images += 1
            rest = _without(part, "type", "image_url")
            self._image(part.get("image_url"))
        elif kind in ("input_audio", "file", "input_file"):
            self.unread = True
            self.images += kind != "input_audio"  # no text, so only a window bounds it
            rest = _without(part, "type", "input_audio", "file_data", "file")
        self.strings(Role.SETTING, rest)
        self._look_for_files(before)
        return at if is_text and before > at else None

    def _look_for_files(self, before: int) -> None:
        """Tell of what was taken since there were so many passages, if it is a file."""
        if not self.unread:
            self.unread = any(is_encoded(each.text) for each in self.passages[before:])

    def _image(self, image: object) -> None:
        if isinstance(image, dict) and _is_picture(image.get("url")):
            self.strings(Role.SETTING, _without(image, "url"))
        elif not _is_picture(image):
            self.strings(Role.SETTING, image)

    def _rest(self, message: Mapping[str, object]) -> None:
        for name, value in message.items():
            if name in ("role", "content"):
                continue
            self._names((name,))
            is_call = name in ("tool_calls", "function_call")
            # SDKs send null for a message that called nothing.
            self.answers_tools = self.answers_tools or (is_call and bool(value))
            self.strings(Role.CALL if is_call else Role.SETTING, value)


def _may_tell(value: object) -> bool:
    """Whether there may be something to read in *value*."""
    if isinstance(value, int | float):
        return not -_MIN_NUMBER < value < _MIN_NUMBER
    return isinstance(value, str | list | dict)


def _digits(number: float) -> str:
    number = abs(number)
    return str(int(number)) if isinstance(number, int) or number.is_integer() else str(number)


def _is_picture(url: object) -> bool:
    return isinstance(url, str) and _PICTURE.match(url) is not None


def _without(part: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in part.items() if name not in names}


def _count_of_tools(body: Mapping[str, object]) -> int:
    offered = (body.get("tools"), body.get("functions"))
    return sum([len(each) for each in offered if isinstance(each, list)])


def _tool_choice(body: Mapping[str, object]) -> tuple[ToolChoice, str | None]:
    choice = body.get("tool_choice", body.get("function_call"))
    if choice == "none":
        return ToolChoice.NONE, None
    if choice == "required":
        return ToolChoice.FORCED, None
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else choice.get("name")
        return ToolChoice.FORCED, name if isinstance(name, str) else None
    return ToolChoice.AUTO, None


def _form(written: object) -> Form:
    kind = written.get("type") if isinstance(written, dict) else None
    if kind == "json_object":
        return Form.JSON
    if kind != "json_schema":
        return Form.FREE
    assert isinstance(written, dict)
    described = written.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return Form.SCHEMA
    kinds = [_pick(each) for each in properties.values()]
    return Form.CHOICE if all(kinds) and "enum" in kinds else Form.SCHEMA


def _pick(schema: object) -> str | None:
    """How a property lets the answer pick: from an enum, or a word for a value; None: it writes."""
    if not isinstance(schema, dict):
        return None
    if "enum" in schema:
        return "enum"
    kind = schema.get("type")
    return kind if isinstance(kind, str) and kind in _PICKS else None
