"""What a request says and how it is shaped: the one value that classification reads. Pure.

Texts do not show when a reading or a passage is printed.
"""

from dataclasses import field
from enum import StrEnum
from typing import NamedTuple

from proxy.domain.catalog import Endpoint
from proxy.values import value


class Role(StrEnum):
    """Who speaks in a passage. CALL: a tool call's arguments, JSON in a string, or such a
    result. SETTING: any other text that goes upstream, such as tool definitions and metadata.

    Three are no strings of the body. NAME: an object's key, or a long number. PLAIN: the passage
    before it once more, as a reader understands it. JOINED: where the text parts of a message
    meet, as if they were one.
    """

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    CALL = "call"
    SETTING = "setting"
    NAME = "name"
    PLAIN = "plain"
    JOINED = "joined"


class Passage(NamedTuple):
    """One string of the body, decoded. A tuple: a request has one for each of its strings."""

    role: Role
    text: str

    def __repr__(self) -> str:
        return f"Passage({self.role.value}, {len(self.text)} characters)"


class ToolChoice(StrEnum):
    """What the caller says of the tools that it offers."""

    NONE = "none"
    AUTO = "auto"
    FORCED = "forced"


class Form(StrEnum):
    """What `response_format` asks for. CHOICE: a schema whose every property is an enum,
    a boolean or a number, so that the answer picks rather than writes.
    """

    FREE = "free"
    JSON = "json"
    SCHEMA = "schema"
    CHOICE = "choice"


@value
class Reading:
    """The texts of a request in the body's order, and its shape.

    `passages` holds every string that goes upstream, with keys and numbers long enough to tell
    something, but for words of the protocol (roles, the model) and for what is no text (images,
    audio). `forced_tool` is the tool
    that must be called; `answers_tools`: tool calls or their results stand in the messages.
    `unread`: there is something in it that holds language and cannot be read here (a file, a
    recording, token numbers), or more strings than are read. `joins` tells, of each JOINED
    passage in order, the places of the passages that it joins.
    """

    endpoint: Endpoint
    passages: tuple[Passage, ...] = field(repr=False)
    tools: int = 0
    tool_choice: ToolChoice = ToolChoice.AUTO
    forced_tool: str | None = field(default=None, repr=False)
    answers_tools: bool = False
    form: Form = Form.FREE
    images: int = 0
    turns: int = 0
    unread: bool = False
    joins: tuple[tuple[int, ...], ...] = field(default=(), repr=False)

    def first_of(self, role: Role) -> str:
        """The first passage of *role*, empty where there is none."""
        for passage in self.passages:
            if passage.role is role:
                return passage.text
        return ""

    def last_of(self, role: Role) -> str:
        """The last passage of *role*, empty where there is none."""
        for passage in reversed(self.passages):
            if passage.role is role:
                return passage.text
        return ""
