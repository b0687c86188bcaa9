"""What may be said about prices: of a target, of a model in the catalogue, of the catalogue's
place and upkeep. Pure.

Prices are written in dollars for a million tokens and become whole nano-dollars on the way in.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from proxy.config.fields import CapabilitySet, Count, Flag, NanoUsdPrice, Text
from proxy.config.spec import Spec
from proxy.domain.price import Price, PriceTier, UnpricedPolicy

MAX_TIERS: Final = 8
MAX_LATER: Final = 16
MAX_WINDOW_TOKENS: Final = 100_000_000
MAX_MODELS: Final = 20_000
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MODEL_ID: Final = re.compile(
    r"(?=.{3,200}\Z)[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9@][A-Za-z0-9._:/@+-]*"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH: Final = date(1970, 1, 1).toordinal()

Window = Annotated[Count, Field(le=MAX_WINDOW_TOKENS)]
PerMille = Annotated[int, Strict(), Field(ge=0, le=1000)]


def day_of(text: str) -> int:
    """*text*, `2026-11-26`, as days since 1970."""
    try:
        # Python reads more forms than people would recognise as a date.
        if not _DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        raise ValueError("must be a date such as 2026-11-26") from None


def day_written(day: int) -> str:
    """*day* as `day_of` reads it."""
    return date.fromordinal(day + _EPOCH).isoformat()


def moment(text: str) -> str:
    """*text*, a date or a moment in UTC: `2026-11-26`, `2026-11-26T04:10:00Z`. It sorts as text."""
    try:
        if len(text) > len("2026-11-26"):
            datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        else:
            day_of(text)
    except ValueError:
        raise ValueError("must be a date, or a moment such as 2026-11-26T04:10:00Z") from None
    return text


def feed_url(text: str) -> str:
    """*text*, if prices may be fetched from there: nobody on the way can change them."""
    shape = "must be a URL such as https://example.com/prices.json, without a user"
    if "@" in text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(shape)
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise ValueError(shape) from None
    if not host:
        raise ValueError(shape)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ValueError("must begin with https:// (http:// only for this machine itself)")
    return text


class PriceTierSpec(Spec):
    """An item of `tiers`: what changes once a prompt is longer than `above_tokens`."""

    above_tokens: Window
    input_nanousd: NanoUsdPrice | None = Field(None, alias="input_usd_per_million")
    output_nanousd: NanoUsdPrice | None = Field(None, alias="output_usd_per_million")
    cached_input_nanousd: NanoUsdPrice | None = Field(None, alias="cached_input_usd_per_million")
    cache_write_nanousd: NanoUsdPrice | None = Field(None, alias="cache_write_usd_per_million")
    reasoning_nanousd: NanoUsdPrice | None = Field(None, alias="reasoning_usd_per_million")


def _rising(tiers: tuple[PriceTierSpec, ...]) -> tuple[PriceTierSpec, ...]:
    bounds = [tier.above_tokens for tier in tiers]
    if bounds != sorted(set(bounds)):
        raise ValueError("must stand by above_tokens, lowest first, each once")
    return tiers


Tiers = Annotated[tuple[PriceTierSpec, ...], Field(max_length=MAX_TIERS), AfterValidator(_rising)]


class PriceSpec(Spec):
    """`price` of a target, written in dollars, kept in nano-dollars for a million tokens."""

    input_nanousd: NanoUsdPrice = Field(alias="input_usd_per_million")
    output_nanousd: NanoUsdPrice = Field(alias="output_usd_per_million")
    cached_input_nanousd: NanoUsdPrice | None = Field(None, alias="cached_input_usd_per_million")
    cache_write_nanousd: NanoUsdPrice | None = Field(None, alias="cache_write_usd_per_million")
    reasoning_nanousd: NanoUsdPrice | None = Field(None, alias="reasoning_usd_per_million")
    tiers: Tiers = ()
    batch_discount_per_mille: PerMille = 0


def _day(written: object) -> int:
    if not isinstance(written, str):
        # pydantic reports a ValueError; a TypeError would pass through as a crash
        raise ValueError("must be a date such as 2026-11-26")  # noqa: TRY004
    return day_of(written)


Day = Annotated[int, BeforeValidator(_day)]
Moment = Annotated[str, Strict(), AfterValidator(moment)]


class LaterPriceSpec(PriceSpec):
    """An item of `later` of a model: a price that is known before it holds."""

    valid_from: Day


class Mode(StrEnum):
    """What a model of the catalogue is for."""

    CHAT = "chat"
    EMBEDDING = "embedding"


class ModelSpec(PriceSpec):
    """An entry of `models` in the catalogue."""

    valid_from: Day | None = None
    later: Annotated[tuple[LaterPriceSpec, ...], Field(max_length=MAX_LATER)] = ()
    mode: Mode = Mode.CHAT
    context_window_tokens: Window | None = None
    max_output_tokens: Window | None = None
    capabilities: CapabilitySet | None = None
    override: Flag = False

    @model_validator(mode="after")
    def _begins_in_order(self) -> "ModelSpec":
        days = [self.valid_from or 0, *(price.valid_from for price in self.later)]
        if days != sorted(set(days)):
            raise ValueError("must list 'later' by valid_from, earliest first, after its own")
        return self


def model_id(text: str) -> str:
    """*text*, if it can name a model of the catalogue: kind of provider, slash, model."""
    if not _MODEL_ID.fullmatch(text):
        raise ValueError(
            "must be a kind of provider, a slash and the model's name, such as openai/gpt-4o: "
            "up to 200 letters, digits and . _ : / @ + -"
        )
    return text


ModelId = Annotated[str, Strict(), AfterValidator(model_id)]


class CatalogueSpec(Spec):
    """A whole catalogue file."""

    as_of: Moment
    source: Text
    models: Annotated[dict[ModelId, ModelSpec], Field(max_length=MAX_MODELS)]


class SyncSpec(Spec):
    """`prices.sync`: where the gateway itself fetches prices, and how often."""

    feed: Annotated[str, Strict(), AfterValidator(feed_url)] = Field(alias="from")
    every_h: Annotated[Count, Field(le=24 * 31)] = 24


class PricesSpec(Spec):
    """`prices`: the catalogue, and what becomes of targets without a price.

    `file` is relative to the directory of the config.
    """

    file: Text | None = None
    unpriced: UnpricedPolicy = UnpricedPolicy.REFUSE
    jump_percent: Annotated[Count, Field(le=1_000_000)] = 50
    sync: SyncSpec | None = None

    @model_validator(mode="after")
    def _sync_has_a_file(self) -> "PricesSpec":
        if self.sync is not None and self.file is None:
            raise ValueError("has 'sync' but no 'file', the catalogue that it would renew; add it")
        return self


def price_of(spec: PriceSpec) -> Price:
    """The price that *spec* writes; a tier takes from it what the tier does not say."""
    tiers = tuple(PriceTier(tier.above_tokens, _price(tier, spec)) for tier in spec.tiers)
    return _price(spec, spec, tiers)


def _price(
    spec: PriceSpec | PriceTierSpec, whole: PriceSpec, tiers: Sequence[PriceTier] = ()
) -> Price:
    return Price(
        whole.input_nanousd if spec.input_nanousd is None else spec.input_nanousd,
        whole.output_nanousd if spec.output_nanousd is None else spec.output_nanousd,
        _first(spec.cached_input_nanousd, whole.cached_input_nanousd),
        _first(spec.cache_write_nanousd, whole.cache_write_nanousd),
        _first(spec.reasoning_nanousd, whole.reasoning_nanousd),
        tuple(tiers),
        whole.batch_discount_per_mille,
    )


def _first(own: int | None, inherited: int | None) -> int | None:
    return inherited if own is None else own
