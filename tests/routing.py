"""What tests read of decisions; and any snapshot, facts and ruling that deciding can meet, for
hypothesis.

These are made of a seed: drawing a whole world value by value takes hypothesis longer than
deciding a thousand times.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from proxy.domain.catalog import Capability, Endpoint, Route, Target, Tier
from proxy.domain.decision import Decision, Reason
from proxy.domain.facts import Facts
from proxy.domain.labels import LatencyClass, Risk, Workload
from proxy.domain.price import Price, PriceTier, UnpricedPolicy
from proxy.domain.rules import (
    Attribute,
    Degrade,
    DegradeStep,
    Demand,
    Match,
    Refusal,
    Ruling,
    Strategy,
    Term,
    Weights,
)
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Breaker, History, Standing
from proxy.domain.tenant import Tenant
from tests.builders import a_snapshot, a_target, some_facts, some_labels

T = TypeVar("T")
MAX_PRICE = 10**12
amounts = st.integers(0, MAX_PRICE)


def ids(decision: Decision) -> list[str]:
    """The targets that are ranked, in order."""
    return [each.target.id for each in decision.ranking]


def reasons(decision: Decision) -> dict[str, Reason]:
    """Why each other target is not."""
    return {each.target_id: each.reason for each in decision.rejected}


def prices() -> st.SearchStrategy[Price]:
    """A price, perhaps with a tier for long prompts."""
    return _made(_price)


def worlds() -> st.SearchStrategy[Snapshot]:
    """A snapshot with the route `auto` of one to five targets."""
    return _made(_world)


def any_facts() -> st.SearchStrategy[Facts]:
    """Facts of any request for the route `auto`."""
    return _made(_facts)


def rulings() -> st.SearchStrategy[Ruling]:
    """What rules may come to: demands on tiers, bounds, preferences, a strategy, a refusal."""
    return _made(_ruling)


def dear(price: Price, by: int) -> Price:
    """*price*, every class of it raised *by* so many nano-dollars, its tiers too."""
    return replace(
        price,
        input_nanousd=price.input_nanousd + by,
        output_nanousd=price.output_nanousd + by,
        tiers=tuple(replace(tier, price=dear(tier.price, by)) for tier in price.tiers),
    )


def _made(make: Callable[[Random], T]) -> st.SearchStrategy[T]:
    return st.integers(0, 2**32).map(lambda seed: make(Random(seed)))


def _maybe(random: Random, value: T) -> T | None:
    return value if random.random() < 0.7 else None


def _amount(random: Random) -> int:
    return random.choice([0, 1, random.randrange(10**12), int(10 ** random.uniform(0, 12))])


def _flat(random: Random) -> Price:
    classes = [_maybe(random, _amount(random)) for _ in range(3)]
    return Price(_amount(random), _amount(random), *classes)


def _price(random: Random) -> Price:
    price = _flat(random)
    if random.random() < 0.3:
        price = replace(price, tiers=(PriceTier(random.randrange(1, 5000), _flat(random)),))
    return price


def _share(random: Random) -> float:
    return random.choice([0.0, 1.0, random.random()])


def _target(random: Random, id_: str) -> Target:
    able = frozenset(each for each in Capability if random.random() < 0.7)
    return a_target(
        id_,
        capabilities=_maybe(random, able),
        context_window_tokens=_maybe(random, random.randrange(1, 20_000)),
        embedding_space=random.choice([None, None, None, "s", "t"]),
        price=_maybe(random, _price(random)),
        tier=random.choice(list(Tier)),
        quality={name: _share(random) for name in ("default", "chat") if random.random() < 0.5},
        max_output_tokens=_maybe(random, random.randrange(1, 9000)),
    )


def _standing(random: Random) -> Standing:
    return Standing(
        breaker=random.choice(list(Breaker)),
        samples=random.choice([0, 1, random.randrange(10_000)]),
        error_rate=_maybe(random, _share(random)),
        first_token_p50_ms=_maybe(random, random.uniform(0, 60_000)),
        first_token_p95_ms=_maybe(random, random.uniform(0, 60_000)),
        tokens_per_s=_maybe(random, random.choice([0.0, random.uniform(0, 1000)])),
        headroom=_maybe(random, _share(random)),
        bytes_per_token=_maybe(random, random.uniform(0.5, 20)),
        attempts_per_success=_maybe(random, random.uniform(1, 100)),
        quality={Workload.CHAT: random.uniform(-1, 1)} if random.random() < 0.5 else {},
    )


def _weights(random: Random) -> Weights:
    terms = random.sample(list(Term), random.randrange(1, 7))
    return Weights(tuple((term, random.uniform(0.01, 9)) for term in terms))


def _ladder(random: Random) -> Degrade:
    steps = random.sample(list(DegradeStep), random.randrange(1, 7))
    return Degrade(tuple(steps), 50, "Later.")


def _world(random: Random) -> Snapshot:
    names = [f"{name}/m" for name in "abcde"[: random.randrange(1, 6)]]
    route = Route(
        "auto",
        tuple(_target(random, name) for name in names),
        strategy=_maybe(random, random.choice(list(Strategy))),
        weights=_maybe(random, _weights(random)),
        degrade=_maybe(random, _ladder(random)),
    )
    history = History(
        9, _maybe(random, random.randrange(9999)), None, _maybe(random, random.uniform(1, 9))
    )
    fields: dict[str, Any] = {
        "standings": {name: _standing(random) for name in names if random.random() < 0.8},
        "histories": {("auto", each): history for each in Workload if random.random() < 0.5},
        "tenants": {"acme": Tenant("acme", "pro", frozenset({"auto"}), random.random() < 0.5)},
        "unpriced_policy": random.choice(list(UnpricedPolicy)),
    }
    return a_snapshot(route, **fields)


def _facts(random: Random) -> Facts:
    labels = some_labels(
        workload=random.choice(list(Workload)),
        risk=random.choice(list(Risk)),
        latency_class=random.choice(list(LatencyClass)),
    )
    return some_facts(
        labels=labels,
        endpoint=random.choice([*Endpoint, Endpoint.CHAT]),
        needs=frozenset(random.sample(list(Capability), random.choice([0, 0, 1, 2]))),
        stream=random.random() < 0.5,
        prompt_bytes=random.choice([0, random.randrange(2000), random.randrange(200_000)]),
        message_count=random.randrange(1, 50),
        turns=random.randrange(20),
        images=random.randrange(2),
        tools=random.randrange(4),
        max_output_tokens=_maybe(random, random.randrange(1, 10_000)),
        n=random.randrange(1, 5),
        max_latency_ms=random.choice([None, random.randrange(1, 60_000)]),
        session=random.choice([None, f"session {random.randrange(9)}"]),
        prefix=random.choice([None, f"prefix {random.randrange(9)}"]),
        tool_origin=random.choice([None, None, None, "a", "b"]),
        draw=random.random(),
    )


def _ruling(random: Random) -> Ruling:
    def match() -> Match:
        tiers = random.sample([tier.value for tier in Tier], random.randrange(1, 3))
        return Match(Attribute.TIER, frozenset(tiers))

    demands = [Demand("tier", match(), random.random() < 0.5) for _ in range(random.randrange(3))]
    said: dict[str, Any] = {
        "demands": tuple(demands),
        "refusal": Refusal("no", "No.") if random.random() < 0.1 else None,
        "prefer": tuple(match() for _ in range(random.randrange(3))),
        "weights": random.choice([None, _weights(random)]),
        "strategy": random.choice([None, *Strategy]),
        "max_cost_nanousd": random.choice([None, None, random.randrange(10**10)]),
        "max_latency_ms": random.choice([None, None, random.randrange(1, 60_000)]),
        "max_output_tokens": random.choice([None, random.randrange(1, 10_000)]),
        "degrade": _maybe(random, _ladder(random)),
    }
    return Ruling(applied=("any",), **said)
