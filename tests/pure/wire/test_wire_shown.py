"""What a text shows: nothing hidden is left, the usual is left alone, and the way back holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.reading import Role
from proxy.wire.shown import MAX_SHOWN_BYTES, is_as_shown, may_hide, plain, trails_of

UNSEEN = [
    *range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4,
    0x17B5, *range(0x180B, 0x180F), *range(0x200B, 0x2010), *range(0x202A, 0x202F),
    *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, 0xFFF9, 0xFFFA, 0xFFFB,
    *range(0xE0000, 0xE0080),
]  # fmt: skip
SPACES = [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]


def shown(text: str, role: Role = Role.USER) -> str | None:
    """What *text* shows, all of it; None: what it says."""
    made, is_all = plain(role, text)
    assert is_all
    return made


@pytest.mark.parametrize("sign", [chr(code) for code in UNSEEN])
def test_what_nobody_sees_is_left_out(sign: str) -> None:
    """Between digits, next to a space, within words, twice, before an accented letter."""
    for text in ("4111{}1111", "4111{} 1111", "project{} zebra", "wire {}transfer", "a{}b é"):
        assert shown(text.format(sign)) == text.format("")
        assert shown(text.format(sign * 2)) == text.format("")


@pytest.mark.parametrize("sign", [chr(code) for code in SPACES])
def test_every_space_is_a_plain_one(sign: str) -> None:
    """Between words and between digits, beside signs of numbers, also several of them."""
    for text in ("4111{}1111", "project{}zebra", "({}555", "+1{}212", "a {}b", "a{} b", "note:{}x"):
        assert shown(text.format(sign)) == text.format(" ")
    assert shown(f"a{sign}{sign}b") == "a  b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ann＠example．com", "ann@example.com"),
        ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com"),
        ("４１１１", "4111"),
        ("x@y․com", "x@y.com"),
        ("𝟒𝟷①⁴", "4114"),
        ("𝐩𝗋𝓸𝔧𝕖𝚌ⓣ", "project"),
        ("ﬁle", "file"),
        ("٤١١١ ١١١١", "4111 1111"),
        ("۴۱۱۱۱۱۱", "4111111"),
        ("४१११११", "411111"),
        ("4١11", "4111"),
        ("١.١.١.١", "1.1.1.1"),
        ("cafe\u0301 Mu\u0308ller", "café Müller"),
        ("a\u2028b", "a\nb"),
    ],
)
def test_signs_in_other_dress_are_those_of_ascii(text: str, said: str) -> None:
    """Full-width, mathematical, circled, of other scripts; accents beside their letters."""
    assert shown(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم آن را بخوانم و نمی\u200cدانم، سال ۱۴۰۲",
        "क्\u200dष, ശ്\u200d",
        "❤\ufe0f 👩\u200d💻 🏳\ufe0f\u200d🌈 ☎\ufe0f!",
        "葛\U000e0100城市",
        "你好，世界。这是：（一）！\n\u3000\u3000第二段。\u3000第三",
        "Voici\u00a0: «\u00a0oui\u00a0», 5\u00a0%, 7\u00a0€\u00a0!",
        "naïve Straße – “quoted”… 20 °C ½ ™",
        "Привет, мир",
        "👍🏽",
        "tab\tline\r\n",
        "",
    ],
)
def test_usual_signs_are_no_reason(text: str) -> None:
    """Joiners of Persian, pictures, wide punctuation, French spaces hide nothing where they are."""
    assert shown(text) is None


def test_only_what_is_near_is_shown() -> None:
    """A long text with one hidden sign costs little; a gap parts what is far apart."""
    far = "word " * 1000
    text = f"{far}a\u200bb{far}c\u00add{far}"

    made = shown(text)

    assert made is not None
    assert len(made) < 5000
    assert made.count("\0") == 1
    assert "ab" in made
    assert "cd" in made


def test_more_than_may_be_shown_is_told() -> None:
    """By bytes, of what is near hidden signs, and of what has escapes."""
    hidden = "a\u200b" * MAX_SHOWN_BYTES

    assert plain(Role.USER, hidden, 1000)[1] is False
    assert plain(Role.USER, "word " * 1000, 0) == (None, True)
    assert plain(Role.CALL, "\\u0040" + "a" * 1000, 100) == (None, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bob\\u0040x.com", "bob@x.com"),
        ("\\u0034\\u200B1\\u00A01\\uFF11", "41 11"),
        ("\\u0001a", "a"),
        ("\\\\u0040 \\u0040", "  u0040 @"),
        ("\\u00e9", None),
        ("\\\\u0040", "  u0040"),
        ("a\\nb", None),
    ],
)
def test_escapes_of_json_are_spelled_out(text: str, said: str | None) -> None:
    """In what tools are sent and send, and in keys; not where users write."""
    for role in (Role.CALL, Role.TOOL, Role.NAME):
        assert shown(text, role) == said
    assert shown(text) is None


def test_bodies_that_may_hide_controls_are_told() -> None:
    """By their escapes: JSON has no other way to write any but DEL."""
    assert all(may_hide(each) for each in (b"\\u0000", b"x\\u001f", b"\\b", b"\\f", b"\\u007F"))
    assert not any(may_hide(each) for each in (b"", b"x", b'\\n\\t\\r\\"\\/', b"\\u00e9\\u0041"))


def test_most_texts_are_as_shown() -> None:
    """Without a backslash, or where escapes mean nothing."""
    assert is_as_shown(Role.USER, "\\u0040")
    assert is_as_shown(Role.CALL, "a\\nb")
    assert not is_as_shown(Role.CALL, "\\u0040")


SIGNS = st.sampled_from(
    ["a", "4", "1", "@", ".", " ", "\u200b", "\u200c", "\u00a0", "é", "e\u0301", "１", "＠", "م",
     "\u0661", "❤\ufe0f", "\0", "-", "\n", "𝟒", "x" * 700, "é" * 600, "\\u0040", "\\u200b", "\\\\"]
)  # fmt: skip


@given(
    st.lists(SIGNS, max_size=12).map("".join),
    st.sampled_from([Role.USER, Role.CALL]),
    st.integers(0, 10**6),
    st.integers(1, 30),
)
def test_way_back_leads_to_what_shows_the_same(
    text: str, role: Role, start: int, size: int
) -> None:
    """What a span is led back to shows that span, at least."""
    before = (
        "a\u200b\\u0061"  # so that all is redrawn: some signs hide something only beside others
    )
    made = shown(before + text, role)
    assert made is not None
    start %= len(made)
    span = made[start : start + size].partition("\0")[0]
    if not span:
        return
    begin = len(made[:start].encode())
    end = begin + len(span.encode())

    for trail in trails_of(role, before + text):
        begin, end, _ = trail.back(begin, end)

    again = shown(before + (before + text).encode()[begin:end].decode(), role)
    assert again is not None
    assert span in again


def test_span_at_a_gap_is_not_whole() -> None:
    """More may belong to it than is shown."""
    text = "x" * 2000 + "a\u200bb" + "y" * 2000
    made = shown(text)
    assert made is not None
    (trail,) = trails_of(Role.USER, text)

    assert not trail.back(0, 4).is_whole
    assert not trail.back(len(made) - 4, len(made)).is_whole
    assert trail.back(1, len(made) - 1).is_whole
