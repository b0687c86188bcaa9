"""Runs of digits: each meaning is verified, and many numbers mean nothing."""

import pytest
from hunting import found_in, scan_of, values_in

from proxy.domain.classing import ClassifyRules
from proxy.domain.labels import Kind

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"card {CARD} 123", [CARD]),
        ("4111111111111111", ["4111111111111111"]),
        ("4111-1111-1111-1111 and", ["4111-1111-1111-1111"]),
        ("3782 822463 10005", ["3782 822463 10005"]),
        (f"2024 {CARD}", [CARD]),
        (f"{CARD} {CARD}", [CARD, CARD]),
        ("4111 1111 1111 1112", []),
        ("4444444444444444", []),
        ("9111111111111111", []),
        ("order 4111111111111111", []),
        ("order paid by card 4111111111111111", ["4111111111111111"]),
        ("visa order 4111111111111111", ["4111111111111111"]),
        ("x4111111111111111", []),
        ("41111111 1111-1111", ["41111111 1111-1111"]),
        ("411 11111 1111 1111", []),
        (f"-{CARD}", [CARD]),
        (f"card -{CARD}", [CARD]),
        (f"card:---{CARD}", [CARD]),
        (f"[-4111111111111111,-{CARD}]", ["4111111111111111", CARD]),
        (f"x-{CARD}", []),
        (f"----{CARD}", []),
    ],
)
def test_cards_have_a_network_and_a_check_digit(text: str, found: list[str]) -> None:
    """Also in the middle of other numbers or with a minus; not as the number of an order."""
    assert values_in(text, Kind.PAYMENT_CARD) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from 192.168.4.21, and", ["192.168.4.21"]),
        ("8.8.8.8 9.9.9.9", ["8.8.8.8", "9.9.9.9"]),
        ("root@10.0.0.254", ["10.0.0.254"]),
        ("v1.2.3.4 version 1.2.3.4 section 1.2.3.4", []),
        ("Chrome/12.0.6.10", []),
        ("300.1.1.1 01.2.3.4 1.2.3.4.5", []),
        ("127.0.0.1 0.0.0.0 255.255.255.0", []),
        ("2001:db8::8a2e:370:7334.", ["2001:db8::8a2e:370:7334"]),
        ("fe80::1ff:fe23:4567:890a", ["fe80::1ff:fe23:4567:890a"]),
        ("dead:beef:", []),
        ("000::1", []),
        ("abc:def:ghi", []),
        ("0000:0:0:0:0:0:0:1", []),
    ],
)
def test_addresses_are_no_versions(text: str, found: list[str]) -> None:
    """Four numbers are an address unless words before them, or more numbers, say otherwise."""
    assert values_in(text, Kind.IP_ADDRESS) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+33 1 42 68 53 00 12/27", ["+33 1 42 68 53 00"]),
        ("0049 30 901820", ["0049 30 901820"]),
        ("+33 1 42 68 53 00 +34 912 345 678", ["+33 1 42 68 53 00", "+34 912 345 678"]),
        ("+1 202 555 0143", ["+1 202 555 0143"]),
        ("+999 123 456 789", []),
        ("+49 1", []),
        ("001234567", []),
        ("(212) 555-0123", ["(212) 555-0123"]),
        ("212-555-0187 415.555.2671", ["212-555-0187", "415.555.2671"]),
        ("123-456-7890", []),
        ("ticket 212-555-0187", []),
        ("Telefon: 030 901820", ["030 901820"]),
        ("call 912 345 678", ["912 345 678"]),
        ("order phone case no 030 901820", []),
        ("030 901820 pieces", []),
        ("a+49 30 901820", []),
        ("+49 30 901820b", []),
        ("+999 12345678 1 1 1 1 1", []),
        ("call 1 2 3 4 5 6 7 8 9 10 11 12 13", []),
    ],
)
def test_phones_are_numbers_that_somebody_could_dial(text: str, found: list[str]) -> None:
    """With a country code, in the American form, or with a word that says so."""
    assert values_in(text, Kind.PHONE) == found


def test_regions_say_which_national_numbers_count() -> None:
    """Without a region its numbers are none."""
    german = ClassifyRules(phone_regions=("DE",))

    assert found_in("call (212) 555-0123", rules=german) == []
    assert found_in("call 030 901820", rules=german) == [(Kind.PHONE, "030 901820")]
    assert found_in("call 912 345 678", rules=german) == []


def test_dates_and_codes_are_nothing() -> None:
    """A date, a date with a time, and what a hyphen ties to a code."""
    assert found_in("2024-05-02 10:12:01, 2024-05-02 123456789") == []
    assert found_in("a-123456789 and b-550e8400-716-446655440000") == []
    assert found_in(f"2024-05-02 {CARD}") == [(Kind.PAYMENT_CARD, CARD)]


def test_what_follows_a_code_is_looked_at() -> None:
    """Behind a space a run begins anew."""
    assert found_in(f"1.4111111111111111 {CARD}") == [(Kind.PAYMENT_CARD, CARD)]


def test_run_of_many_numbers_is_cut_between_them() -> None:
    """A long row of numbers hides none of them."""
    text = " ".join([CARD] * 20)
    assert len(values_in(text, Kind.PAYMENT_CARD)) == 20
    assert found_in("1" * 500) == []


def test_what_stands_around_a_card_is_looked_at_too() -> None:
    """A phone number before a card and an id behind it are found as such."""
    assert found_in(f"+14155552671 {CARD}")[0][0] is Kind.PHONE
    assert (Kind.NATIONAL_ID, "536-22-1234") in found_in(f"{CARD} 536-22-1234")


def test_one_of_each_kind_is_enough_unless_all_are_wanted() -> None:
    """Kinds that were found are not verified again."""
    text = f"{CARD} +14155552671 8.8.8.8 536-22-1234 "
    findings = scan_of(text * 3, every=False)

    assert len(findings.spans) == 4


@pytest.mark.parametrize("gap", ["  ", "\u00a0", "\u202f", "\u2013", "\u2011", "- "])
def test_card_is_found_whatever_parts_its_groups(gap: str) -> None:
    """Typesetting puts other spaces and dashes there than keyboards do."""
    card = CARD.replace(" ", gap)
    assert found_in(f"pay {card} now") == [(Kind.PAYMENT_CARD, card)]


@pytest.mark.parametrize("gap", ["\u00a0", "\u2013"])
def test_phone_is_found_whatever_parts_its_groups(gap: str) -> None:
    """As with cards."""
    phone = f"+49{gap}30{gap}901820"
    assert found_in(f"at {phone}") == [(Kind.PHONE, phone)]
