"""The evaluation set for detection: sentences with a place for a value, values for each kind,
and sentences with numbers that are nothing of it.

Values are made here, by the rules of their issuers, so that no file of this repository holds a
string that looks like somebody's key, card or id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from string import ascii_letters, ascii_uppercase, digits

from stdnum import luhn
from stdnum.de import idnr
from stdnum.es import dni
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.iso7064 import mod_97_10
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer

from proxy.domain.labels import Kind


@dataclass(frozen=True)
class Sample:
    """A text, and what stands in it: kinds with their values."""

    text: str
    holds: tuple[tuple[Kind, str], ...]


def chars(seed: int, alphabet: str, count: int) -> str:
    """*count* signs that look drawn by chance, and are the same on every run."""
    state = seed * 2654435761 % 2**32
    made = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        made.append(alphabet[(state >> 16) % len(alphabet)])
    return "".join(made)


def with_check(of: int, count: int, prefix: str, computed: object) -> str:
    """A number of *count* digits that begins with *prefix*, and its check digit behind it."""
    body = prefix + chars(of, digits, count - len(prefix))
    return body + str(computed(body))  # type: ignore[operator]  # a function of stdnum


def spaced(text: str, *groups: int, by: str = " ") -> str:
    """*text* in groups of so many signs."""
    at, made = 0, []
    for size in groups:
        made.append(text[at : at + size])
        at += size
    return by.join(made)


def iban(country: str, account: str) -> str:
    """An IBAN with its check digits."""
    return country + f"{98 - int(mod_97_10.checksum(account + country + '00')):02d}" + account


def first_valid(seed: int, module: object, made: str, count: int) -> str:
    """The first number of *count* digits from *seed* on that *module* takes."""
    for step in range(100_000):
        number = made + chars(seed + step, digits, count - len(made))
        if module.is_valid(number):  # type: ignore[attr-defined]  # a module of stdnum
            return number
    raise AssertionError("no number found")


EMAILS = [
    "bob.smith@example.com",
    "a@b.co",
    "maria_lopez99@correo.example.es",
    "x.y+tag@sub.mail.example.org",
    "INFO@EXAMPLE.DE",
    "o'brien@firm.example.ie",
    "jürgen.müller@beispiel.de",
    "first-last@my-host.io",
    "user%test@relay.example.net",
    "20240101@qq.com",
    "k.lee@cs.univ.example.ac.kr",
    "sales@shop.example",
]
PHONES = [
    "+49 30 901820",
    "+1 202 555 0143",
    "+44 20 7946 0958",
    "+33 1 42 68 53 00",
    "+34 912 345 678",
    "+39 06 6982",
    "+31 20 794 0800",
    "+91 98765 43210",
    "+1-415-555-2671",
    "+14155552671",
    "0049 30 901820",
    "(212) 555-0123",
    "212-555-0187",
    "415.555.2671",
    "+55 11 91234-5678",
    "+81 3-1234-5678",
    "+46 8 123 456 78",
    "+48 22 123 45 67",
]
NATIONAL_PHONES = ["020 7946 0958", "030 901820", "01 42 68 53 00", "0171 2345678", "912 345 678"]
IPS = [
    "192.168.4.21",
    "8.8.8.8",
    "203.0.113.77",
    "10.0.0.254",
    "172.16.99.3",
    "2001:db8::8a2e:370:7334",
    "fe80::1ff:fe23:4567:890a",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
]


def cards() -> Iterator[str]:
    """Cards of several networks, written in several ways."""
    for seed, (prefix, length) in enumerate(
        [
            ("4", 16),
            ("51", 16),
            ("2221", 16),
            ("37", 15),
            ("34", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
            ("4539", 16),
            ("55", 16),
            ("4", 16),
            ("62", 16),
        ]
    ):
        number = with_check(seed + 7, length - 1, prefix, luhn.calc_check_digit)
        yield number
        if length == 16:
            yield spaced(number, 4, 4, 4, 4, by=" -"[seed % 2])
        if length == 15:
            yield spaced(number, 4, 6, 5)


def keys() -> Iterator[str]:
    """Keys by the prefixes of their vendors."""
    mixed = ascii_letters + digits
    yield "sk-" + "proj-" + chars(1, mixed, 48)
    yield "sk-" + "ant-api03-" + chars(2, mixed, 60)
    yield "sk-" + chars(3, mixed, 48)
    yield "AK" + "IA" + chars(4, ascii_uppercase + "234567", 15) + "7"
    yield "gh" + "p_" + chars(5, mixed, 36)
    yield "github" + "_pat_" + chars(6, mixed, 40)
    yield "gl" + "pat-" + chars(7, mixed, 20)
    yield "xox" + "b-" + chars(8, digits, 12) + "-" + chars(9, mixed, 24)
    yield "AI" + "za" + chars(10, mixed + "_-", 35)
    yield "sk_" + "live_" + chars(11, mixed, 24)
    yield "SG" + "." + chars(12, mixed, 22) + "." + chars(13, mixed, 43)
    yield "hf" + "_" + chars(14, mixed, 34)
    yield "gsk" + "_" + chars(15, mixed, 52)
    yield "npm" + "_" + chars(16, mixed, 36)
    yield (
        "ey"
        + "J"
        + chars(17, mixed, 20)
        + ".ey"
        + "J"
        + chars(18, mixed, 40)
        + "."
        + chars(19, mixed, 43)
    )
    yield "dop" + "_v1_" + chars(20, "0123456789abcdef", 64)
    yield "shp" + "at_" + chars(21, "0123456789abcdef", 32)
    yield "r8" + "_" + chars(22, mixed, 37)


def ids() -> Iterator[tuple[str, str]]:
    """National ids, each with a word that its holder would write before it."""
    yield "SSN", "536-22-" + chars(1, "123456789", 4)
    yield "my social is", "219-09-" + chars(2, "123456789", 4)
    yield "social security number:", "5362" + "2" + chars(3, "123456789", 4)
    yield "NHS number", spaced(first_valid(4, nhs, "9", 10), 3, 3, 4)
    yield "NINO", "AB " + spaced(chars(5, digits, 6), 2, 2, 2) + " C"
    yield "National Insurance", "JG" + chars(6, digits, 6) + "B"
    yield "Steuer-ID", first_valid(7, idnr, "6", 11)
    yield "meine Steuer-Identifikationsnummer:", spaced(first_valid(8, idnr, "8", 11), 2, 3, 3, 3)
    yield "numéro de sécurité sociale", nir("1850578006084")
    yield "NIR :", spaced(nir("2690549588157"), 1, 2, 2, 2, 3, 3, 2)
    yield "DNI", spanish("54362315")
    yield "con DNI número", spanish("12345678")
    yield "NIE", foreign("X", "2482300")
    yield "codice fiscale", "RSSMRA85T10A562S"
    yield "BSN", first_valid(9, bsn, "1", 9)
    yield "burgerservicenummer is", first_valid(10, bsn, "2", 9)
    yield "PESEL", first_valid(11, pesel, "4405140", 11)
    yield "Aadhaar", spaced(first_valid(12, aadhaar, "2", 12), 4, 4, 4)
    yield "aadhar no", first_valid(13, aadhaar, "5", 12)
    yield "CPF", "390.533.447-05"
    yield (
        "personnummer",
        first_valid(14, personnummer, "880320", 10)[:6]
        + "-"
        + first_valid(14, personnummer, "880320", 10)[6:],
    )
    yield "AHV-Nummer", "756.9217.0769.85"
    yield "henkilötunnus", "131052-308T"
    yield "PAN card", "ACUPA7085R"


def nir(body: str) -> str:
    """A French number with its key."""
    return body + f"{97 - int(body) % 97:02d}"


def spanish(body: str) -> str:
    """A Spanish number with its letter."""
    return body + dni.calc_check_digit(body)


def foreign(lead: str, body: str) -> str:
    """A Spanish number of a foreigner with its letter."""
    return lead + body + dni.calc_check_digit(str("XYZ".index(lead)) + body)


def ibans() -> Iterator[str]:
    """IBANs of several countries, compact and in groups of four."""
    for seed, (country, letters, count) in enumerate(
        [
            ("DE", "", 18),
            ("GB", "NWBK", 14),
            ("FR", "", 23),
            ("ES", "", 20),
            ("NL", "ABNA", 10),
            ("AT", "", 16),
            ("BE", "", 12),
            ("CH", "", 17),
            ("PL", "", 24),
            ("IE", "AIBK", 14),
        ]
    ):
        yield_ = VALID_IBANS.get(country) or iban(country, letters + chars(seed, digits, count))
        yield yield_
        yield " ".join(yield_[at : at + 4] for at in range(0, len(yield_), 4))


VALID_IBANS = {
    "FR": "FR1420041010050500013M02606",
    "ES": "ES9121000418450200051332",
    "BE": "BE68539007547034",
    "PL": "PL61109010140000071219812874",
    "NL": "NL91ABNA0417164300",
    "CH": "CH9300762011623852957",
}

PEM = (
    "-----BEGIN {0}PRIVATE KEY-----\n"
    + chars(30, ascii_letters + digits, 64)
    + "\n-----END {0}PRIVATE KEY-----"
)
PRIVATE_KEYS = [PEM.format(word) for word in ("RSA ", "", "EC ", "OPENSSH ", "ENCRYPTED ")]

FRAMES = {
    Kind.EMAIL: [
        "Please write to {} by Monday.",
        "{}",
        "contact: <{}>, thanks",
        'Von: "Max" <{}>\nAn: alle',
        "mailto:{}?subject=hi",
        '{{"to": "{}", "cc": null}}',
        "Schick die Datei an {}!",
        "escribe a {} o llama",
        "user={} pass=none",
        "('{}')",
        "my mails are {};",
        "the account {} was locked",
    ],
    Kind.PHONE: [
        "Call me at {} tonight.",
        "Tel. {}",
        '{{"phone": "{}"}}',
        "Telefon: {}",
        "my number is {}",
        "reach us: {}.",
        "fax {} or post",
        "WhatsApp {} bitte",
        "mobile {}, office closed",
    ],
    Kind.PAYMENT_CARD: [
        "Charge card {} please.",
        "{}",
        "my visa is {} exp 12/27",
        '{{"card_number": "{}"}}',
        "pay with {} cvv 123",
        "Kreditkarte {} gültig bis 08/28",
        "the tarjeta {} was declined",
        "new card: {}.",
    ],
    Kind.IBAN: [
        "Transfer to {} today.",
        "IBAN: {}",
        '{{"iban":"{}"}}',
        "Bitte auf {} überweisen",
        "my account {} (private)",
        "pay {} by Friday",
    ],
    Kind.IP_ADDRESS: [
        "Login from {} failed.",
        "host {} is down",
        "ping {}",
        '{{"ip": "{}"}}',
        "ssh root@{}",
        "from {} to nowhere",
        "{}",
        "client={} status=200",
    ],
    Kind.API_KEY: [
        "export OPENAI_API_KEY={}",
        "my key is {} please debug",
        '{{"token": "{}"}}',
        "Authorization: Bearer {}",
        "curl -H 'x-api-key: {}'",
        "{}",
        "why does {} not work?",
    ],
    Kind.PRIVATE_KEY: ["here is my key:\n{}\nthanks", "{}", "deploy with {} on staging"],
    Kind.NATIONAL_ID: [
        "{} {}",
        "Customer, {} {}, asks for a copy.",
        '{{"note": "{} {}"}}',
        "Bitte prüfen: {} {}.",
    ],
}

NOTHING = """
Your order 4111-2222-3333-4445 has shipped.
Order number 7823649182736451 arrived on 2024-05-02.
Tracking 1Z999AA10123456784 is with the carrier.
Invoice no. 20240871 of 14.05.2024 over 1,224.00
Upgrade from version 10.4.1.2 to 10.5.0.0
Chrome/120.0.6099.109 Safari/537.36
see section 3.2.1.4 of the manual
firmware v1.2.3.4 is out
netmask 255.255.255.0, loopback 127.0.0.1
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
md5 d41d8cd98f00b204e9800998ecf8427e
id 550e8400-e29b-41d4-a716-446655440000
trace 0af7651916cd43dd8448eb211c80319c
On 2024-05-02 10:12:01 we saw 30000 ms
Timestamp 1714644721123 or 1714644721
between 1998-2003 and 2010-2020
ISBN 978-3-16-148410-0
ISBN 0306406152
EAN 4006381333931
SKU AB12-3456-7890
part no. 12-345-6789
product code XK7281934Q
model RTX4090-24GB-2024
ticket 536-22-12345
case 123456789 was closed
PO 4500012345
batch 2024051312345
serial SN123456789012
call number QA76.73.P98
pi is 3.14159265358979323846
population 83,240,525 in 2020
coordinates 52.520008, 13.404954
1 234 567 890 rows
the ratio is 1:2:3:4
it is 12:30:45 now
range 100-200-300
score 3-2 after 90 minutes
phone case 12 Pro Max
call me maybe
git@github.com:org/repo.git
npm install react@18.2.0
pip install foo==1.2.3.4
icon@2x.png and logo@3x.png
@john said hi to @mary
meet @ 5pm
std::vector<std::pair<a, b>>
aa:bb:cc:dd:ee:ff is the MAC
class Foo::Bar::Baz
rgb(255, 255, 255) or #ff8800
sk-learn is a library, sk-your-key-here is a placeholder
api_key = os.environ["API_KEY"]
password: ********
token: null
Set the API key to YOUR_API_KEY_HERE
-----BEGIN PUBLIC KEY-----
-----BEGIN CERTIFICATE-----
GB 2024 was a good year
DE12 is a road
IE11 is not supported
AB123456 is the flight
train ICE 1234 at 08:15
flight LH 400 on 03/04/2025
dial 911 or 112
room 3.14, floor 2
9 to 5, 24/7, 365 days
bond US0378331005 and DE0007164600
VIN 1HGCM82633A004352
plate B-AB 1234
tax rate 19.00 percent of 1000.50
2 + 2 = 4, 10000000000 / 3 = 3333333333.33
fibonacci 1 1 2 3 5 8 13 21 34 55 89 144
numbers: 5 12 19 26 33 40 bonus 7
lat/long 40.7128/-74.0060
RFC 2616, 7230-7235
HTTP/1.1 200 OK 1024
port 8080:8080 and 5432:5432
1.2.3 and 1.2.3-beta.4+exp.sha.5114f85
0x7ffee4c3f9a8
Figure 12.3.4.5 shows it
build 20240502.1.15.3
zip 10115, 90210-1234
account ending in 1111
Kapitel 4.3.2.1 lesen
a@b is no address
page 123-4567
10.1000/182 is a doi, 10.1038/s41586-020-2649-2 too
item 4000000000000000 in stock
job 5500000000000004 finished
run 378282246310005 took 5 s
ref: 30569309025904
bestellnummer 6011111111111117
auftrag 123-45-6789-0
NO-2024-000123
AWS region us-east-1, instance i-0abcd1234efgh5678
etag "33a64df551425fcc55e4d42a148795d9f25f89d4"
session 1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed
base64 aGVsbG8gd29ybGQgdGhpcyBpcyBub3QgYSBrZXk=
the secret: nobody reads manuals
my password is too long to remember
Bearer of bad news
we need 3x4 and 12345678 pieces
hash 8743b52063cd84097a65d1633f5c74f5
10 000 000 000 km
""".strip().splitlines()


def samples() -> list[Sample]:
    """The whole set, in a fixed order."""
    made: list[Sample] = []
    values: dict[Kind, list[str]] = {
        Kind.EMAIL: EMAILS,
        Kind.PHONE: PHONES,
        Kind.PAYMENT_CARD: [*cards()],
        Kind.IBAN: [*ibans()],
        Kind.IP_ADDRESS: IPS,
        Kind.API_KEY: [*keys()],
        Kind.PRIVATE_KEY: PRIVATE_KEYS,
    }
    for kind, frames in FRAMES.items():
        if kind is Kind.NATIONAL_ID:
            pairs = [*ids()]
            made += [
                Sample(frame.format(word, value), ((kind, value),))
                for (word, value), frame in zip(pairs * 2, cycle(frames), strict=False)
            ]
            continue
        count = max(len(values[kind]), len(frames)) * 2
        pairs_of = zip(cycle(values[kind]), cycle(frames), range(count), strict=False)
        made += [Sample(frame.format(value), ((kind, value),)) for value, frame, _ in pairs_of]
    for number, frame in zip(NATIONAL_PHONES, FRAMES[Kind.PHONE], strict=False):
        made.append(Sample(frame.format(number), ((Kind.PHONE, number),)))
    made += [Sample(line, ()) for line in NOTHING]
    return made


def halves() -> dict[str, list[Sample]]:
    """The set in two: what rules were tuned on, and what they were only measured on."""
    everything = samples()
    return {"tuned": everything[::2], "held_out": everything[1::2]}
