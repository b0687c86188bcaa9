"""Caps on premium calls: counted before a call, given back where none was made, bounded."""

from proxy.state.call_caps import CallCaps


def test_cap_is_used_up_and_given_back() -> None:
    """What is held counts at once; what is released counts no more."""
    caps = CallCaps()
    assert caps.allows("a", 1)
    caps.hold(["a"])
    assert not caps.allows("a", 1)
    assert caps.allows("b", 1)
    caps.release(["a"])
    assert caps.allows("a", 1)


def test_nothing_is_given_back_twice() -> None:
    """A release without a hold changes nothing."""
    caps = CallCaps()
    caps.release(["a"])
    caps.hold(["a"])
    assert not caps.allows("a", 1)


def test_oldest_scopes_are_forgotten() -> None:
    """Memory is bounded by the number of scopes."""
    caps = CallCaps(max_scopes=2)
    caps.hold(["a", "b"])
    caps.hold(["a"])
    caps.hold(["c"])
    assert [caps.allows(key, 1) for key in "abc"] == [False, True, False]
