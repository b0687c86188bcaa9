"""A smaller limit for the answer, in the client's own bytes."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.clamp import clamped
from tests.builders import parsed

M = b'"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b'"max_tokens":64,'),
        (b'"max_tokens": 900,', b'"max_tokens": 64,'),
        (b'"max_tokens":63,', b'"max_tokens":63,'),
        (b'"max_completion_tokens":900,', b'"max_completion_tokens":64,'),
        (b'"max_completion_tokens":null,', b'"max_completion_tokens":64,'),
        (
            b'"max_tokens":900,"max_completion_tokens":5,',
            b'"max_tokens":64,"max_completion_tokens":5,',
        ),
        (b'"max_tokens":null,"max_completion_tokens":5,',) * 2,
    ],
)
def test_limit_goes_where_the_client_put_its_own(before: bytes, after: bytes) -> None:
    """Never more than the client allowed, never a limit that was not asked for twice."""
    body = b"{" + before + b'"model":"auto",' + M + b',"temperature":1e0}'
    request = parsed(body)
    assert clamped(request, 64) == b"{" + after + b'"model":"auto",' + M + b',"temperature":1e0}'


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none() | st.integers(1, 200)
            for name in ("max_tokens", "max_completion_tokens")
        },
    ),
    st.integers(1, 200),
)
def test_answer_is_never_allowed_more(limits: dict[str, int | None], most: int) -> None:
    """Whatever was stated, what is sent allows the smaller of the two."""
    chat = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], **limits}
    request = parsed(orjson.dumps(chat))
    after = parsed(clamped(request, most))
    assert after.max_output_tokens is not None
    assert after.max_output_tokens == min(most, request.max_output_tokens or most)
