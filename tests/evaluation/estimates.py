"""How far estimates of prompt tokens are off, before and after a target is calibrated.

The prompts are those of the evaluation set that are messages of text and nothing else: as they
are (`short`), and put together to texts of at least LONG_BYTES each (`long`). `prompt_tokens.json`
has what a provider would report of each, in the same order: tokens of the public vocabulary
o200k_base, as js-tiktoken 1.0 counts them, 4 more for each message (its role and frame) and 3 for
the answer's beginning.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

import orjson

from proxy.domain.labels import Workload
from proxy.domain.request import Request
from proxy.domain.rules import Ruling
from proxy.domain.standing import Standing
from proxy.ports import Answered
from proxy.routing.decide import choose
from proxy.state.board import LEAST_CALIBRATING_BYTES, Board
from proxy.wire.prompt import text_bytes
from tests.builders import a_route, a_snapshot, parsed, some_facts
from tests.evaluation.figures import prompts

REPORTED: Final = Path(__file__).with_name("prompt_tokens.json")
LONG_BYTES: Final = LEAST_CALIBRATING_BYTES
TARGET: Final = "first/m"


class Prompt(NamedTuple):
    """A request and the prompt tokens that a provider would report of it."""

    request: Request
    reported: int


class Ratios(NamedTuple):
    """Estimated by reported: the ends and the middle of single prompts, and of all together.

    `low` and `high`: one prompt in twenty is below, and above.
    """

    low: float
    middle: float
    high: float
    together: float


def chats(half: str, length: str) -> list[dict[str, Any]]:
    """The bodies of one half, `short` or `long`."""
    short = [
        row["request"]
        for row in prompts(half)
        if row["request"].keys() == {"messages"}
        and all(isinstance(each["content"], str) for each in row["request"]["messages"])
    ]
    if length == "short":
        return short
    long: list[dict[str, Any]] = []
    texts: list[str] = []
    for chat in short:
        texts += [message["content"] for message in chat["messages"]]
        text = "\n\n".join(texts)
        if text_bytes(text) >= LONG_BYTES:
            long.append({"messages": [{"role": "user", "content": text}]})
            texts = []
    return long


def measured(half: str, length: str) -> list[Prompt]:
    """The prompts of one half with what would be reported of them."""
    reported = orjson.loads(REPORTED.read_bytes())[length][half]
    requests = [parsed(orjson.dumps({"model": "auto", **chat})) for chat in chats(half, length)]
    return [Prompt(*pair) for pair in zip(requests, reported, strict=True)]


def calibrated(seen: Sequence[Prompt]) -> Standing:
    """What is known of a target that answered all of *seen*."""
    board = Board(lambda: 0.0)
    for prompt in seen:
        board.answered(
            Answered(
                target_id=TARGET,
                route_id="auto",
                workload=Workload.CHAT,
                attempts=1,
                broke=False,
                prompt_bytes=prompt.request.prompt_bytes,
                prompt_tokens=prompt.reported,
                completion_tokens=1,
                parts=1,
                writing_ms=1.0,
                called_tools=False,
                bad=None,
            )
        )
    return board.standings()[TARGET]


def ratios(asked: Sequence[Prompt], standing: Standing) -> Ratios:
    """How estimates of *asked* are off at a target of which that much is known."""
    route = a_route()
    snapshot = a_snapshot(route, standings={TARGET: standing})
    estimated = [
        choose(
            route,
            Ruling(),
            some_facts(
                prompt_bytes=each.request.prompt_bytes, message_count=each.request.message_count
            ),
            snapshot,
        )
        .ranking[0]
        .prompt_tokens
        for each in asked
    ]
    single = [estimate / each.reported for estimate, each in zip(estimated, asked, strict=True)]
    low, *_, high = quantiles(single, n=20)
    total = sum(each.reported for each in asked)
    return Ratios(low, median(single), high, sum(estimated) / total)
