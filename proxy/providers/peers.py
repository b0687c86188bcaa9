"""Whether an address is one of the public internet. Pure.

The rule: globally reachable by IANA's registries (as Python keeps them), and neither multicast nor
reserved. That leaves out private and unique-local networks, loopback, link-local (the metadata
services of clouds), shared space (CGNAT), documentation and unspecified addresses. An IPv6 address
that carries an IPv4 one is no way around it: mapped, compatible, 6to4 and Teredo ones are refused,
those of NAT64 (how IPv6-only hosts reach IPv4) are judged by what they carry.
"""

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")

_SPECIAL: Final = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("3fff::/20"),
)
"""Of no host, in the registries, but to older Pythons like any other address."""


class ForbiddenPeerError(OSError):
    """The address is not public, and the provider's config does not allow that."""


def check_peer(address: str, *, allow_private: bool) -> None:
    """Take *address*, an IP address in text, as a provider's.

    Raises:
        ForbiddenPeerError: it is not public and *allow_private* is False.
    """
    if not allow_private and not is_public(address):
        raise ForbiddenPeerError("the address is not public")


def is_public(address: str) -> bool:
    """Whether *address* (a scope such as `%eth0` may follow) is of the public internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return _is_reachable(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip not in _UNICAST or ip.sixtofour or ip.teredo:
            return False
    return _is_reachable(ip)


def _is_reachable(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    special = any(ip in network for network in _SPECIAL if network.version == ip.version)
    return ip.is_global and not (special or ip.is_multicast or ip.is_reserved)
