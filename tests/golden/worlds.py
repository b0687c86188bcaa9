"""Stored decisions as files: the config in brief, the facts and figures, what was decided.

`python -m tests.golden.worlds` writes the files anew from CASES; do so only where a decision was
meant to change, and say why in the commit.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from proxy.domain.catalog import Capability, Endpoint, Provider, Route, Target, Tier
from proxy.domain.facts import Facts
from proxy.domain.labels import LatencyClass, Workload
from proxy.domain.price import Price
from proxy.domain.rules import (
    Attribute,
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
from proxy.routing.codec import Known, made, plain
from proxy.routing.decide import choose
from proxy.routing.stored import stored
from tests.builders import (
    a_provider,
    a_route,
    a_snapshot,
    a_standing,
    a_target,
    some_facts,
    some_labels,
)

FOLDER = Path(__file__).parent
TARGET_FIELDS = (
    "model", "price", "context_window_tokens", "max_output_tokens", "capabilities", "tier",
    "embedding_space", "tags", "quality",
)  # fmt: skip
ROUTE_FIELDS = ("strategy", "weights", "max_attempts")
NOTHING = Known({}, {})


class Case(NamedTuple):
    """A decision worth keeping."""

    facts: Facts
    snapshot: Snapshot
    ruling: Ruling = Ruling()


def config_json(route: Route) -> Any:
    """*route* and what stands behind it, in brief."""
    return {
        "route": {name: plain(getattr(route, name)) for name in ROUTE_FIELDS},
        "targets": {
            target.id: {name: plain(getattr(target, name)) for name in TARGET_FIELDS}
            | {"provider": {"region": target.provider.region}}
            for target in route.targets
        },
    }


def config_of(brief: Any) -> Snapshot:
    """The snapshot that *brief* describes."""
    targets = [
        a_target(id_, provider=_provider(id_, written.pop("provider")), **_fields(Target, written))
        for id_, written in brief["targets"].items()
    ]
    return a_snapshot(a_route(*targets, **_fields(Route, brief["route"])))


def _provider(id_: str, written: Any) -> Provider:
    return a_provider(id_.partition("/")[0], **written)


def _fields(kind: type, written: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: made(hints[name], each, NOTHING) for name, each in written.items()}


def file_of(case: Case) -> Any:
    """What is written for *case*."""
    route = case.snapshot.routes["auto"]
    decision = choose(route, case.ruling, case.facts, case.snapshot)
    return {
        "reason": decision.reason,
        "ranked": [each.target.id for each in decision.ranking],
        "config": config_json(route),
        "stored": stored(case.facts, case.snapshot, decision),
    }


def price(input_usd: float, output_usd: float, cached_usd: float | None = None) -> Price:
    """Dollars for a million tokens."""
    cached = None if cached_usd is None else round(cached_usd * 1e9)
    return Price(round(input_usd * 1e9), round(output_usd * 1e9), cached)


ABLE = frozenset({Capability.TOOLS, Capability.JSON_SCHEMA})
LARGE = a_target(
    "alpha/large", provider=a_provider("alpha", region="us"), tier=Tier.PREMIUM,
    price=price(2.5, 10, 1.25), context_window_tokens=128_000, capabilities=ABLE,
    quality={"default": 0.85, "reasoning": 0.8},
)  # fmt: skip
SMALL = a_target(
    "alpha/small", provider=a_provider("alpha", region="us"), tier=Tier.ECONOMY,
    price=price(0.15, 0.6, 0.075), context_window_tokens=128_000, capabilities=ABLE,
    quality={"default": 0.6},
)  # fmt: skip
THINKER = a_target(
    "beta/thinker", provider=a_provider("beta", region="eu"), tier=Tier.PREMIUM,
    price=price(3, 15, 0.3), context_window_tokens=200_000, capabilities=ABLE,
    quality={"default": 0.8, "reasoning": 0.95, "code": 0.95},
)  # fmt: skip
OWN = a_target(
    "house/open", provider=a_provider("house", region="eu"), tier=Tier.STANDARD,
    price=price(0.2, 0.2), context_window_tokens=8_000, capabilities=frozenset(),
    quality={"default": 0.55},
)  # fmt: skip
KNOWN = {
    LARGE.id: a_standing(first_token_p50_ms=600.0, first_token_p95_ms=1500.0, headroom=0.5),
    SMALL.id: a_standing(first_token_p50_ms=350.0, first_token_p95_ms=800.0, tokens_per_s=120.0),
    THINKER.id: a_standing(
        first_token_p50_ms=1200.0, first_token_p95_ms=4000.0, error_rate=0.03, tokens_per_s=50.0
    ),
    OWN.id: a_standing(
        first_token_p50_ms=200.0,
        first_token_p95_ms=500.0,
        tokens_per_s=60.0,
        bytes_per_token=3.6,
        headroom=0.9,
    ),
}
HISTORIES = {("auto", Workload.CHAT): History(200, 180, 600, 1.1)}


def _case(strategy: Strategy, ruling: Ruling | None = None, /, **fields: Any) -> Case:
    standings = KNOWN | fields.pop("standings", {})
    route = a_route(LARGE, SMALL, THINKER, OWN, strategy=strategy)
    snapshot = a_snapshot(route, standings=standings, histories=HISTORIES)
    return Case(some_facts(**({"prompt_bytes": 1200} | fields)), snapshot, ruling or Ruling())


def _demand(rule: str, attribute: Attribute, *values: str, forbidden: bool = False) -> Ruling:
    demand = Demand(rule, Match(attribute, frozenset(values)), forbidden)
    return Ruling(applied=(rule,), demands=(demand,))


def _broken(*targets: Target) -> dict[str, Standing]:
    return {each.id: replace(KNOWN[each.id], breaker=Breaker.OPEN) for each in targets}


BATCH = some_labels(workload=Workload.EXTRACTION, latency_class=LatencyClass.BATCH)
IN_EU = _demand("eu-data-stays", Attribute.REGION, "eu")
CASES = {
    "priority": _case(Strategy.PRIORITY),
    "priority-tools": _case(Strategy.PRIORITY, needs=frozenset({Capability.TOOLS}), tools=3),
    "priority-half-open": _case(
        Strategy.PRIORITY,
        standings={LARGE.id: replace(KNOWN[LARGE.id], breaker=Breaker.HALF_OPEN)},
    ),
    "all-broken": _case(Strategy.SCORE, standings=_broken(LARGE, SMALL, THINKER, OWN)),
    "one-broken": _case(Strategy.PRIORITY, standings=_broken(LARGE)),
    "eu-data": _case(Strategy.POLICY, IN_EU),
    "free-tier-no-premium": _case(
        Strategy.SCORE, _demand("free", Attribute.TIER, "premium", forbidden=True)
    ),
    "refused": _case(
        Strategy.SCORE, Ruling(applied=("no-spam",), refusal=Refusal("no-spam", "Not for this."))
    ),
    "cheapest-batch": _case(Strategy.CHEAPEST, labels=BATCH, prompt_bytes=9000),
    "fastest-stream": _case(Strategy.FASTEST, stream=True, draw=0.75),
    "workload-reasoning": _case(Strategy.WORKLOAD, workload=Workload.REASONING),
    "score-chat": _case(Strategy.SCORE),
    "score-code": _case(Strategy.SCORE, workload=Workload.CODE, prompt_bytes=20_000),
    "score-session": _case(Strategy.SCORE, session="k1", turns=6, prompt_bytes=60_000),
    "score-weights": _case(
        Strategy.SCORE, Ruling(applied=("w",), weights=Weights(((Term.RELIABILITY, 1.0),)))
    ),
    "latency-bound": _case(Strategy.PRIORITY, stream=True, max_latency_ms=1000),
    "cost-bound": _case(
        Strategy.PRIORITY,
        Ruling(applied=("cent",), max_cost_nanousd=2_000_000, max_cost_rule="cent"),  # type: ignore[arg-type]  # NewType
        max_output_tokens=400,
    ),
    "long-prompt": _case(Strategy.SCORE, prompt_bytes=100_000),
    "tool-loop": _case(
        Strategy.PRIORITY, _demand("loop", Attribute.PROVIDER, "beta"), tool_origin="beta", tools=2
    ),
    "prefer": _case(
        Strategy.PRIORITY,
        Ruling(
            applied=("p",),
            prefer=(Match(Attribute.REGION, frozenset({"eu"})),),
            max_output_tokens=100,
        ),
    ),
    "wrong-endpoint": _case(Strategy.PRIORITY, endpoint=Endpoint.EMBEDDINGS),
}


def write() -> None:
    """Write every file anew."""
    for name, case in CASES.items():
        text = json.dumps(file_of(case), indent=1, sort_keys=True)
        (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write()
