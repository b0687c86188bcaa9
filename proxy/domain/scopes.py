"""What is kept of a scope that a caller names (`ticket=1234`): its name, and a hash of its value.
Pure.
"""

from hashlib import blake2b
from typing import Final

HASH_BYTES: Final = 12


def scope_hash(key: bytes, name: str, value: str) -> str:
    """The hash by which facts and rules know the scope *name* with *value*.

    *key* (up to 64 bytes) is the deployment's own and the same for all its replicas and config
    versions: without it short values, such as a ticket's number, are soon guessed from records.
    """
    text = f"{name}={value}".encode()
    return blake2b(text, digest_size=HASH_BYTES, key=key, person=b"scope").hexdigest()
