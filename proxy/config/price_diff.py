"""What a price list would change in the catalogue, and what of that is taken. Pure.

A jump, a price that moves by more than a threshold, is held back for people to look at: a feed
that slips a decimal must not reach a budget. A model is taken or held as a whole. What an operator
marked as an override is left alone.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.config.catalogue import CLASSES, Catalogue, Model
from proxy.config.price_feed import Feed, Refused
from proxy.domain.price import MILLE, DatedPrice, Price, price_at, rates_for

_PARENTS: Final = {"cached_input": "input", "cache_write": "input", "reasoning": "output"}


@dataclass(frozen=True, slots=True)
class Terms:
    """How a price list is taken in.

    `day`: today, from when on new prices hold. `kinds`: kinds of providers to take although the
    catalogue has none of theirs yet.
    """

    day: int
    as_of: str
    jump_percent: int
    accept_jumps: bool = False
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """One class of one model that costs something else, in nano-dollars for a million tokens.

    `old` None: it had no price. `batch_discount` counts in parts per thousand.
    """

    what: str
    old: int | None
    new: int
    jumps: bool

    @property
    def percent_tenths(self) -> int | None:
        """By how much it moved, in tenths of a percent; None: from nothing."""
        if not self.old:
            return None
        moved = (self.new - self.old) * MILLE
        return moved // self.old if moved >= 0 else -(-moved // self.old)


@dataclass(frozen=True, slots=True)
class Change:
    """One model as it would be, and what is different. `held`: it is not, for now."""

    model: Model
    steps: tuple[Step, ...]
    is_new: bool
    held: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """What became of a price list: `catalogue` has all that was taken. Changes stand by id."""

    catalogue: Catalogue = field(repr=False)
    taken: tuple[Change, ...]
    held: tuple[Change, ...]
    refused: tuple[Refused, ...]
    unchanged: int
    overrides: int
    missing: int

    @property
    def changed_ids(self) -> frozenset[str]:
        """The models whose entries differ now."""
        return frozenset(change.model.id for change in self.taken)


def revise(current: Catalogue, feed: Feed, terms: Terms) -> Revision:
    """*current* with all of *feed* that *terms* let in.

    Models of kinds of providers that the catalogue does not know are left out, so that it does
    not fill with what nobody uses.
    """
    kinds = terms.kinds | {model.kind for model in current.models.values()}
    offered = {id: model for id, model in sorted(feed.models.items()) if model.kind in kinds}
    free = {id: model for id, model in offered.items() if not _is_override(current, id)}
    found = [_change(current.models.get(id), model, terms) for id, model in free.items()]
    changes = [change for change in found if change is not None]
    taken = tuple(change for change in changes if not change.held)
    models = {**current.models, **{change.model.id: change.model for change in taken}}
    of_feed = {model.kind for model in offered.values()}
    return Revision(
        catalogue=Catalogue(terms.as_of, feed.source, models),
        taken=taken,
        held=tuple(change for change in changes if change.held),
        refused=_concerning(feed.refused, kinds),
        unchanged=len(free) - len(changes),
        overrides=len(offered) - len(free),
        missing=sum(
            model.kind in of_feed and id not in offered for id, model in current.models.items()
        ),
    )


def _is_override(current: Catalogue, id: str) -> bool:
    known = current.models.get(id)
    return known is not None and known.override


def _concerning(refused: tuple[Refused, ...], kinds: Collection[str]) -> tuple[Refused, ...]:
    return tuple(each for each in refused if each.model_id.partition("/")[0] in kinds)


def _change(known: Model | None, offered: Model, terms: Terms) -> Change | None:
    """What taking *offered* for *known* changes; None: nothing."""
    new = offered.prices[0].price
    old = None if known is None else price_at(known.prices, terms.day)
    steps = tuple(_steps(old, new, terms.jump_percent))
    if known is None or old is None:
        later = () if known is None else known.prices
        model = replace(offered, prices=(DatedPrice(terms.day, new), *_after(later, terms.day)))
        # A price of nothing is more often a gap in the feed than a gift.
        is_doubtful = new.input_nanousd == 0 and new.output_nanousd == 0
        return Change(model, steps, known is None, is_doubtful and not terms.accept_jumps)
    prices = known.prices
    if steps:
        prices = (DatedPrice(terms.day, new), *_after(prices, terms.day))
    model = Model(
        known.id,
        prices,
        offered.mode,
        offered.context_window_tokens or known.context_window_tokens,
        offered.max_output_tokens or known.max_output_tokens,
        known.capabilities if offered.capabilities is None else offered.capabilities,
    )
    if model == known:
        return None
    return Change(model, steps, False, any(step.jumps for step in steps) and not terms.accept_jumps)


def _after(prices: tuple[DatedPrice, ...], day: int) -> tuple[DatedPrice, ...]:
    """Those that were announced for later stay announced."""
    return tuple(dated for dated in prices if dated.valid_from_day > day)


def _steps(old: Price | None, new: Price, jump_percent: int) -> Iterator[Step]:
    bounds = {tier.above_tokens for tier in new.tiers}
    if old is not None:
        bounds |= {tier.above_tokens for tier in old.tiers}
    for bound in (None, *sorted(bounds)):
        before = None if old is None else _rates(old, bound)
        after = _rates(new, bound)
        for name in _said(after) | ({} if before is None else _said(before)):
            was = None if before is None else _cost(before, name)
            nanousd = _cost(after, name)
            if was != nanousd:
                what = name if bound is None else f"{name} above {bound}"
                yield Step(what, was, nanousd, _jumps(was, nanousd, jump_percent))
    discount = 0 if old is None else old.batch_discount_per_mille
    if discount != new.batch_discount_per_mille:
        yield Step("batch_discount", discount, new.batch_discount_per_mille, False)


def _rates(price: Price, bound: int | None) -> Price:
    return price if bound is None else rates_for(bound + 1, price)


def _said(rates: Price) -> dict[str, None]:
    """The classes that have a price of their own, in their order."""
    return {name: None for name in CLASSES if getattr(rates, f"{name}_nanousd") is not None}


def _cost(rates: Price, name: str) -> int:
    """What the class *name* costs, also where only its parent has a price."""
    own: int | None = getattr(rates, f"{name}_nanousd")
    return _cost(rates, _PARENTS[name]) if own is None else own


def _jumps(old: int | None, new: int, jump_percent: int) -> bool:
    return old is not None and abs(new - old) * 100 > jump_percent * old
