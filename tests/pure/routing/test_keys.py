"""Keys: by prefix or by being assigned, and only what looks made by chance."""

import pytest
from hunting import A_KEY, found_in, scan_of, values_in

from proxy.domain.labels import Kind
from tests.evaluation.detections import PRIVATE_KEYS, keys


@pytest.mark.parametrize("key", list(keys()))
def test_each_vendor_is_known(key: str) -> None:
    """In the middle of a sentence, whole."""
    assert values_in(f"my key {key} is out", Kind.API_KEY) == [key]


@pytest.mark.parametrize(
    "text",
    [
        "sk-your-api-key-goes-here-1234",
        "sk-aaaaaaaaaaaaaaaaaaaaaaaa1",
        "sk-short",
        "ghp_" + "abcdefghij" * 4,
        'api_key = os.environ["OPENAI_API_KEY_2"]',
        "password: ********",
        "token: 550e8400-e29b-41d4-a716-446655440000",
        "secret = 1234567890.1234567",
        "token:",
        "Bearer of bad news2",
        "eyJhbGciOiJIUzI1NiJ9 alone",
    ],
)
def test_what_stands_in_manuals_is_no_key(text: str) -> None:
    """Placeholders, names of variables, ids and words."""
    assert values_in(text, Kind.API_KEY) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: hunter2hunter2X", "hunter2hunter2X"),
        ('{"client_secret": "aZ09bY18cX27dW36"}', "aZ09bY18cX27dW36"),
        ('{\\"token\\": \\"aZ09bY18cX27dW36\\"}', "aZ09bY18cX27dW36"),
        ("Authorization: Bearer aZ09bY18cX27dW36", "aZ09bY18cX27dW36"),
        ("AWS_x secret_access_key=aZ09bY18cX/27dW36+", "aZ09bY18cX/27dW36+"),
    ],
)
def test_what_is_assigned_to_a_secrets_name_is_a_key(text: str, value: str) -> None:
    """Whoever made it, and in inner JSON too."""
    assert values_in(text, Kind.API_KEY) == [value]


@pytest.mark.parametrize("key", PRIVATE_KEYS)
def test_private_keys_are_taken_from_first_to_last_line(key: str) -> None:
    """Every kind that OpenSSL and OpenSSH write."""
    assert found_in(f"look:\n{key}\nthanks") == [(Kind.PRIVATE_KEY, key)]


def test_private_key_that_is_cut_off_goes_to_the_end() -> None:
    """What is left of a key is a key; but not beyond its passage, nor on and on in prose."""
    cut = "-----BEGIN PRIVATE KEY-----\nMIIabc"

    assert found_in(cut) == [(Kind.PRIVATE_KEY, cut)]
    assert scan_of(cut, "innocent").spans[0].end == len(cut)
    assert scan_of(cut + "x " * 20_000).spans[0].end == 16 * 1024 + 1
    assert found_in(cut + "-----END")[0][1] == cut + "-----END"


def test_age_keys_are_private() -> None:
    """A key of age decrypts; it is no key to an API."""
    key = "AGE-" + "SECRET-KEY-1" + "QP5Z3R7K9W2X4Y6V8T0S3J5N4H6C7E8M9U2A1L0D3F5G7" + "QP5Z3R7K9W"
    assert found_in(f"use {key}") == [(Kind.PRIVATE_KEY, key)]


def test_second_key_is_not_looked_at_where_one_is_enough() -> None:
    """Without `every` the first key ends the search for keys."""
    assert len(scan_of(f"{A_KEY} {A_KEY}", every=False).spans) == 1


@pytest.mark.parametrize("behind", ["", " and more", "\n"])
@pytest.mark.parametrize(
    "key",
    [
        A_KEY + "aB3dE5fG7h" * 200,
        "whsec_" + "aB3+E5/G7h" * 200,
        "eyJ" + "aB3dE5fG7h" * 2 + ".eyJ" + "aB3dE5fG7h" * 2000 + "." + "aB3dE5fG7h" * 10,
        "-----BEGIN PRIVATE KEY-----\n" + "aB3dE5fG7h\n" * 5000 + "-----END PRIVATE KEY-----",
    ],
)
def test_key_is_found_to_its_own_end(key: str, behind: str) -> None:
    """A tail that is left behind is most of a secret."""
    kind = Kind.PRIVATE_KEY if key.startswith("-") else Kind.API_KEY
    assert values_in(key + behind, kind) == [key]


def test_assigned_value_is_found_to_its_own_end() -> None:
    """However long it is; text behind it stays."""
    value = "aB3dE5fG7h" * 100
    assert values_in(f"password: {value} and", Kind.API_KEY) == [value]


def test_word_in_a_long_key_stands_there_by_chance() -> None:
    """Only short ones are dismissed for it: four letters come up in one of many keys."""
    assert values_in("sk-proj-aB3dE5here7hI9jK1lM3nO5pQ7", Kind.API_KEY)
    assert not values_in("sk-aB3dE5here7hI9jK1lM3nO", Kind.API_KEY)
