"""Public price lists as models of our catalogue: the community feed's, and OpenRouter's. Pure.

Prices are exact: the feeds' decimals never become binary fractions. What a feed has finer than a
nano-dollar for a million tokens is the noise of somebody's floats, and is rounded to the nearest.
A value that cannot be a price spoils its model, never the rest; it is named.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from proxy.config.catalogue import CLASSES, Model
from proxy.config.fields import MAX_PRICE_USD
from proxy.config.price_spec import MAX_TIERS, MAX_WINDOW_TOKENS, Mode, model_id
from proxy.domain.catalog import Capability
from proxy.domain.price import MILLE, DatedPrice, Price, PriceTier
from proxy.units import NANOUSD_PER_USD, TOKENS_PER_PRICE

MAX_ENTRIES: Final = 100_000
MAX_EXPONENT: Final = 40
MAX_DIGITS: Final = 60

OPENROUTER: Final = "openrouter"
_OPENROUTER_LIST: Final = "OpenRouter's model list"
COMMUNITY: Final = "community feed model_prices_and_context_window.json (litellm, MIT)"

_SCALE: Final = NANOUSD_PER_USD * TOKENS_PER_PRICE
_KINDS: Final = {"bedrock_converse": "bedrock", "cohere_chat": "cohere"}
"""Providers of the community feed that are another's second door, at the same prices."""

_FIELDS: Final = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "reasoning": "output_cost_per_reasoning_token",
}
_TIER: Final = re.compile(rf"({'|'.join(_FIELDS.values())})_above_([0-9]{{1,6}})k_tokens")
_SUPPORTS: Final = {
    "supports_function_calling": Capability.TOOLS,
    "supports_vision": Capability.VISION,
    "supports_audio_input": Capability.AUDIO,
    "supports_response_schema": Capability.JSON_SCHEMA,
    "supports_reasoning": Capability.REASONING,
}
_OPENROUTER_FIELDS: Final = {
    "input": "prompt",
    "output": "completion",
    "cached_input": "input_cache_read",
    "cache_write": "input_cache_write",
    "reasoning": "internal_reasoning",
}
_PARAMETERS: Final = {
    "tools": Capability.TOOLS,
    "structured_outputs": Capability.JSON_SCHEMA,
    "reasoning": Capability.REASONING,
}
_MODALITIES: Final = {"image": Capability.VISION, "audio": Capability.AUDIO}


class FeedUnreadableError(ValueError):
    """What came is no price list of a known form."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A model of a feed that cannot be taken, and why."""

    model_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Feed:
    """What a price list says. Prices are dated day 0: a feed does not say since when.

    `left_out` counts models without a price of their own, and those of other endpoints.
    """

    source: str
    models: Mapping[str, Model] = field(repr=False)
    refused: tuple[Refused, ...] = ()
    left_out: int = 0


class _NoPrice(Exception):  # noqa: N818 - no mistake of anybody's
    """This model has no price by the token."""


def read_feed(content: bytes) -> Feed:
    """The models of *content*, JSON of either form.

    Raises:
        FeedUnreadableError: it is neither.
    """
    try:
        document = json.loads(content, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise FeedUnreadableError("is not JSON that can be read") from error
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        return _collected(_OPENROUTER_LIST, _openrouter_entries(document["data"]))
    if isinstance(document, dict) and any(isinstance(each, dict) for each in document.values()):
        return _collected(COMMUNITY, _community_entries(document))
    raise FeedUnreadableError("is neither the community feed nor OpenRouter's list of models")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One model of a feed; `read` makes the model of it, or raises ValueError or _NoPrice."""

    id: str
    fields: Mapping[str, Any]
    is_openrouter: bool


def _collected(source: str, entries: Iterator[_Entry | None]) -> Feed:
    models: dict[str, Model] = {}
    refused: dict[str, Refused] = {}
    left_out = 0
    for count, entry in enumerate(entries):
        if count >= MAX_ENTRIES:
            raise FeedUnreadableError(f"has more than {MAX_ENTRIES} models")
        if entry is None:
            left_out += 1
            continue
        try:
            read = _openrouter_model if entry.is_openrouter else _community_model
            models[model_id(entry.id)] = read(entry.id, entry.fields)
        except _NoPrice:
            left_out += 1
        except ValueError as error:
            shown = "".join(c if c.isprintable() else "?" for c in entry.id[:120])
            refused[shown] = Refused(shown, str(error))
    if not models and not refused:
        raise FeedUnreadableError("names no model with a price")
    return Feed(source, models, tuple(refused[id] for id in sorted(refused)), left_out)


def _community_entries(document: Mapping[str, Any]) -> Iterator[_Entry | None]:
    """Names that bear their provider's come last, as they mean the same and are the exact ones."""
    for name in sorted(document, key=lambda name: ("/" in name, name)):
        fields = document[name]
        provider = fields.get("litellm_provider") if isinstance(fields, dict) else None
        if not isinstance(provider, str) or fields.get("mode") not in set(Mode):
            yield None
            continue
        kind = "vertex_ai" if provider.startswith("vertex_ai") else _KINDS.get(provider, provider)
        bare = name.removeprefix(f"{provider}/").removeprefix(f"{kind}/")
        yield _Entry(f"{kind}/{bare}", fields, is_openrouter=False)


def _community_model(id: str, fields: Mapping[str, Any]) -> Model:
    mode = Mode(fields["mode"])
    values = dict(fields)
    if mode is Mode.EMBEDDING and values.get(_FIELDS["output"]) is None:
        values[_FIELDS["output"]] = 0
    price = _classes(values, _FIELDS)
    supported = [able for name, able in _SUPPORTS.items() if fields.get(name) is True]
    said = mode is Mode.CHAT and any(name in fields for name in _SUPPORTS)
    return Model(
        id,
        (DatedPrice(0, _with_tiers(price, values, _discount(values, price))),),
        mode,
        _tokens(fields, "max_input_tokens"),
        _tokens(fields, "max_output_tokens"),
        frozenset(supported) if said else None,
    )


def _openrouter_entries(rows: Sequence[Any]) -> Iterator[_Entry | None]:
    for row in rows:
        known = isinstance(row, dict) and isinstance(row.get("id"), str)
        if known and isinstance(row.get("pricing"), dict):
            yield _Entry(f"{OPENROUTER}/{row['id']}", row, is_openrouter=True)
        else:
            yield None


def _openrouter_model(id: str, row: Mapping[str, Any]) -> Model:
    pricing = {name: _unquoted(row["pricing"].get(name)) for name in _OPENROUTER_FIELDS.values()}
    if pricing["prompt"] == -1 or pricing["completion"] == -1:
        raise _NoPrice  # how that list writes "depends on where it is sent"
    for name in ("input_cache_read", "input_cache_write", "internal_reasoning"):
        if pricing[name] == 0:
            pricing[name] = None  # how it writes "no price apart": it costs what its parent costs
    architecture, provider = row.get("architecture"), row.get("top_provider")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else ()
    longest = provider if isinstance(provider, dict) else {}
    able = {
        capability
        for said, meaning in (
            (row.get("supported_parameters"), _PARAMETERS),
            (modalities, _MODALITIES),
        )
        if isinstance(said, list)
        for word, capability in meaning.items()
        if word in said
    }
    return Model(
        id,
        (DatedPrice(0, _classes(pricing, _OPENROUTER_FIELDS)),),
        Mode.CHAT,
        _tokens(row, "context_length"),
        _tokens(longest, "max_completion_tokens"),
        frozenset(able) if isinstance(row.get("supported_parameters"), list) else None,
    )


def _unquoted(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        return value


def _classes(values: Mapping[str, Any], names: Mapping[str, str]) -> Price:
    if values.get(names["input"]) is None:
        raise _NoPrice
    if values.get(names["output"]) is None:
        raise ValueError(f"{names['output']} is missing")
    found = {name: _nanousd_in(values, names[name]) for name in CLASSES}
    return Price(
        found["input"] or 0,
        found["output"] or 0,
        found["cached_input"],
        found["cache_write"],
        found["reasoning"],
    )


def _with_tiers(price: Price, values: Mapping[str, Any], discount: int) -> Price:
    bounds = sorted({int(found[2]) for name in values if (found := _TIER.fullmatch(name))})
    if len(bounds) > MAX_TIERS:
        raise ValueError(f"has more than {MAX_TIERS} tiers")
    tiers = (
        PriceTier(bound * 1000, _rates_above(bound, price, values, discount)) for bound in bounds
    )
    return replace(price, tiers=tuple(tiers), batch_discount_per_mille=discount)


def _rates_above(thousands: int, price: Price, values: Mapping[str, Any], discount: int) -> Price:
    own = {
        f"{name}_nanousd": nanousd
        for name in CLASSES
        if (nanousd := _nanousd_in(values, f"{_FIELDS[name]}_above_{thousands}k_tokens"))
        is not None
    }
    return replace(price, **own, tiers=(), batch_discount_per_mille=discount)


def _discount(values: Mapping[str, Any], price: Price) -> int:
    """Parts per thousand that a batch gets off: the smaller where input and output differ."""
    offs: list[int] = []
    for name, whole in (("input", price.input_nanousd), ("output", price.output_nanousd)):
        reduced = _nanousd_in(values, f"{_FIELDS[name]}_batches")
        if whole:
            offs.append(0 if reduced is None else (whole - reduced) * MILLE // whole)
    return max(0, min(offs, default=0))


def _nanousd_in(values: Mapping[str, Any], name: str) -> int | None:
    """The price *name*, dollars for a token, in nano-dollars for a million."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{name} is not a number")  # noqa: TRY004 - as all that is refused
    if isinstance(value, Decimal):
        _refuse_endless(value, name)
    if value < 0:
        raise ValueError(f"{name} is negative")
    if value * TOKENS_PER_PRICE > MAX_PRICE_USD:
        raise ValueError(f"{name} is over {MAX_PRICE_USD} dollars for a million tokens")
    numerator, denominator = value.as_integer_ratio()
    return (2 * numerator * _SCALE + denominator) // (2 * denominator)


def _refuse_endless(value: Decimal, name: str) -> None:
    if not value.is_finite():  # NaN, which JSON has no word for but feeds do
        raise ValueError(f"{name} is not a finite number")
    is_far = bool(value) and abs(value.adjusted()) > MAX_EXPONENT
    if is_far or len(value.as_tuple().digits) > MAX_DIGITS:
        raise ValueError(f"{name} is a number beyond all bounds")


def _tokens(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WINDOW_TOKENS:
        raise ValueError(f"{name} is not a whole number of tokens")
    return value
