"""Which addresses are of the public internet."""

import pytest

from proxy.providers.peers import ForbiddenPeerError, check_peer, is_public

PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.1.2.3", "169.254.169.254",
    "172.16.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
    "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2002:a00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "198.20.0.1", "223.255.255.254",
    "64:ff9b::8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::200e",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_public_needs_to_be_allowed(address: str) -> None:
    """Of a private network, this machine, a cloud's own services, many hosts, or none."""
    assert not is_public(address)
    check_peer(address, allow_private=True)
    with pytest.raises(ForbiddenPeerError):
        check_peer(address, allow_private=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_taken(address: str) -> None:
    """Of one host, reachable from anywhere."""
    assert is_public(address)
    check_peer(address, allow_private=False)
