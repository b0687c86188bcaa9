"""What is kept of a scope that a caller names (`ticket=1234`): its name, and a hash of its value.
Pure.
"""

from hashlib import blake2b


def scope_hash(key: bytes, name: str, value: str) -> str:
    """The hash by which facts and rules know the scope *name* with *value*.

    *key* (up to 64 bytes) is the deployment's own and the same for all its replicas and config
    versions: without it short values, such as a ticket's number, are soon guessed from records.
    """
    return blake2b(f"{name}={value}".encode(), key=key, digest_size=16).hexdigest()
