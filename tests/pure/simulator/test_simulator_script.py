import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator.script import (
    Lognormal,
    Script,
    ScriptError,
    Uniform,
    directive_in,
    draw,
    read_script,
    read_script_json,
)
from proxy.simulator.tokens import count_tokens, text_of, tokens_of


def test_script_keeps_the_default_for_what_is_not_named() -> None:
    """A call changes single fields of its provider's script."""
    default = read_script({"tokens": {"min": 1, "max": 2}, "cut_at_event": 3}, Script())

    assert read_script({"cut_at_event": None}, default) == Script(tokens=Uniform(1, 2))


@pytest.mark.parametrize(
    "text",
    ["", "1", "[]", '{"unknown": 1}', '{"split": 0}', '{"comments": {"every": 1}}', '{"n": NaN}'],
)
def test_script_that_does_not_fit_is_refused(text: str) -> None:
    """Unknown keys, wrong kinds and what is not JSON never pass silently."""
    with pytest.raises(ScriptError):
        read_script_json(text, Script())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello", None),
        ('hi [[sim: {"a": 1}]] there', '{"a": 1}'),
        ('[[sim:{"content": "]] }"}]]', '{"content": "]] }"}'),
        ("[[sim: nothing]]", None),
    ],
)
def test_directive_is_the_json_between_its_brackets(text: str, found: str | None) -> None:
    """Brackets inside the JSON do not end it."""
    assert directive_in(text) == found


def test_amounts_are_drawn_from_their_distribution() -> None:
    """Fixed stays, uniform is bounded, lognormal has its median in the middle."""
    chance = random.Random(1)
    uniform = [draw(Uniform(2, 3), chance) for _ in range(500)]
    lognormal = sorted(draw(Lognormal(10, 0.5), chance) for _ in range(999))

    assert draw(7, chance) == 7
    assert all(2 <= value <= 3 for value in uniform)
    assert 9 < lognormal[499] < 11
    assert lognormal[-1] > 20


@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    """Cutting into tokens loses nothing, so a stream says what a plain answer says."""
    assert "".join(tokens_of(text)) == text


@given(st.integers(0, 200), st.sampled_from(["lorem", "fine"]), st.integers())
def test_text_has_as_many_tokens_as_asked(tokens: int, prose: str, seed: int) -> None:
    """A scripted length is exact, so a bill can be foretold."""
    assert count_tokens(text_of(tokens, prose, random.Random(seed))) == tokens  # type: ignore[arg-type]  # sampled_from widens the literal
