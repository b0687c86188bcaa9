"""JSON as odd as it is valid: white space, escapes, unicode, nesting. Hypothesis strategies."""

import json

from hypothesis import strategies as st

_SPACES = st.sampled_from([b"", b"", b" ", b"\n\t", b"\r\n  "])
_STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", '\\"', "[{", "}]", '","', "{}:,", "\\\\", "é👍", "\x00\n", "usage"]
)
_NUMBERS = st.sampled_from([b"0", b"-1", b"1e2", b"1.50", b"1E+3", b"9007199254740993", b"-0.0"])


@st.composite
def _spelled(draw: st.DrawFn, text: str) -> bytes:
    return json.dumps(text, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def _array(draw: st.DrawFn, children: st.SearchStrategy[bytes]) -> bytes:
    items = [draw(_SPACES) + item + draw(_SPACES) for item in draw(st.lists(children, max_size=4))]
    return b"[" + (b",".join(items) if items else draw(_SPACES)) + b"]"


@st.composite
def members_object(draw: st.DrawFn, members: dict[str, bytes]) -> bytes:
    """The object of these members (values as JSON), oddly spaced."""
    items = [
        draw(_SPACES) + draw(_spelled(name)) + draw(_SPACES) + b":" + draw(_SPACES) + value
        + draw(_SPACES)
        for name, value in members.items()
    ]  # fmt: skip
    return b"{" + (b",".join(items) if items else draw(_SPACES)) + b"}"


@st.composite
def _object(draw: st.DrawFn, children: st.SearchStrategy[bytes]) -> bytes:
    return draw(members_object(draw(st.dictionaries(_STRINGS, children, max_size=4))))


_SCALARS = st.sampled_from([b"null", b"true", b"false"]) | _NUMBERS | _STRINGS.flatmap(_spelled)


def json_values() -> st.SearchStrategy[bytes]:
    """Any JSON value, as bytes."""
    return st.recursive(_SCALARS, lambda children: _array(children) | _object(children))


@st.composite
def json_objects(draw: st.DrawFn) -> bytes:
    """A JSON object without repeated keys, as bytes, with white space around it."""
    return draw(_SPACES) + draw(_object(json_values())) + draw(_SPACES)
