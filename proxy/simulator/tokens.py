"""What a token is here, and text made of them. Pure; chance arrives as an argument.

A token is up to four characters of a word, with the white space before it. The rule is the same
for prompts and answers, plain and streamed, so a bill can be checked by hand:
"Hello world" is Hell|o| worl|d, 4 tokens. A message costs 4 more, as its envelope.
"""

import random
import re
from typing import Final, Literal

MESSAGE_TOKENS: Final = 4

_TOKEN: Final = re.compile(r"\s*\S{1,4}|\s+")

_LOREM: Final = (
    *("lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "do"),
    *("eiusmod", "tempor", "incididunt", "ut", "labore", "et", "dolore", "magna", "aliqua"),
    *("enim", "ad", "minim", "veniam", "quis", "nostrud", "exercitation", "ullamco"),
)

_SENTENCES: Final = (
    "The short answer is yes, and the reasons are worth a moment.",
    "What looks like a question of speed is mostly a question of order.",
    "Begin with the part that can fail, and the rest becomes easy to place.",
    "Each figure below was checked twice, once by hand.",
    "There is a trade here: what we save in money we spend in patience.",
    "Two of the three constraints pull the same way, which leaves real room to choose.",
    "It helps to say plainly what is not known yet.",
    "Seen from the customer's side, the difference is smaller than it sounds.",
    "The older approach still wins where the volume is low and the stakes are high.",
    "If only one thing is kept from this, keep the habit of measuring first.",
    "None of this is final; a week of real traffic will settle the last point.",
    "So the recommendation is modest, and it can be undone in an afternoon.",
)


def tokens_of(text: str) -> list[str]:
    """*text* cut into its tokens; joined they give it back."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens *text* has."""
    return len(_TOKEN.findall(text))


def text_of(tokens: int, prose: Literal["lorem", "fine"], chance: random.Random) -> str:
    """Text of exactly *tokens* tokens."""
    made: list[str] = []
    while len(made) < tokens:
        sentence = _lorem_sentence(chance) if prose == "lorem" else chance.choice(_SENTENCES)
        made += tokens_of(f" {sentence}" if made else sentence)
    return "".join(made[:tokens])


def _lorem_sentence(chance: random.Random) -> str:
    words = chance.choices(_LOREM, k=chance.randint(6, 12))
    return " ".join(words).capitalize() + "."
