"""Workloads: decided by shape, else elected by what the instructions say."""

import pytest

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY, ClassifyRules, Vote
from proxy.domain.labels import Label, Origin, Workload
from proxy.domain.patterns import PatternSet
from proxy.domain.reading import Form, Passage, Reading, Role, ToolChoice
from proxy.routing.workload import HEAD_CHARS, hints_of, workload_of


def elected(
    text: str, *, system: str = "", rules: ClassifyRules = BUILT_IN_ONLY, **shape: object
) -> Label[Workload]:
    """The workload of a chat in which the user says *text*."""
    passages = [Passage(Role.USER, text)]
    if system:
        passages.insert(0, Passage(Role.SYSTEM, system))
    reading = Reading(Endpoint.CHAT, tuple(passages), **shape)  # type: ignore[arg-type]  # a test's
    return workload_of(reading, hints_of(reading, rules))


@pytest.mark.parametrize(
    ("shape", "workload", "sure"),
    [
        ({"tools": 2}, Workload.TOOL_USE, 0.85),
        ({"tools": 2, "answers_tools": True}, Workload.TOOL_USE, 0.95),
        ({"tools": 1, "tool_choice": ToolChoice.FORCED}, Workload.TOOL_USE, 0.95),
        ({"tools": 1, "tool_choice": ToolChoice.FORCED, "forced_tool": "get_weather"},
         Workload.TOOL_USE, 0.95),
        ({"tools": 1, "tool_choice": ToolChoice.FORCED, "forced_tool": "extract_person"},
         Workload.EXTRACTION, 0.8),
        ({"tools": 1, "tool_choice": ToolChoice.FORCED, "forced_tool": "set_label"},
         Workload.CLASSIFICATION, 0.8),
    ],
)  # fmt: skip
def test_tools_decide(shape: dict[str, object], workload: Workload, sure: float) -> None:
    """Tools that may be called mean tool use; one that must be and names a form, that form."""
    assert elected("Summarize this.", **shape) == Label(workload, Origin.STRUCTURE, sure)


def test_tools_that_may_not_be_called_decide_nothing() -> None:
    """With tool_choice none the words count."""
    found = elected("Summarize this.", tools=1, tool_choice=ToolChoice.NONE)
    assert (found.value, found.origin) == (Workload.SUMMARIZATION, Origin.RULE)


def test_embeddings_are_their_own_workload() -> None:
    """Whatever the text says."""
    reading = Reading(Endpoint.EMBEDDINGS, (Passage(Role.USER, "Summarize this."),))
    assert workload_of(reading, []) == Label(Workload.EMBEDDINGS, Origin.STRUCTURE, 1.0)


@pytest.mark.parametrize(
    ("form", "workload"),
    [
        (Form.CHOICE, Workload.CLASSIFICATION),
        (Form.SCHEMA, Workload.EXTRACTION),
        (Form.JSON, Workload.EXTRACTION),
    ],
)
def test_form_of_the_answer_counts(form: Form, workload: Workload) -> None:
    """Where the words say nothing the asked-for form does."""
    found = elected("Blue finch, 14 May.", form=form)
    assert (found.value, found.origin) == (workload, Origin.STRUCTURE)


def test_words_can_outvote_the_form() -> None:
    """A summary in JSON is a summary."""
    found = elected("Summarize the text in two sentences.", form=Form.JSON)
    assert (found.value, found.origin) == (Workload.SUMMARIZATION, Origin.RULE)


def test_nothing_said_is_chat() -> None:
    """Without votes, or with weak ones only, it is talk."""
    assert elected("hm") == Label(Workload.CHAT, Origin.DEFAULT, 0.5)
    assert elected("the receipt of it") == Label(Workload.CHAT, Origin.DEFAULT, 0.4)
    reading = Reading(Endpoint.CHAT, ())
    assert workload_of(reading, hints_of(reading, BUILT_IN_ONLY)).origin is Origin.DEFAULT


def test_system_prompt_instructs() -> None:
    """What the user sends may be material only."""
    found = elected("The ferry is late.", system="Classify the sentiment of each message.")
    assert found.value is Workload.CLASSIFICATION


MATERIAL = "The ferry leaves at nine and the harbour sleeps. " * 60


def test_instructions_stand_at_the_start_or_the_end() -> None:
    """Before or behind long material, with a blank line between or without."""
    for text in (
        f"Summarize in three sentences.\n\n{MATERIAL}",
        f"Summarize in three sentences: {MATERIAL}",
        f"{MATERIAL}\n\nSummarize this in three sentences.",
        f"x\n\n{MATERIAL}\n\nSummarize this in three sentences.",
        f"{MATERIAL} Give me a summary in three sentences.",
    ):
        assert elected(text).value is Workload.SUMMARIZATION, text[:40]


def test_material_counts_little() -> None:
    """Words in the middle do not decide against the instruction."""
    middle = "x " * HEAD_CHARS + "\n\nTranslate this poem. Write a blog post.\n\n" + "y " * 400

    assert elected(f"Summarize this: {middle}").value is Workload.SUMMARIZATION
    assert elected(middle).origin is Origin.DEFAULT


def test_configured_rules_vote_too() -> None:
    """An operator's pattern weighs as it says."""
    rules = ClassifyRules(workloads=PatternSet.of([("ZX-81", Vote(Workload.REASONING, 9.0))]))

    assert elected("Summarize zx-81.", rules=rules).value is Workload.REASONING
    assert elected("Summarize zx-80.", rules=rules).value is Workload.SUMMARIZATION


def test_sure_is_what_has_no_rival() -> None:
    """The confidence falls with the votes for the next best."""
    clear = elected("Summarize the key takeaways.")
    torn = elected("Summarize the key takeaways and write a poem.")
    assert clear.confidence > torn.confidence
