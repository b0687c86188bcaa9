"""The price catalogue: what models cost and can do, and how it is written. Pure.

A model's id is the kind of provider that it is charged by, a slash, and its name there:
`openai/gpt-4o`, `bedrock/eu.anthropic.claude-opus-5`. Written is one model a line, which keeps a
sync's difference readable and lets `prices` read thousands of them in no time.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.config.price_spec import CatalogueSpec, Mode, ModelSpec, day_written, price_of
from proxy.domain.catalog import Capability
from proxy.domain.price import DatedPrice, Price
from proxy.units import NANOUSD_PER_USD

HEADER: Final = """\
# The price catalogue: public list prices, in US dollars for a million tokens.
# `pointsman prices sync` renews it; a model with `override: true` is yours and is left alone.
# Keep one model a line: that form is read fastest. docs/prices.md tells more.
"""
_ENTRY: Final = re.compile(r"  ([A-Za-z0-9][^ ]*): \{")
CLASSES: Final = ("input", "output", "cached_input", "cache_write", "reasoning")


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of one model. `prices` stand by their day, earliest first.

    `capabilities` None: not stated. `override`: an operator's word, which no feed changes.
    """

    id: str
    prices: tuple[DatedPrice, ...]
    mode: Mode = Mode.CHAT
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[Capability] | None = None
    override: bool = False

    @property
    def kind(self) -> str:
        """The kind of provider."""
        return self.id.partition("/")[0]


UNKNOWN: Final = Model("", ())
"""What is known of a model that the catalogue lacks."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All models by id. `as_of`: when it was last held against its source; sorts as text."""

    as_of: str
    source: str
    models: Mapping[str, Model] = field(repr=False)


def catalogue_of(spec: CatalogueSpec) -> Catalogue:
    """The catalogue that *spec* writes."""
    models = {id: model_of(id, model) for id, model in spec.models.items()}
    return Catalogue(spec.as_of, spec.source, models)


def model_of(id: str, spec: ModelSpec) -> Model:
    """The model *id* that *spec* writes. Without a date its price holds since ever."""
    later = (DatedPrice(price.valid_from, price_of(price)) for price in spec.later)
    return Model(
        id,
        (DatedPrice(spec.valid_from or 0, price_of(spec)), *later),
        spec.mode,
        spec.context_window_tokens,
        spec.max_output_tokens,
        None if spec.capabilities is None else frozenset(spec.capabilities),
        spec.override,
    )


def joined(of_file: Catalogue, of_feed: Catalogue) -> Catalogue:
    """What holds where the operators' file and what the gateways fetched since differ.

    The younger of the two counts, as a whole; models that only the other knows are kept, and so
    is whatever the file marks as the operators' own.
    """
    younger, older = (of_feed, of_file) if of_feed.as_of > of_file.as_of else (of_file, of_feed)
    overrides = {id: model for id, model in of_file.models.items() if model.override}
    return Catalogue(younger.as_of, younger.source, {**older.models, **younger.models, **overrides})


def render(catalogue: Catalogue, head: str = HEADER) -> str:
    """*catalogue* as a file, models by id. Reading it gives the same catalogue again."""
    lines = (line_of(catalogue.models[id]) for id in sorted(catalogue.models))
    return f"{head}{render_source(catalogue)}models:\n" + "".join(lines)


def renewed(text: str, catalogue: Catalogue, changed: Collection[str]) -> str:
    """*text*, one model a line, with the lines of *changed* as *catalogue* has them.

    All other lines stay: order, comments, the operators' own spacing. New models go before the
    first that follows them in the alphabet.
    """
    waiting = sorted(changed)
    lines: list[str] = []
    head, _, rest = text.partition("\nmodels:\n")
    for line in rest.splitlines(keepends=True):
        found = _ENTRY.match(line)
        if found is not None:
            while waiting and waiting[0] < found[1]:
                lines.append(line_of(catalogue.models[waiting.pop(0)]))
            if found[1] in waiting:
                waiting.remove(found[1])
                line = line_of(catalogue.models[found[1]])
        lines.append(line if line.endswith("\n") else line + "\n")
    lines.extend(line_of(catalogue.models[id]) for id in waiting)
    kept = [line for line in head.splitlines() if not line.startswith(("as_of:", "source:"))]
    comments = "".join(f"{line}\n" for line in kept)
    return f"{comments}{render_source(catalogue)}models:\n" + "".join(lines)


def render_source(catalogue: Catalogue) -> str:
    """The two lines above the models."""
    source = catalogue.source.replace("\\", "\\\\").replace('"', '\\"')
    return f'as_of: {catalogue.as_of}\nsource: "{source}"\n'


def line_of(model: Model) -> str:
    """*model* as one line of a catalogue."""
    first, *later = model.prices
    parts = list(_price_parts(first.price))
    if first.valid_from_day:
        parts.append(f"valid_from: {day_written(first.valid_from_day)}")
    if later:
        parts.append(f"later: [{', '.join(map(_dated, later))}]")
    if model.mode is not Mode.CHAT:
        parts.append(f"mode: {model.mode}")
    if model.context_window_tokens is not None:
        parts.append(f"context_window_tokens: {model.context_window_tokens}")
    if model.max_output_tokens is not None:
        parts.append(f"max_output_tokens: {model.max_output_tokens}")
    if model.capabilities is not None:
        parts.append(f"capabilities: [{', '.join(sorted(model.capabilities))}]")
    if model.override:
        parts.append("override: true")
    return f"  {model.id}: {{{', '.join(parts)}}}\n"


def usd(nanousd: int) -> str:
    """*nanousd* in dollars, exactly, without needless zeros."""
    whole, rest = divmod(nanousd, NANOUSD_PER_USD)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _dated(dated: DatedPrice) -> str:
    parts = (f"valid_from: {day_written(dated.valid_from_day)}", *_price_parts(dated.price))
    return f"{{{', '.join(parts)}}}"


def _price_parts(price: Price) -> Iterable[str]:
    yield from _class_parts(price, None)
    if price.tiers:
        tiers = (
            ", ".join((f"above_tokens: {tier.above_tokens}", *_class_parts(tier.price, price)))
            for tier in price.tiers
        )
        yield f"tiers: [{', '.join(f'{{{tier}}}' for tier in tiers)}]"
    if price.batch_discount_per_mille:
        yield f"batch_discount_per_mille: {price.batch_discount_per_mille}"


def _class_parts(price: Price, inherited: Price | None) -> Iterable[str]:
    """The classes of *price* that must be said: those that a tier inherits need not."""
    for name in CLASSES:
        nanousd = getattr(price, f"{name}_nanousd")
        if nanousd is not None and nanousd != (inherited and getattr(inherited, f"{name}_nanousd")):
            yield f"{name}_usd_per_million: {usd(nanousd)}"
