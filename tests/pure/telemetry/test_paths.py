"""The closed sets that client-chosen text is mapped onto."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import CATALOGUE
from proxy.telemetry.paths import (
    ENDPOINTS,
    OTHER,
    endpoint_of,
    error_code_of,
    finish_reason_of,
    method_of,
    path_of,
)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/chat/completions", "chat/completions"),
        ("/v1/completions", "completions"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/models", "models"),
        ("/v1/models/{id}", "models"),
        ("/v1/models/a/b:c", "models"),
        ("/healthz", "healthz"),
        ("/v1/secret", "other"),
    ],
)
def test_path_belongs_to_its_endpoint(path: str, endpoint: str) -> None:
    """Every path that we serve has its endpoint; any other path is `other`."""
    assert endpoint_of(path) == endpoint


def test_model_id_is_left_out_of_the_path() -> None:
    """The id in a model's path is the client's text and is not told."""
    assert path_of("/v1/models/sk-secret") == "/v1/models/{id}"


@given(st.text(max_size=40))
def test_free_text_never_passes(text: str) -> None:
    """Whatever a client or an upstream writes, what comes out is a word of ours."""
    assert endpoint_of("/" + text) in ENDPOINTS | {OTHER}
    assert method_of(text) in {OTHER, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    assert error_code_of(text) in {OTHER, *CATALOGUE}
    assert finish_reason_of(text) == OTHER or text in {
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "function_call",
        "error",
    }


def test_absent_words_stay_absent() -> None:
    """No error and no finish reason are told as such, not as `other`."""
    assert error_code_of(None) is None
    assert finish_reason_of(None) is None
