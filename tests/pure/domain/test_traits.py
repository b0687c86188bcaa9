"""Traits: what facts keep of a request's shape, its texts only as keyed hashes."""

from proxy.domain.catalog import Endpoint
from proxy.domain.reading import Passage, Reading, Role
from proxy.domain.said import SAID_NOTHING, Said
from proxy.domain.traits import MIN_SHARED_BYTES, Traits, traits_of

KEY = b"0123456789abcdef"
LONG = "You are a bot. " * 400


def a_reading(*texts: tuple[Role, str], turns: int = 1) -> Reading:
    """A chat of these passages."""
    passages = tuple(Passage(role, text) for role, text in texts)
    return Reading(Endpoint.CHAT, passages, tools=2, images=1, turns=turns)


def traits(*texts: tuple[Role, str], said: Said = SAID_NOTHING, turns: int = 1) -> Traits:
    """The traits of such a chat."""
    return traits_of(a_reading(*texts, turns=turns), said, KEY)


def test_counts_and_words_pass_through() -> None:
    """Shape and the caller's own figures are facts as they are."""
    said = Said(max_latency_ms=900, feature="inbox")

    found = traits((Role.USER, "hi"), said=said)

    assert (found.turns, found.images, found.tools) == (1, 1, 2)
    assert (found.max_latency_ms, found.feature) == (900, "inbox")
    assert (found.scopes, found.session, found.prefix) == ((), None, None)


def test_scopes_and_sessions_are_hashed_with_the_key() -> None:
    """Equal values give equal hashes under one key and others under another; never the value."""
    said = Said(scopes=(("ticket", "1234"),), session="s-1")

    found = traits_of(a_reading(), said, KEY)
    other = traits_of(a_reading(), said, b"another key of 16")

    assert found == traits_of(a_reading(), said, KEY)
    assert found.scopes[0][0] == "ticket"
    assert "1234" not in found.scopes[0][1]
    assert found.scopes != other.scopes
    assert found.session != other.session
    assert found.scopes[0][1] != traits(said=Said(scopes=(("case", "1234"),))).scopes[0][1]


def test_long_system_prompt_is_a_shared_prefix() -> None:
    """Requests with the same long system prompt share a cache, whatever the user asks."""
    one = traits((Role.SYSTEM, LONG), (Role.USER, "a"))
    two = traits((Role.SYSTEM, LONG + "tail"), (Role.USER, "b"))

    assert len(LONG) > MIN_SHARED_BYTES
    assert one.prefix is not None
    assert one.prefix == two.prefix


def test_conversation_is_known_by_its_start() -> None:
    """Later turns of a conversation have the prefix of the earlier ones; a first turn has none."""
    first = [(Role.SYSTEM, "short"), (Role.USER, "hi"), (Role.ASSISTANT, "hello")]

    two = traits(*first, (Role.USER, "more"), turns=2)
    three = traits(*first, (Role.USER, "more"), (Role.USER, "yet more"), turns=3)

    assert traits(*first).prefix is None
    assert two.prefix is not None
    assert two.prefix == three.prefix
    assert two.prefix != traits((Role.USER, "other"), (Role.USER, "more"), turns=2).prefix
