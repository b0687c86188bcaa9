"""Where what was found was written: once, whole, or not to be told."""

import pytest

from proxy.domain.catalog import Endpoint
from proxy.domain.findings import Finding
from proxy.domain.labels import Kind
from proxy.domain.reading import Passage, Reading, Role
from proxy.errors import GatewayError
from proxy.wire.shown import plain
from proxy.wire.sources import sources_of

ALL = frozenset(Kind)


def a_reading(*passages: tuple[Role, str], joins: tuple[tuple[int, ...], ...] = ()) -> Reading:
    """A chat with these passages."""
    return Reading(
        Endpoint.CHAT, tuple(Passage(role, text) for role, text in passages), joins=joins
    )


def test_what_hides_nothing_stays_where_it_is() -> None:
    """Of the kinds that are asked for, in order."""
    reading = a_reading((Role.USER, "abcdef"), (Role.NAME, "name"))
    found = [Finding(Kind.TERM, 1, 0, 4), Finding(Kind.EMAIL, 0, 1, 2), Finding(Kind.IBAN, 0, 0, 1)]

    assert sources_of(reading, found, frozenset({Kind.TERM, Kind.EMAIL})) == [found[1], found[0]]


def test_parts_of_others_of_their_kind_are_left_out() -> None:
    """A value that is shown twice is one; another kind is another value."""
    reading = a_reading((Role.USER, "abc\u200bdef"), (Role.PLAIN, "abcdef"))
    found = [
        Finding(Kind.EMAIL, 0, 0, 3), Finding(Kind.EMAIL, 1, 0, 6), Finding(Kind.TERM, 0, 0, 2),
    ]  # fmt: skip

    assert sources_of(reading, found, ALL) == [
        Finding(Kind.EMAIL, 0, 0, 9), Finding(Kind.TERM, 0, 0, 2),
    ]  # fmt: skip


def test_parts_of_a_message_and_what_hides_in_them() -> None:
    """From the plain form of what is joined to both parts, also of a second message."""
    reading = a_reading(
        (Role.USER, "x"), (Role.USER, "y"), (Role.JOINED, "xy"),
        (Role.USER, "ab\u200b"), (Role.USER, "cd"), (Role.JOINED, "ab\u200bcd"),
        (Role.PLAIN, "abcd"), joins=((0, 1), (3, 4)),
    )  # fmt: skip

    assert sources_of(reading, [Finding(Kind.TERM, 6, 1, 3)], ALL) == [
        Finding(Kind.TERM, 3, 1, 5), Finding(Kind.TERM, 4, 0, 1),
    ]  # fmt: skip


def test_what_may_go_on_is_refused_unless_it_is_found_whole() -> None:
    """At the end of what is shown."""
    text = "k" * 3000 + "\u200b" + "k" * 3000
    shown, _ = plain(Role.USER, text)
    assert shown is not None
    reading = a_reading((Role.USER, text), (Role.PLAIN, shown))
    cut_off = Finding(Kind.API_KEY, 1, 0, 10)

    with pytest.raises(GatewayError) as refused:
        sources_of(reading, [cut_off], ALL)
    assert refused.value.code == "not_redactable"

    whole = Finding(Kind.API_KEY, 0, 0, 3000)
    assert sources_of(reading, [cut_off, whole], ALL) == [whole]
