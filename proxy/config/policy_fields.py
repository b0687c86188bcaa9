"""The kinds of values that policies hold, each with its check. Pure, but for the table of zones.

Checks raise ValueError; the message says what to do and never repeats the value.
"""

import re
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from proxy.config.fields import (
    Id,
    Name,
    Text,
    nanousd_of,
    number_of,
    printable_text,
    sorted_set,
)
from proxy.config.near import did_you_mean
from proxy.domain.catalog import DEFAULT_QUALITY
from proxy.domain.labels import Kind, Workload
from proxy.domain.rules import Term

MAX_POLICIES = 500
MAX_WORDS = 1000
MAX_AMOUNT = 10**12
MAX_WEIGHT = 1000
MAX_LATENCY_MS = 86_400_000

_T = TypeVar("_T")

_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_LANGUAGE = re.compile(r"[a-z]{2}|und")


def _many(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


def _said(value: object) -> tuple[str, ...] | bool:
    """Words, or true: it is said at all; false: it is not."""
    if isinstance(value, bool):
        return value
    words = value if isinstance(value, list | tuple) else (value,)
    if not words or len(words) > MAX_WORDS or not all(isinstance(word, str) for word in words):
        raise ValueError(
            "must be text, a list of texts, true (it is said at all) or false (it is not); put "
            "numbers in quotes"
        )
    return sorted_set(tuple(printable_text(word) for word in words))


def _said_kinds(value: object) -> tuple[str, ...] | bool:
    said, known = _said(value), [kind.value for kind in Kind]
    for word in () if isinstance(said, bool) else said:
        if word not in known:
            raise ValueError(
                f"must hold kinds, true or false; known are {', '.join(known)}"
                f"{did_you_mean(word, known)}"
            )
    return said


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("must be an ISO 639-1 code such as en, or und (it cannot be told)")
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        area = name.partition("/")[0]
        near = did_you_mean(name, [zone for zone in available_timezones() if zone.startswith(area)])
        raise ValueError(
            f"is not a time zone that is known here, such as Europe/Berlin{near}"
        ) from None
    return name


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError('must be a time of the day such as "06:00"; quote it')
    return text


def _clock_or_midnight(text: str) -> str:
    return text if text == "24:00" else _clock(text)


def _bound(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= MAX_AMOUNT:
        raise ValueError(f"must be between 0 and {MAX_AMOUNT}")
    return float(number)


def _share(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= 1:
        raise ValueError("must be between 0 and 1")
    return float(number)


def _weight(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= MAX_WEIGHT:
        raise ValueError(f"must be a weight between 0 and {MAX_WEIGHT}")
    return float(number)


def _workload_or_default(key: str) -> str:
    known = [DEFAULT_QUALITY, *[workload.value for workload in Workload]]
    if key not in known:
        raise ValueError(f"must be one of {', '.join(known)}{did_you_mean(key, known)}")
    return key


def _not_all_zero(weights: dict[Term, float]) -> dict[Term, float]:
    if not any(weights.values()):
        raise ValueError("needs at least one weight above 0")
    return weights


def _cost_bound(value: object) -> int:
    nanousd = nanousd_of(value)
    if nanousd == 0:
        raise ValueError("must be more than 0 dollars")
    return nanousd


Many = Annotated[tuple[_T, ...], Field(min_length=1, max_length=MAX_WORDS)]
ListOf = Annotated[Many[_T], BeforeValidator(_many)]
"""One value, or several in an order that means something."""

SetOf = Annotated[ListOf[_T], AfterValidator(sorted_set)]
"""One value, or several in any order."""

Names = SetOf[Name]
Ids = SetOf[Id]
Texts = SetOf[Text]
Zone = Annotated[str, Strict(), AfterValidator(_zone)]
Clock = Annotated[str, Strict(), AfterValidator(_clock)]
ClockOrMidnight = Annotated[str, Strict(), AfterValidator(_clock_or_midnight)]
CostBound = Annotated[int, BeforeValidator(_cost_bound)]
# Any, as a union would report a problem once for each of its kinds; the checks return those.
Said = Annotated[Any, BeforeValidator(_said)]
SaidKinds = Annotated[Any, BeforeValidator(_said_kinds)]
Language = Annotated[str, Strict(), AfterValidator(_language)]
Bound = Annotated[float, BeforeValidator(_bound)]
Share = Annotated[float, BeforeValidator(_share)]
Weights = Annotated[
    dict[Term, Annotated[float, BeforeValidator(_weight)]],
    Field(min_length=1),
    AfterValidator(_not_all_zero),
]
Quality = dict[Annotated[str, Strict(), AfterValidator(_workload_or_default)], Share]
