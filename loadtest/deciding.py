"""Worlds to decide in, of the sizes that the bars name: so many targets, so many rules. Pure."""

from random import Random
from typing import Final

from proxy.domain.catalog import Provider, Route, Target, Tier
from proxy.domain.conditions import AllOf, Condition, Is, Word
from proxy.domain.policies import Rule, policies_of
from proxy.domain.price import Price
from proxy.domain.rules import Attribute, Demand, Match, Ruling, Strategy
from proxy.domain.snapshot import Snapshot
from proxy.domain.standing import Standing
from proxy.domain.tenant import Tenant

ROUTE: Final = "bench"
TENANT: Final = "bench"
_SEED: Final = 1


def a_world(targets: int, rules: int, strategy: Strategy) -> Snapshot:
    """A route over so many priced targets of which something is known, under so many rules, of
    which about a quarter apply to any one request.
    """
    chance = Random(_SEED)
    made = tuple(_target(number, chance) for number in range(targets))
    route = Route(ROUTE, made, strategy=strategy)
    return Snapshot(
        version="bench",
        providers={target.provider.id: target.provider for target in made},
        targets={target.id: target for target in made},
        routes={ROUTE: route},
        tenants={TENANT: Tenant(TENANT, "enterprise", frozenset({ROUTE}))},
        standings={target.id: _standing(chance) for target in made},
        policies=policies_of([_rule(number) for number in range(rules)], [route]),
    )


def _target(number: int, chance: Random) -> Target:
    provider = Provider(f"p{number}", "openai", "http://p/v1", region=("us", "eu")[number % 2])
    price = Price(chance.randrange(10**8, 10**10), chance.randrange(10**8, 10**10))
    tier = tuple(Tier)[number % 3]
    return Target(f"p{number}/m", provider, "m", price, 128_000, tier=tier)


def _standing(chance: Random) -> Standing:
    first_ms = chance.uniform(100, 1000)
    return Standing(
        samples=50,
        error_rate=0.01,
        first_token_p50_ms=first_ms,
        first_token_p95_ms=3 * first_ms,
        tokens_per_s=chance.uniform(30, 200),
        headroom=chance.random(),
        bytes_per_token=4.0,
    )


def _rule(number: int) -> Rule:
    conditions: tuple[Condition, ...] = (
        Is(Word.WORKLOAD, frozenset({"code"})),
        Is(Word.TIER, frozenset({"enterprise"})),
        Is(Word.FEATURE, frozenset({f"feature-{number}"})),
        AllOf(
            (
                Is(Word.TIER, frozenset({"enterprise"})),
                Is(Word.SENSITIVITY, frozenset({"regulated"})),
            )
        ),
    )
    id_ = f"rule-{number}"
    demand = Demand(id_, Match(Attribute.TIER, frozenset({"premium"})), forbidden=True)
    return Rule(id_, conditions[number % 4], Ruling(applied=(id_,), demands=(demand,)))
