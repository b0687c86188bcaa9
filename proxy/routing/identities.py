"""National ids: by form and check digits; by a word before them where the form is common. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from stdnum.au import tfn
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.exceptions import ValidationError
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.ie import pps
from stdnum.in_ import aadhaar, pan
from stdnum.it import codicefiscale
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn
from stdnum.za import idnr as za_idnr

from proxy.domain.labels import Kind
from proxy.domain.patterns import BytePattern, byte_set
from proxy.routing.hunt import CHECK_COST, MATCH_COST, Hunt

_NINO = BytePattern(rb"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")
_NOT_NINO = (b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ")


def _is_nino(number: str) -> bool:
    compact = number.replace(" ", "").encode()
    return _NINO.fits(compact) and not compact.startswith(_NOT_NINO)


def _is_ric(number: str) -> bool:
    """The whole check would also look the birth place up in a file."""
    try:
        ric.get_birth_date(number)
    except ValidationError:
        return False
    return str(ric.calc_check_digit(number)) == number[-1]


@dataclass(frozen=True, slots=True)
class _Form:
    """How an id is written. `named`: a word that must stand before; None: the form suffices."""

    written: BytePattern
    is_valid: Callable[[str], bool]
    named: BytePattern | None = None


def _form(written: bytes, is_valid: Callable[[str], bool], named: bytes | None = None) -> _Form:
    word = None if named is None else BytePattern(rb"\b(?:" + named + rb")\b", fold=True)
    return _Form(BytePattern(written), is_valid, word)


OF_DIGITS: Final = (
    _form(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}", ssn.is_valid),
    _form(rb"[0-9]{3}[ ]?[0-9]{2}[ ]?[0-9]{4}", ssn.is_valid, rb"ssn|social security"),
    _form(rb"[12] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", nir.is_valid),
    _form(rb"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}", ahv.is_valid),
    _form(rb"756[0-9]{10}", ahv.is_valid, rb"ahv|avs|ssn|sozialversicherung\w*"),
    _form(rb"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf.is_valid),
    _form(rb"[0-9]{11}", cpf.is_valid, rb"cpf"),
    _form(rb"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", nn.is_valid),
    _form(rb"[0-9]{11}", nn.is_valid, rb"rijksregister\w*|registre national|national number"),
    _form(rb"[0-9]{17}[0-9X]", _is_ric),
    _form(rb"(?:[0-9]{2})?[0-9]{6}[+-][0-9]{4}", personnummer.is_valid,
          rb"personnummer|personal(?: identity)? number|pnr|person\w* nr"),
    _form(rb"[0-9]{6}[+\-A][0-9]{3}[0-9A-Y]", hetu.is_valid),
    _form(rb"[0-9]{6}-?[0-9]{4}", cpr.is_valid, rb"cpr(?:[ -]?(?:nr|nummer|number))?"),
    _form(rb"[0-9]{8}-?[A-Z]", dni.is_valid),
    _form(rb"[0-9]{7}[A-W][A-IW]?", pps.is_valid, rb"pps|ppsn|personal public service"),
    _form(rb"[0-9]{3} ?[0-9]{3} ?[0-9]{4}", nhs.is_valid, rb"nhs"),
    _form(rb"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", idnr.is_valid,
          rb"steuer\w*|idnr|id-nr|tax id|tin|identifikationsnummer"),
    _form(rb"[0-9]{9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}", bsn.is_valid,
          rb"bsn|burgerservicenummer|sofi\w*"),
    _form(rb"[0-9]{11}", pesel.is_valid, rb"pesel"),
    _form(rb"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", aadhaar.is_valid, rb"aadh?aa?r|uidai|uid"),
    _form(rb"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", sin.is_valid,
          rb"sin|social insurance|nas|assurance sociale"),
    _form(rb"[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", tfn.is_valid, rb"tfn|tax file"),
    _form(rb"[0-9]{13}", za_idnr.is_valid, rb"id|identity|id number"),
)  # fmt: skip
"""Those that begin with a digit."""

OF_LETTERS: Final = (
    _form(rb"[A-Z]{2} [0-9]{2} [0-9]{2} [0-9]{2} [A-D]", _is_nino),
    _form(rb"[A-Z]{2}[0-9]{6}[A-D]", _is_nino, rb"nino|national insurance|ni|insurance"),
    _form(rb"[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]", codicefiscale.is_valid),
    _form(rb"[XYZ]-?[0-9]{7}-?[A-Z]", nie.is_valid),
    _form(rb"[A-Z]{5}[0-9]{4}[A-Z]", pan.is_valid, rb"pan|permanent account|income tax"),
    _form(rb"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]", curp.is_valid),
)
"""Those that begin with a letter."""

_LONGEST = 24


@dataclass(frozen=True, slots=True)
class Forms:
    """Forms that are tried together: one match tells which of them can begin at a place."""

    all: tuple[_Form, ...]
    beginning: Any
    named: BytePattern

    @classmethod
    def of(cls, forms: tuple[_Form, ...]) -> "Forms":
        """*forms*, indexed."""
        words = [form.named.written for form in forms if form.named is not None]
        return cls(
            forms,
            byte_set([form.written.written for form in forms]),
            BytePattern(b"|".join(words), fold=True),
        )


DIGIT_FORMS: Final = Forms.of(OF_DIGITS)
LETTER_FORMS: Final = Forms.of(OF_LETTERS)


def read_identities(hunt: Hunt, start: int, end: int, forms: Forms) -> None:
    """Add the ids that begin from *start* to before *end*, in one of *forms*."""
    text, at = hunt.text, start
    while at < end:
        stop = _identity_at(hunt, at, forms) if hunt.may_begin(at) else None
        if stop is not None:
            hunt.add(Kind.NATIONAL_ID, at, stop)
            if not hunt.every:
                return
        at = at + 1 if stop is None else stop
        while at < end and (48 <= text[at - 1] <= 57 or not 48 <= text[at] <= 57):
            at += 1


def _identity_at(hunt: Hunt, at: int, forms: Forms) -> int | None:
    """Where the id at *at* ends; None: there is none."""
    text = hunt.text
    hunt.cost += 2 * MATCH_COST
    candidates = forms.beginning.Match(text[at : at + _LONGEST])
    before: bytes | None = None
    chosen: list[_Form] = [forms.all[which] for which in sorted(candidates or ())]
    for form in chosen:
        if form.named is not None:
            if before is None:
                hunt.cost += 2 * MATCH_COST
                before = hunt.before(at)
                before = before if forms.named.search(before) is not None else b""
            if not before or form.named.search(before) is None:
                continue
        span = form.written.match(text, at, at + _LONGEST)
        assert span is not None
        end = span[1]
        hunt.cost += CHECK_COST
        if not hunt.is_free(at, end) or not form.is_valid(text[at:end].decode()):
            continue
        if form.named is not None or not hunt.is_numbered(at):
            return end
    return None
