"""Files that stand in strings are told, words are not taken for them."""

import base64
import time

import pytest

from proxy.wire.encoded import MIN_ENCODED_CHARS, is_data_url, is_encoded

ROW = base64.b64encode(bytes(range(256)) * 2).decode()


@pytest.mark.parametrize(
    "text",
    [
        ROW,
        " " + ROW,
        "\ufeff\r\n" + ROW,
        base64.encodebytes(bytes(range(256)) * 2).decode(),
        "\r\n".join(ROW[at : at + 64] for at in range(0, len(ROW), 64)),
        "\t ".join(ROW[at : at + 10] for at in range(0, len(ROW), 10)),
        " ".join(ROW),
        bytes(range(256)).hex(" "),
        "a" * MIN_ENCODED_CHARS,
        "A" * MIN_ENCODED_CHARS,
        ROW.replace("+", "-").replace("/", "_"),
    ],
)
def test_what_is_encoded_is_told(text: str) -> None:
    """However it is wrapped and whatever blank stands before it."""
    assert is_encoded(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ROW[: MIN_ENCODED_CHARS - 1],
        "a b c " * 64,
        "the quick brown fox jumps over the lazy dog " * 20,
        "Every Word Of This Title Begins With A Large Letter " * 20,
        "https://files.example.com/" + ROW,
        "This is prose, as it is written. " * 20,
        "слово " * 200,
    ],
)
def test_words_are_not_encoded(text: str) -> None:
    """Short, of other signs, or mostly small letters in short runs."""
    assert not is_encoded(text)


@pytest.mark.parametrize(
    "url",
    [
        "data:application/pdf;base64,AA",
        " " * 20 + "data:application/pdf;base64,AA",
        "\x01\u200bDATA:,x",
        "da\nta:\ttext/plain ; charset=utf-8 ; base64,AA",
        "data:text/plain,hello",
        "data:;base64,AA",
    ],
)
def test_data_in_a_url_is_told(url: str) -> None:
    """Also as lenient readers take it: with blanks before and within."""
    assert is_data_url(url)


@pytest.mark.parametrize(
    "text", ["", "data", "data: a, b", "data: see below", "dates: a/b,c", "x data:,", "date:,"]
)
def test_words_are_no_url(text: str) -> None:
    """Prose may begin with the word."""
    assert not is_data_url(text)


@pytest.mark.parametrize(
    "text", [" " * 1_000_000, "data:" + "a/b;" * 250_000, "d" + " " * 1_000_000]
)
def test_hostile_text_costs_little(text: str) -> None:
    """Time is linear, and little of a text is looked at."""
    start = time.thread_time()
    is_encoded(text)
    is_data_url(text)
    assert time.thread_time() - start < 0.2
