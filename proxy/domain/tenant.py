"""Who pays, and who is calling. Pure values."""

from dataclasses import dataclass

from proxy.values import value


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the gateway: its tier (free, pro, enterprise) and the routes granted to it.

    `budgeted`: what it spends has to be known.
    """

    id: str
    tier: str
    routes: frozenset[str]
    budgeted: bool = False


@value
class Identity:
    """What an API key says: the tenant's id, the key's own public id, and its tags."""

    tenant_id: str
    key_id: str
    tags: frozenset[str] = frozenset()


@value
class KeyStanding:
    """A key that is known, and why it is refused all the same: a code of the error catalogue."""

    identity: Identity
    refused_as: str | None = None
