"""Step 3: the texts of a request and its shape, from the decoded body. Pure.

Every string that goes upstream is a passage, wherever it stands, so that nothing can be hidden
from the scan by where it is put; left out are roles, the model, the `routing` object (it is never
sent), names of members, and images. A file or a recording cannot be read and is told of.
"""

from collections.abc import Mapping
from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.domain.reading import Form, Passage, Reading, Role, ToolChoice

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
_NOT_SENT = frozenset({"model", "messages", "prompt", "input", "routing"})
_PICKS = frozenset({"boolean", "number", "integer"})


def reading_of(endpoint: Endpoint, body: Mapping[str, object]) -> Reading:
    """The reading of *body*, decoded and accepted by `parse` for *endpoint*."""
    walk = _Walk()
    if endpoint is Endpoint.CHAT:
        return _reading_of_chat(body, walk)
    walk.strings(Role.USER, body.get("prompt" if endpoint is Endpoint.COMPLETIONS else "input"))
    turns = len(walk.passages)
    walk.settings(body)
    return Reading(endpoint, tuple(walk.passages), turns=turns, unread=walk.unread or turns == 0)


def _reading_of_chat(body: Mapping[str, object], walk: "_Walk") -> Reading:
    messages = body["messages"]
    assert isinstance(messages, list)
    for message in messages:
        if walk.is_full:
            walk.unread = True
            break
        walk.message(message)
    walk.settings(body)
    tools = [*_listed(body, "tools"), *_listed(body, "functions")]
    choice, forced = _tool_choice(body) if tools else (ToolChoice.NONE, None)
    return Reading(
        Endpoint.CHAT,
        tuple(walk.passages),
        tools=len(tools),
        tool_choice=choice,
        forced_tool=forced,
        answers_tools=walk.answers_tools,
        form=_form(body.get("response_format")),
        images=walk.images,
        turns=walk.turns,
        unread=walk.unread,
    )


class _Walk:
    """Goes through a body once and keeps what it meets."""

    __slots__ = ("_left", "answers_tools", "images", "passages", "turns", "unread")

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.images = 0
        self.turns = 0
        self.answers_tools = False
        self.unread = False
        self._left = MAX_VALUES

    @property
    def is_full(self) -> bool:
        """Whether no more is read."""
        return self._left <= 0

    def message(self, message: Mapping[str, object]) -> None:
        """Take one message; `parse` has checked that it is an object with a known role."""
        role = _ROLES[str(message["role"])]
        if role is Role.USER:
            self.turns += 1
        elif role is Role.TOOL:
            self.answers_tools = True
        content = message.get("content")
        if isinstance(content, str):
            self._text(role, content)
        elif isinstance(content, list):
            for part in content:
                self._part(role, part)
        if len(message) > 1 + ("content" in message):
            self._rest(message)

    def settings(self, body: Mapping[str, object]) -> None:
        """Take the members of *body* that are no prompt."""
        for name, value in body.items():
            if name not in _NOT_SENT and isinstance(value, str | list | dict):
                self.strings(Role.SETTING, value)

    def strings(self, role: Role, value: object) -> None:
        """Take every string in *value*, in order; names of members are none of them."""
        waiting = [value]
        while waiting:
            self._left -= 1
            if self._left < 0:
                self.unread = True
                return
            match waiting.pop():
                case str() as text:
                    self.passages.append(Passage(role, text))
                case list() as items:
                    waiting += reversed(self._some(items))
                case dict() as members:
                    waiting += reversed(members.values())

    def _some(self, items: list[object]) -> list[object]:
        """What of a list may hold strings, as far as may be looked at; numbers cost least."""
        if len(items) > self._left:
            self.unread = True
            items = items[: self._left]
        return [item for item in items if isinstance(item, str | list | dict)]

    def _text(self, role: Role, text: str) -> None:
        self._left -= 1
        if self._left < 0:
            self.unread = True
            return
        if role is Role.TOOL and text[:1] in ("{", "["):
            role = Role.CALL
        self.passages.append(Passage(role, text))

    def _part(self, role: Role, part: object) -> None:
        if not isinstance(part, dict):
            self.strings(Role.SETTING, part)
            return
        rest = part
        kind = part.get("type")
        if kind == "text" and isinstance(part.get("text"), str):
            self._text(role, part["text"])
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

    def _image(self, image: object) -> None:
        url = image.get("url") if isinstance(image, dict) else image
        if not (isinstance(url, str) and url.startswith("data:image/")):
            self.strings(Role.SETTING, image)

    def _rest(self, message: Mapping[str, object]) -> None:
        for name, value in message.items():
            if name in ("role", "content"):
                continue
            is_call = name in ("tool_calls", "function_call")
            self.answers_tools = self.answers_tools or is_call
            self.strings(Role.CALL if is_call else Role.SETTING, value)


def _without(part: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in part.items() if name not in names}


def _listed(body: Mapping[str, object], name: str) -> list[object]:
    value = body.get(name)
    return value if isinstance(value, list) else []


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
