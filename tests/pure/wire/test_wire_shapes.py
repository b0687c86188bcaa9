"""What the tap learns of a stream's events, and that it changes nothing that is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.sse import StreamTap
from tests.pure.wire.recorded import chunk

LAYOUTS = [
    b'data: {"choices":[{"delta":{"content":"%b"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"choices": [{"delta": {"role": "assistant", "reasoning": "%b"}}]}\n\n',
    b'data: {"object":"%b","choices":[]}\n\n',
    b'data: {"choices":[{"delta":{"content":"","text":"%b"}}],"obfuscation":"xyz"}\n\n',
    b'data: {"choices":[{"text":"%b"}]}\r\n\r\n',
    b'data: {"choices":[{"text":"%b"}\ndata: ]}\n\n',
    b'data: {"text":"%b"\n\n',
    b'data: {"text":"%b":{"prompt_tokens":1,"completion_tokens":1}}\n\n',
    b'data: {"text":"a\\"%b\\":{\\"","b":1}\n\n',
    b'id: 1\ndata: {"content":"%b"}\n\n',
]
TEXTS = [
    b"a", b"the", b"", b"\\n", b"\\", b"\\\\", b'\\"', b'"', b"error", b"[DONE]", b"\n", b"\r",
    b"\n\n", b"a\n\ndata: [DONE]\n\n", b"\r\rdata: [DONE]\r\r", b'","finish_reason":"stop',
    b'","usage":{"prompt_tokens":1,"completion_tokens":1},"b":"', b'","error":{"code":"x"},"c":"',
    b"usage", b"finish_reason", b'"},"finish_reason":"stop"},{"delta":{"x":"',
    b'"}]}\n\ndata: {"a":"', b"\xff", "\u2028 \u4e16".encode(),
]  # fmt: skip


def check_learning(pieces: list[bytes]) -> None:
    """Assert that a tap that learns shapes finds the same in *pieces* as one that does not."""
    learns, searches = StreamTap(True), StreamTap(True)
    searches._lessons = 0
    for piece in pieces:
        assert learns.feed(piece) == searches.feed(piece)
        for name in ("events", "usage", "finish_reason", "done", "failed"):
            assert getattr(learns, name) == getattr(searches, name)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shape_fits_only_events_that_a_search_would_pass(layout: bytes) -> None:
    """Whatever stands where the text stood."""
    for text in TEXTS:
        filled = [layout.replace(b"%b", each) for each in (b"x", b"yz", text, b"z")]
        check_learning([chunk("{}"), *filled])


@given(
    st.lists(
        st.builds(
            lambda layout, text: layout.replace(b"%b", text),
            st.sampled_from(LAYOUTS[:3]),
            st.sampled_from(TEXTS) | st.binary(max_size=5),
        ),
        max_size=12,
    )
)
def test_learning_changes_no_finding(events: list[bytes]) -> None:
    """However the shapes change."""
    check_learning([chunk("{}"), *events])


@pytest.mark.parametrize("key", ["content", "reasoning_content", "reasoning", "arguments", "text"])
@pytest.mark.parametrize("space", ["", " "])
def test_shape_is_learnt_from_two_events_and_anew_when_it_changes(key: str, space: str) -> None:
    """Text in any of the usual places, in the usual two spellings."""
    tap = StreamTap(True)
    tap.feed(chunk('{"role":"assistant"}'))
    for number in range(3):
        tap.feed(chunk(f'{{"content":"{number}"}}'))
    lessons = tap._lessons
    event = chunk(f'{{"{key}":{space}"%s"}}', extra=',"usage":null').decode()
    tap.feed((event % "a").encode())
    tap.feed((event % "b").encode())
    assert tap._shape is not None

    assert tap._shape.fits((event % "some [DONE] error: text").encode())
    assert tap._lessons == lessons - 2
    tap.feed((event % "c").encode())
    assert tap._lessons == lessons - 2
