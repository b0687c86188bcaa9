"""API keys as text: `pm_<id>_<secret>_<check>`, and the keyed hash that is kept of one. Pure but
for the system's randomness in `make_token`.

The id is public (it stands in lists and logs); the secret is 256 bits; the check is a CRC-32 of
all before it, so that a mistyped key, or another vendor's, is refused without a look-up, and so
that secret scanners can tell a key from a look-alike.
"""

import hmac
import re
import secrets
import string
import zlib
from typing import Final

ID_CHARS: Final = 12
SECRET_CHARS: Final = 43
"""43 characters of base62 hold 256.03 bits."""

CHECK_CHARS: Final = 6
TOKEN_CHARS: Final = len("pm_") + ID_CHARS + 1 + SECRET_CHARS + 1 + CHECK_CHARS
MIN_PEPPER_BYTES: Final = 16
FINGERPRINT_CHARS: Final = 16

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_AT: Final = slice(len("pm_"), len("pm_") + ID_CHARS)
# No key begins so: what is hashed here can never be what is hashed for a key.
_FINGERPRINT_OF: Final = b"pointsman pepper fingerprint"
_DERIVED_FOR: Final = b"pointsman derived key: "
_SHAPE: Final = re.compile(rf"pm_[0-9A-Za-z]{{{ID_CHARS}}}_[0-9A-Za-z]{{{SECRET_CHARS}}}")


class Pepper:
    """The secret under which tokens are hashed; the same for all replicas. Shows itself nowhere.

    Raises:
        ValueError: shorter than 16 bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_PEPPER_BYTES:
            raise ValueError(
                f"The pepper has {len(secret)} bytes; it needs at least {MIN_PEPPER_BYTES}. "
                "Make one with: openssl rand -hex 32"
            )
        self._secret = secret

    def digest_of(self, token: str) -> bytes:
        """HMAC-SHA-256 of the whole *token*, which is ASCII: 32 bytes."""
        return hmac.digest(self._secret, token.encode("ascii"), "sha256")

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for *purpose* alone, the same wherever the pepper is."""
        return hmac.digest(self._secret, _DERIVED_FOR + purpose.encode(), "sha256")

    def fingerprint(self) -> str:
        """16 hex digits that tell this pepper from any other: HMAC-SHA-256 of a constant, cut.

        It stands in Redis, so it may be known: what it allows is to test a guess of the pepper.
        """
        return hmac.digest(self._secret, _FINGERPRINT_OF, "sha256").hex()[:FINGERPRINT_CHARS]


def make_token() -> tuple[str, str]:
    """A new key: its public id, and the token that its bearer sends."""
    key_id = _random_text(ID_CHARS)
    body = f"pm_{key_id}_{_random_text(SECRET_CHARS)}"
    return key_id, f"{body}_{_check_of(body)}"


def claimed_id(token: str) -> str:
    """Where the id stands in a *token* of the right length; nothing else was checked."""
    return token[_ID_AT]


def is_well_formed(token: str) -> bool:
    """Whether *token* has the shape and the check of a key, so that it is worth a look-up."""
    body, _, check = token.rpartition("_")
    return _SHAPE.fullmatch(body) is not None and check == _check_of(body)


def _random_text(chars: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(chars))


def _check_of(body: str) -> str:
    rest = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CHECK_CHARS):
        rest, digit = divmod(rest, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
