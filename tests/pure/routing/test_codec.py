"""Values of the domain as JSON, and back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from proxy.domain.catalog import Capability
from proxy.domain.facts import Facts
from proxy.domain.labels import Label, Origin, Workload
from proxy.domain.price import Price, PriceTier
from proxy.domain.rules import Ruling
from proxy.domain.standing import Standing
from proxy.routing.codec import Known, made, plain
from proxy.units import NanoUsd
from tests.builders import a_candidate, a_route, a_target, some_facts, some_labels
from tests.routing import any_facts, rulings

TARGET = a_target()
ROUTE = a_route(TARGET)
KNOWN = Known({"auto": ROUTE}, {TARGET.id: TARGET})

VALUES: dict[str, tuple[Any, Any]] = {
    "price with tiers": (Price, Price(1, 2, tiers=(PriceTier(3, Price(4, 5)),))),
    "target": (type(TARGET), TARGET),
    "route": (type(ROUTE), ROUTE),
    "named tuple": (type(a_candidate()), a_candidate(TARGET)),
    "label of a kind": (Label[Workload], Label(Workload.CODE, Origin.RULE, 1.0)),
    "mapping by a word": (Standing, Standing(quality={Workload.CODE: 0.5})),
    "set": (frozenset[Capability], frozenset(Capability)),
    "pair": (tuple[str, int], ("a", 1)),
    "many": (tuple[int, ...], (1, 2, 3)),
    "nothing": (int | None, None),
    "money": (NanoUsd | None, NanoUsd(5)),
}


def again(kind: Any, value: Any) -> Any:
    """*value*, written and read."""
    return made(kind, json.loads(json.dumps(plain(value))), KNOWN)


@pytest.mark.parametrize("case", VALUES)
def test_value_comes_back_equal(case: str) -> None:
    """Of every kind that the domain is made of."""
    kind, value = VALUES[case]

    found = again(kind, value)

    assert found == value
    assert type(found) is type(value)


def test_whole_number_comes_back_as_the_float_that_it_was() -> None:
    """Some writers of JSON drop a fraction of nothing."""
    found = made(float | None, 3, KNOWN)

    assert (found, type(found)) == (3.0, float)


@settings(deadline=None)
@given(any_facts())
def test_facts_come_back_equal(facts: Facts) -> None:
    """Whatever they are."""
    assert again(Facts, facts) == facts


@settings(deadline=None)
@given(rulings())
def test_rulings_come_back_equal(ruling: Ruling) -> None:
    """Whatever they are."""
    assert again(Ruling, ruling) == ruling


def test_equal_values_are_written_alike() -> None:
    """Sets have no order, so they are given one."""
    tags = [f"t{at}" for at in range(20)]

    one, other = some_facts(key_tags=frozenset(tags)), some_facts(key_tags=frozenset(tags[::-1]))

    assert plain(one) == plain(other)
    assert plain(some_labels()) == plain(some_labels())
