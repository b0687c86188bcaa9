"""API keys as text."""

import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.tokens import (
    TOKEN_CHARS,
    Pepper,
    claimed_id,
    is_well_formed,
    make_token,
)

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TOKEN = make_token()[1]


def test_token_made_is_well_formed_and_bears_its_id() -> None:
    """A new token has the documented shape, in base62, with its public id in front."""
    key_id, token = make_token()

    prefix, claimed, secret, check = token.split("_")

    assert (prefix, claimed, len(secret), len(check)) == ("pm", key_id, 43, 6)
    assert set(claimed + secret + check) <= set(BASE62)
    assert len(token) == TOKEN_CHARS == 66
    assert claimed_id(token) == key_id
    assert is_well_formed(token)


def test_tokens_made_differ() -> None:
    """No two tokens share an id or a secret."""
    made = [make_token() for _ in range(200)]

    assert len({key_id for key_id, _ in made}) == 200
    assert len({token.split("_")[2] for _, token in made}) == 200


def test_check_is_the_crc_of_all_before_it() -> None:
    """The last six characters are the CRC-32 of the rest, so that any tool can verify them."""
    body, _, check = TOKEN.rpartition("_")

    value = 0
    for char in check:
        value = value * 62 + BASE62.index(char)

    assert value == zlib.crc32(body.encode())


@given(at=st.integers(0, TOKEN_CHARS - 1), char=st.characters())
def test_token_with_one_character_changed_is_refused(at: int, char: str) -> None:
    """Any single changed character, of any alphabet, is found without a look-up."""
    changed = TOKEN[:at] + char + TOKEN[at + 1 :]

    assert is_well_formed(changed) == (char == TOKEN[at])


@given(text=st.text(max_size=80))
def test_text_that_is_no_key_is_refused(text: str) -> None:
    """Whatever is not a key is refused, without an exception."""
    assert not is_well_formed(text)


@given(at=st.integers(0, TOKEN_CHARS - 2))
def test_token_with_two_characters_swapped_is_refused(at: int) -> None:
    """Neighbours that changed places are found, as people mistype so."""
    swapped = TOKEN[:at] + TOKEN[at + 1] + TOKEN[at] + TOKEN[at + 2 :]

    assert is_well_formed(swapped) == (TOKEN[at] == TOKEN[at + 1])


@pytest.mark.parametrize("tail", ["\n", " ", "_", "0"])
def test_token_with_a_tail_is_refused(tail: str) -> None:
    """Nothing may follow the check, not even a line break."""
    assert not is_well_formed(TOKEN + tail)


def test_digest_is_keyed_by_the_pepper() -> None:
    """The hash kept is HMAC-SHA-256 over the whole token under the pepper."""
    digest = Pepper(b"p" * 16).digest_of(TOKEN)

    assert digest == hmac.digest(b"p" * 16, TOKEN.encode(), "sha256")
    assert digest != Pepper(b"q" * 16).digest_of(TOKEN)


def test_fingerprint_tells_peppers_apart_and_is_no_key_s_hash() -> None:
    """16 hex digits of an HMAC of a text that no token can be, the same for ever."""
    pepper = Pepper(b"p" * 16)

    expected = hmac.digest(b"p" * 16, b"pointsman pepper fingerprint", "sha256").hex()[:16]
    assert pepper.fingerprint() == expected
    assert pepper.fingerprint() != Pepper(b"q" * 16).fingerprint()


def test_short_pepper_is_refused() -> None:
    """A pepper below 16 bytes is refused, and the message does not show it."""
    with pytest.raises(ValueError, match="at least 16") as caught:
        Pepper(b"secret-pepper")

    assert "secret-pepper" not in str(caught.value)


def test_pepper_shows_itself_nowhere() -> None:
    """A pepper in a log line or a traceback says nothing of its bytes."""
    assert "pppp" not in repr(Pepper(b"p" * 32)) + str(Pepper(b"p" * 32))
