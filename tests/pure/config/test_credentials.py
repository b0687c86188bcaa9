"""Secrets by reference."""

from pathlib import Path

import pytest

from proxy.config.credentials import (
    MAX_FILE_BYTES,
    CredentialProblem,
    is_reference,
    resolve,
    reveal,
)


@pytest.mark.parametrize("text", ["env:A", "env:_a1", "file:/run/key", "file:key.txt", "file:a b"])
def test_reference_names_a_variable_or_a_file(text: str) -> None:
    """Two forms, nothing else."""
    assert is_reference(text)


@pytest.mark.parametrize(
    "text", ["", "sk-123", "env:", "env:1A", "env:A B", "ENV:A", "file:", "file: a", "file:a\nb"]
)
def test_anything_else_is_no_reference(text: str) -> None:
    """A secret written by mistake is never taken for a reference."""
    assert not is_reference(text)


def test_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env:NAME` is the variable's value."""
    monkeypatch.setenv("CONFIG_TEST_KEY", "sk-123")

    assert resolve("env:CONFIG_TEST_KEY") == "sk-123"


@pytest.mark.parametrize(
    ("content", "secret"),
    [("sk-123", "sk-123"), ("sk-123\n", "sk-123"), ("sk-123\r\n", "sk-123"), ("a b \n", "a b ")],
)
def test_secret_comes_from_a_file_without_its_closing_newline(
    tmp_path: Path, content: str, secret: str
) -> None:
    """Editors end files with a newline, which is no part of the secret; one is taken off."""
    path = tmp_path / "key"
    path.write_bytes(content.encode())

    assert resolve(f"file:{path}") == secret


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hush\n\n", "control characters"),
        (b"hush\r\nx-evil: 1", "control characters"),
        (b"hush\x00", "control characters"),
        (b"hush\xff", "beyond ASCII"),
        ("hush-ü".encode(), "beyond ASCII"),
        (b"h" * (MAX_FILE_BYTES + 1), "is larger than"),
    ],
)
def test_unfit_secret_is_refused_without_repeating_it(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """The message names the reference and the reason, never the content."""
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(CredentialProblem) as refused:
        resolve(f"file:{path}")

    assert refused.value.reference == f"file:{path}"
    assert str(refused.value).startswith(f"file:{path}: ")
    assert reason in str(refused.value)
    assert "hush" not in str(refused.value)


def test_missing_variable_and_file_are_named(tmp_path: Path) -> None:
    """What is not there is named by its reference."""
    with pytest.raises(CredentialProblem, match=r"env:CONFIG_TEST_ABSENT: .* is not set"):
        resolve("env:CONFIG_TEST_ABSENT")
    with pytest.raises(CredentialProblem, match=r"absent: cannot be read: No such file"):
        resolve(f"file:{tmp_path}/absent")


def test_secret_in_place_of_a_reference_is_not_repeated() -> None:
    """Even a misuse by our own code cannot print a secret."""
    with pytest.raises(CredentialProblem) as refused:
        resolve("sk-very-secret")

    assert "secret" not in str(refused.value)


def test_text_is_revealed_as_itself_or_what_it_refers_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis' URL stands in the config, or behind a reference when it holds a password."""
    monkeypatch.setenv("CONFIG_TEST_REDIS", "redis://:hush@host/0")

    assert reveal("redis://host/0") == "redis://host/0"
    assert reveal("env:CONFIG_TEST_REDIS") == "redis://:hush@host/0"
