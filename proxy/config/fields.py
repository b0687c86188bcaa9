"""The kinds of values that a config holds, each with its check. Pure.

Checks raise ValueError; the message says what to do and never repeats the value.
"""

import re
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from proxy.config.addresses import endpoint_base, listen_address, redis_url
from proxy.config.credentials import is_reference
from proxy.domain.catalog import Capability
from proxy.units import NANOUSD_PER_USD

MAX_PRICE_USD = 10_000
MAX_SECONDS = 86_400
MAX_TEXT_CHARS = 1024
MAX_TARGETS = 100
MAX_GRANTS = 1000

_Word = TypeVar("_Word", bound=str)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,64}")

_OF_THE_CONNECTION = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-goog-api-key"}
)


def identifier(text: str) -> str:
    """*text*, if it can be an id: in a URL, a header, a log line and a metric's label."""
    if not _ID.fullmatch(text):
        raise ValueError(
            "must be an id: up to 128 letters, digits and . _ : / - that begin with a letter "
            "or digit"
        )
    return text


def printable_text(text: str) -> str:
    """*text*, if it is one line that can be shown."""
    if not text or len(text) > MAX_TEXT_CHARS or not text.isprintable() or text != text.strip():
        raise ValueError(
            f"must be 1 to {MAX_TEXT_CHARS} characters on one line, without control characters "
            "or spaces around"
        )
    return text


def number_of(value: object) -> int | Decimal:
    """*value*, if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        # pydantic reports a ValueError; a TypeError would pass through as a crash
        raise ValueError("must be a number, without quotes or a unit")  # noqa: TRY004
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("must be a finite number")
    return value


def _seconds(value: object) -> float:
    number = number_of(value)
    if not 0 <= number <= MAX_SECONDS:
        raise ValueError(f"must be between 0 and {MAX_SECONDS} seconds")
    return float(number)


def _above_zero(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be more than 0 seconds")
    return seconds


def nanousd_of(value: object) -> int:
    """A price in dollars, an int or Decimal, as whole nano-dollars, exactly."""
    usd = number_of(value)
    if not 0 <= usd <= MAX_PRICE_USD:
        raise ValueError(f"must be a price between 0 and {MAX_PRICE_USD} dollars")
    # In whole numbers, not as a Fraction: a catalogue has thousands of prices.
    numerator, denominator = usd.as_integer_ratio()
    nanousd, rest = divmod(numerator * NANOUSD_PER_USD, denominator)
    if rest:
        raise ValueError("must not be finer than a nano-dollar: at most 9 decimals")
    return nanousd


def _reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(
            "must be env:NAME (an environment variable) or file:PATH; a secret itself never "
            "stands in the config"
        )
    return text


def _header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("is not a header name: letters, digits and hyphens, no underscore")
    if text.lower() in _SECRET_HEADERS:
        raise ValueError("may not stand here, secrets never do; use the provider's 'credential'")
    if text.lower() in _OF_THE_CONNECTION:
        raise ValueError("belongs to the connection and is set by the gateway; remove it")
    return text


def _header_value(text: str) -> str:
    if not text.isascii():
        raise ValueError("must be plain ASCII, as header values are")
    return printable_text(text)


def _header_to_match(text: str) -> str:
    """Rules may not look at secrets: what they look at is kept with the decision."""
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("is not a header name: letters, digits and hyphens, no underscore")
    if text.lower() in _SECRET_HEADERS:
        raise ValueError("bears a secret, which rules may not look at; remove it")
    return text.lower()


def _headers(pairs: dict[str, str]) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in pairs.items()}
    if len(lowered) < len(pairs):
        raise ValueError("names a header twice (upper and lower case are the same); keep one")
    return lowered


def _listen(text: str) -> str:
    listen_address(text)
    return text


def sorted_set(words: tuple[_Word, ...]) -> tuple[_Word, ...]:
    """Order and repeats mean nothing in a set, and so must not change the config's version."""
    return tuple(sorted(set(words)))


Name = Annotated[str, Strict()]
"""The id of something that stands elsewhere in the file; `references` checks that it does."""

Id = Annotated[str, Strict(), AfterValidator(identifier)]
Text = Annotated[str, Strict(), AfterValidator(printable_text)]
Reference = Annotated[str, Strict(), AfterValidator(_reference)]
BaseUrl = Annotated[str, Strict(), AfterValidator(endpoint_base)]
RedisUrl = Annotated[str, Strict(), AfterValidator(redis_url)]
ListenAddress = Annotated[str, Strict(), AfterValidator(_listen)]
_HeaderName = Annotated[str, Strict(), AfterValidator(_header_name)]
_HeaderValue = Annotated[str, Strict(), AfterValidator(_header_value)]
HeaderToMatch = Annotated[str, Strict(), AfterValidator(_header_to_match)]
Headers = Annotated[dict[_HeaderName, _HeaderValue], AfterValidator(_headers)]
Query = dict[Text, Text]
IdSet = Annotated[tuple[Id, ...], AfterValidator(sorted_set)]
CapabilitySet = Annotated[tuple[Capability, ...], AfterValidator(sorted_set)]
Targets = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_TARGETS)]
Grants = Annotated[
    tuple[Name, ...], Field(min_length=1, max_length=MAX_GRANTS), AfterValidator(sorted_set)
]
DelaySeconds = Annotated[float, BeforeValidator(_seconds)]
Seconds = Annotated[float, BeforeValidator(_seconds), AfterValidator(_above_zero)]
NanoUsdPrice = Annotated[int, BeforeValidator(nanousd_of)]
Count = Annotated[int, Strict(), Field(ge=1)]
Flag = Annotated[bool, Strict()]
