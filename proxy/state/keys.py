"""Every key in Redis: its name, type, lifetime, writer and reader. Pure.

| key | type | lifetime | written by | read by |
|---|---|---|---|---|
| `pm:{keys}:k:<id>` | hash: tenant, name, hash (hex), tags (parted by spaces), created_ms, expires_ms, revoked_ms | kept | store | lookups |
| `pm:{keys}:ids` | sorted set: key ids by created_ms | kept | store | store |
| `pm:{keys}:ids:<tenant>` | the same, of one tenant | kept | store | store |
| `pm:{keys}:changes` | stream, field `key`: the id of a key that changed | last CHANGES_KEPT | store | changes |
| `pm:{keys}:last_use` | sorted set: key ids by the time of their last use, ms | kept | last_use | store |
| `pm:{keys}:pepper_fingerprint` | string: that of the pepper which the hashes are made with | kept | store | store |
| `pm:{prices}:version` | string: which price catalogue holds | kept | prices | prices |
| `pm:{prices}:c:<version>` | string: the text of a catalogue | kept while it holds, then an hour | prices | prices |
| `pm:{prices}:fetched` | string: the replica that fetched the price feed last | until it is due again | prices | prices |
| `pm:{prices}:lease` | string: the replica that fetches it | ten minutes | prices | prices |

The braces are a hash tag: all keys of one tag live in one slot of a Redis Cluster, so that a
record and the notice of its change are written in one transaction.
"""  # noqa: E501 - a table's rows cannot be broken

from typing import Final

CHANGES_KEPT: Final = 10_000
"""A reader that falls further behind than this drops all it knows."""

IDS: Final = "pm:{keys}:ids"
CHANGES: Final = "pm:{keys}:changes"
LAST_USE: Final = "pm:{keys}:last_use"
PEPPER_FINGERPRINT: Final = "pm:{keys}:pepper_fingerprint"

PRICES_VERSION: Final = "pm:{prices}:version"
PRICES_FETCHED: Final = "pm:{prices}:fetched"
PRICES_LEASE: Final = "pm:{prices}:lease"


def record_of(key_id: str) -> str:
    """The hash of one API key."""
    return f"pm:{{keys}}:k:{key_id}"


def ids_of(tenant_id: str) -> str:
    """The ids of one tenant's API keys."""
    return f"pm:{{keys}}:ids:{tenant_id}"


def prices_of(version: str) -> str:
    """The text of one price catalogue."""
    return f"pm:{{prices}}:c:{version}"
