"""The scan: however its work is divided it finds the same, and what it did not read it tells."""

from hunting import A_KEY, a_reading, scan_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import ClassifyRules
from proxy.domain.findings import NOTHING_FOUND
from proxy.domain.labels import Kind, Risk
from proxy.domain.patterns import PatternSet, TermPattern
from proxy.domain.reading import Reading
from proxy.routing.detect import REACH_BYTES
from proxy.routing.scan import CLEAR_CHARS, WINDOW_BYTES, Scan, is_clear

CARD = "4111 1111 1111 1111"
PIECES = st.sampled_from(
    [
        "hello world ", "bob@example.com", CARD, "+49 30 901820", "8.8.8.8", " ", "\n", "é", "\\n",
        "DE89 3704 0044 0532 0130 00", A_KEY, "insulin ", "asthma ", "1234 ", "2024-05-02 ", "x",
        "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "fe80::1ff:fe23 ", "12", "-",
        "password: hunter2hunter2X ", "536-22-1234 ", "\x00", ".", "AB 12 34 56 C ",
    ]
)  # fmt: skip
TEXTS = st.lists(st.lists(PIECES, max_size=30).map("".join), max_size=4)
RULES = ClassifyRules(
    terms=TermPattern.of(["hello"]),
    disallowed=PatternSet.of([("world", "worldly"), ("nowhere", "never")]),
    risks=PatternSet.of([("hello", Risk.LOW), ("insulin", Risk.HIGH)]),
)


@settings(deadline=None)
@given(texts=TEXTS, step=st.integers(1, 5000), every=st.booleans())
@example(texts=["x" * 50 + CARD], step=40, every=True)
def test_any_steps_find_the_same(texts: list[str], step: int, every: bool) -> None:
    """Pausing changes nothing that is found."""
    whole = scan_of(*texts, rules=RULES, every=every)

    assert scan_of(*texts, rules=RULES, every=every, step=step) == whole
    assert whole.complete


BUILT_IN_RULES = (ClassifyRules(), ClassifyRules(max_scanned_bytes=8))


@settings(deadline=None)
@given(texts=st.lists(st.text() | TEXTS.map("".join), max_size=3))
@example(texts=["x" * (CLEAR_CHARS + 1)])
@example(texts=["hello", "world"])
@example(texts=[])
def test_clear_is_what_a_scan_finds_nothing_in(texts: list[str]) -> None:
    """What is taken for clear without a scan is read to its end by one, and holds nothing."""
    for rules in (*BUILT_IN_RULES, RULES):
        if is_clear(a_reading(*texts), rules):
            assert rules is not RULES
            assert scan_of(*texts, rules=rules) == NOTHING_FOUND


def test_ordinary_text_is_clear() -> None:
    """Prose without numbers needs no scan; one number, a pattern of the config's own, or a length
    beyond the cap does.
    """
    prose = a_reading("Where is my order?", "It will come soon.")
    assert is_clear(prose, ClassifyRules())
    assert not is_clear(prose, RULES)
    assert not is_clear(prose, ClassifyRules(max_scanned_bytes=8))
    assert not is_clear(a_reading(f"Where is {CARD}?"), ClassifyRules())
    assert not is_clear(a_reading("x" * (CLEAR_CHARS + 1)), ClassifyRules())


@settings(deadline=None)
@given(texts=TEXTS, size=st.integers(0, 40))
def test_stretches_stand_within_their_passages(texts: list[str], size: int) -> None:
    """A finding names its passage and stands inside it."""
    for kind, at, start, end in scan_of(*texts, rules=RULES).spans:
        assert 0 <= start < end <= len(texts[at].encode()), kind


@settings(deadline=None)
@given(texts=TEXTS)
def test_passage_holds_what_it_holds_alone(texts: list[str]) -> None:
    """But for words of health, of which two make one another."""
    by_passage: list[list[tuple[Kind, int, int]]] = [[] for _ in texts]
    for kind, at, start, end in scan_of(*texts, rules=RULES).spans:
        by_passage[at].append((kind, start, end))
    for text, found in zip(texts, by_passage, strict=True):
        if "\x00" not in text:
            alone = [(each.kind, each.start, each.end) for each in scan_of(text, rules=RULES).spans]
            assert [each for each in found if each[0] is not Kind.HEALTH] == [
                each for each in alone if each[0] is not Kind.HEALTH
            ]


def test_same_text_holds_the_same_wherever_it_stands() -> None:
    """What other passages say gives a text no other meaning."""
    text = f"{CARD} bob@x.com"
    alone, second = scan_of(text), scan_of("order no. ", text)

    assert [(each.kind, each.start, each.end) for each in second.spans] == [
        (each.kind, each.start, each.end) for each in alone.spans
    ]
    assert {each.passage for each in second.spans} == {1}


def test_what_two_windows_share_is_found_once() -> None:
    """A stretch across the border of two windows is found, and not twice."""
    for shift in range(-len(CARD) - 2, 3):
        text = "x " * (WINDOW_BYTES // 2 - 20)
        text += "y" * (WINDOW_BYTES + shift - len(text) - 1) + f" {CARD} hello bob@x.com"
        spans = scan_of(text, rules=RULES).spans
        assert [each.kind for each in spans] == [Kind.PAYMENT_CARD, Kind.TERM, Kind.EMAIL]


def test_stretch_longer_than_a_window_is_passed_whole() -> None:
    """A long private key ends in a later window, and that one is searched behind it."""
    key = "-----BEGIN PRIVATE KEY-----" + "A" * (WINDOW_BYTES - 300) + "-----END PRIVATE KEY-----"
    text = "x " * 300 + key + " bob@x.com hello"

    assert [each.kind for each in scan_of(text, rules=RULES).spans] == [
        Kind.PRIVATE_KEY, Kind.EMAIL, Kind.TERM,
    ]  # fmt: skip


def test_config_patterns_are_matched_in_every_window() -> None:
    """Terms, disallowed content and risks; the highest risk counts, in any order."""
    far = " x" * WINDOW_BYTES
    findings = scan_of("insulin" + far + " hello world", rules=RULES, every=False)

    assert findings.kinds == (Kind.TERM,)
    assert findings.disallowed == ("worldly",)
    assert findings.risk is Risk.HIGH
    assert scan_of("hello" + far + "insulin", rules=RULES).risk is Risk.HIGH
    assert scan_of("nothing", rules=RULES).risk is None
    assert len(scan_of("hello" + far + "hello", rules=RULES, every=False).spans) == 1


def test_configured_health_terms_suffice_alone() -> None:
    """What an operator names needs no second word."""
    rules = ClassifyRules(health_terms=TermPattern.of([r"\bcase file\b"]))
    assert scan_of("the case file", rules=rules).kinds == (Kind.HEALTH,)


def test_what_is_beyond_the_cap_is_not_read() -> None:
    """And that is told, be it a long text or one more of them."""
    rules = ClassifyRules(max_scanned_bytes=1000)
    fits = "x" * 1000

    assert scan_of(fits, rules=rules).complete
    assert not scan_of(fits + "x", rules=rules).complete
    assert not scan_of(fits, "", rules=rules).complete
    assert not scan_of(fits + "yy", "z", rules=rules).complete
    assert scan_of(fits + " bob@x.com", rules=rules).kinds == ()
    assert scan_of("é" * 500, rules=rules).complete
    assert not scan_of("é" * 501, rules=rules).complete


def test_what_costs_too_much_is_left_unread() -> None:
    """Numbers without end are not verified without end; the same are, however it is divided."""
    rules = ClassifyRules(max_scanned_bytes=20_000)
    text = f"+33 1 42 68 53 00 {'+999 123 456 789, ' * 1000}{CARD}"
    findings = scan_of(text, rules=rules)

    assert findings.kinds == (Kind.PHONE,)
    assert not findings.complete
    assert scan_of(text, rules=rules, step=1) == findings


def test_unfinished_scan_is_not_complete() -> None:
    """What was found so far counts, and the rest as not read."""
    scan = Scan(a_reading("bob@x.com " + "x " * WINDOW_BYTES), RULES)

    assert not scan.step(1)
    assert not scan.findings().complete


def test_nothing_to_read_is_read_at_once() -> None:
    """No passages, no work."""
    scan = Scan(Reading(Endpoint.CHAT, ()), RULES)
    assert scan.step(1)
    assert scan.findings().complete


def test_step_does_about_what_it_may() -> None:
    """A step's work is bounded: by its budget, one window and one closer look."""
    scan = Scan(a_reading("x " * 10 * WINDOW_BYTES), ClassifyRules())
    steps = 1
    while not scan.step(WINDOW_BYTES):
        steps += 1
    assert 15 <= steps <= 21


def test_reach_is_longer_than_any_trigger() -> None:
    """The longest that a trigger can match fits behind a window."""
    assert REACH_BYTES >= 200
