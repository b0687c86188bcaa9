"""Scopes are known by name and by a keyed hash of their value."""

from proxy.domain.scopes import scope_hash


def test_hash_depends_on_key_name_and_value() -> None:
    """The same three give the same hash; any other gives another."""
    same = {scope_hash(b"k", "ticket", "1"), scope_hash(b"k", "ticket", "1")}
    others = {scope_hash(b"j", "ticket", "1"), scope_hash(b"k", "user", "1"),
              scope_hash(b"k", "ticket", "2")}  # fmt: skip

    assert len(same) == 1
    assert len(same | others) == 4


def test_hash_does_not_show_the_value() -> None:
    """24 hexadecimal digits, whatever was hashed."""
    found = scope_hash(b"", "ticket", "1234")

    assert len(found) == 24
    assert int(found, 16) >= 0
