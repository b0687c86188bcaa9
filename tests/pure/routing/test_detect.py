"""Detection: what begins a stretch, and what it turns out to be."""

import pytest
from hunting import A_KEY, found_in, scan_of, values_in

from proxy.domain.labels import Kind


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to bob.smith@example.com.", ["bob.smith@example.com"]),
        ("a@b.co", ["a@b.co"]),
        ("<o'brien@firm.ie>", ["o'brien@firm.ie"]),
        ("'bob@x.com'", ["bob@x.com"]),
        ("jürgen@bücher.de", ["jürgen@bücher.de"]),
        ("联系bob@example.com谢谢", ["bob@example.com"]),
        ("a.@b.co", ["a.@b.co"]),
        ("bob@localhost", []),
        ("react@18.2.0 icon@2x.png", []),
        ("git@github.com:org/repo.git", []),
        ("@john and @mary", []),
        ("..@b.co", []),
    ],
)
def test_addresses_are_found_whole(text: str, found: list[str]) -> None:
    """An address has a name and a domain; versions, files and handles are none."""
    assert values_in(text, Kind.EMAIL) == found


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\u00e9", "\\r"])
def test_escape_of_inner_json_is_no_part_of_an_address(escape: str) -> None:
    """JSON within a string: what follows a line's end begins behind its escape."""
    assert values_in(f'{{"a": "x{escape}bob@x.com"}}', Kind.EMAIL) == ["bob@x.com"]


def test_backslash_of_no_escape_leaves_the_address_whole() -> None:
    """A domain user on Windows is still an address."""
    assert values_in("CORP\\Xavier@x.com", Kind.EMAIL) == ["Xavier@x.com"]


def test_escape_alone_is_no_name() -> None:
    """An address of which only an escape is left is none."""
    assert values_in('"\\n@x.com"', Kind.EMAIL) == []


def test_password_in_a_url_is_a_key() -> None:
    """What stands between a colon and the at of a URL is a secret, and no address."""
    text = "postgres://app:Secr3tPassw0rd@db.example.com/x"
    assert found_in(text) == [(Kind.API_KEY, "Secr3tPassw0rd")]
    assert scan_of(text + " " + text, every=False).kinds == (Kind.API_KEY,)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 now", ["DE89 3704 0044 0532 0130 00"]),
        ("GB29NWBK60161331926819", ["GB29NWBK60161331926819"]),
        ("BE68 5390 0754 7034 EUR1", ["BE68 5390 0754 7034"]),
        ("DE89 3704 0044 0532 0130 01", []),
        ("xDE89370400440532013000", []),
    ],
)
def test_ibans_have_right_check_digits(text: str, found: list[str]) -> None:
    """Compact or in groups, and without the word behind it."""
    assert values_in(text, Kind.IBAN) == found


@pytest.mark.parametrize(
    "text",
    ["{}", " {}", "({})", "\n{}", "\x00{}", "\\n{}", "'{}'", ":{}"],
)
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("4111 1111 1111 1111", Kind.PAYMENT_CARD),
        ("+33 1 42 68 53 00", Kind.PHONE),
        ("(212) 555-0123", Kind.PHONE),
        ("8.8.8.8", Kind.IP_ADDRESS),
        ("DE89370400440532013000", Kind.IBAN),
        (A_KEY, Kind.API_KEY),
        ("RSSMRA85T10A562S", Kind.NATIONAL_ID),
        ("2001:db8::8a2e:370:7334", Kind.IP_ADDRESS),
        ("bob@x.com", Kind.EMAIL),
    ],
)
def test_start_of_a_text_hides_nothing(text: str, value: str, kind: Kind) -> None:
    """Alone, or behind one sign, each is found whole."""
    assert found_in(text.format(value)) == [(kind, value)]


def test_word_behind_an_escape_is_seen() -> None:
    """A key at the start of a line of inner JSON is found whole."""
    assert values_in(f'{{"t": "x\\n{A_KEY}"}}', Kind.API_KEY) == [A_KEY]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("She was diagnosed with flu", ["diagnosed with"]),
        ("my diabetes and insulin", ["diabetes", "insulin"]),
        ("insulin, insulin and Insulin", []),
        ("insulin, diabetes, asthma", ["insulin", "diabetes", "asthma"]),
        ("insulin, insulin, asthma", ["insulin", "insulin", "asthma"]),
        ("a patient man", []),
        ("impatient insulins", []),
    ],
)
def test_health_needs_a_phrase_or_two_words(text: str, found: list[str]) -> None:
    """One word may be an image; two different ones are a subject."""
    assert values_in(text, Kind.HEALTH) == found


def test_kinds_stop_being_looked_for_once_found() -> None:
    """Without `every` one of each kind is enough."""
    text = "bob@x.com ann@x.com diagnosed with hiv positive insulin 8.8.8.8 9.9.9.9 fe80::12:1"
    findings = scan_of(text * 3, every=False)

    assert findings.kinds == (Kind.EMAIL, Kind.HEALTH, Kind.IP_ADDRESS)
    assert len(findings.spans) == 3
