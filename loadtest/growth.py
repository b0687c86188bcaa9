"""How a plain call's cost grows with the config: ten times the tenants, routes, targets, and all.

I/O: gateways side by side over one upstream and one Redis, measured in turn; idle ones cost
nothing. The calls are one tenant's to one route: what grows is what they are picked from.
"""

from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Final

from loadtest.configs import Shape
from loadtest.gateway import a_state, made_ready, served
from loadtest.rounds import Plan, load_errors, plain_cpu
from loadtest.sheet import Found, Sheet
from loadtest.stage import Stage
from loadtest.target import Target

BASE: Final = Shape(tenants=20, routes=10, targets=2)
TIMES: Final = 10
SHAPES: Final = {
    "base": BASE,
    "10 x tenants": replace(BASE, tenants=BASE.tenants * TIMES),
    "10 x routes": replace(BASE, routes=BASE.routes * TIMES),
    "10 x targets": replace(BASE, targets=BASE.targets * TIMES),
    "all of them": Shape(BASE.tenants * TIMES, BASE.routes * TIMES, BASE.targets * TIMES),
}


def measure_growth(stage: Stage, plan: Plan) -> Found:
    """The cost of a plain call under each shape of config: medians of interleaved rounds.

    Raises:
        LaunchError: one of the gateways did not come up.
    """
    costs: dict[str, list[float]] = {name: [] for name in SHAPES}
    errors = 0
    with ExitStack() as running:
        targets = _started(stage, running)
        for target in targets.values():
            _ = plain_cpu(target, connections=plan.connections, seconds=plan.warm_up_s)
        for number in range(1, plan.tries + 1):
            print(f"bench: growth, round {number}", flush=True)
            for name, target in targets.items():
                load, cost_us = plain_cpu(target, connections=plan.connections, seconds=plan.few_s)
                errors += load_errors(load)
                costs[name] += [cost_us] if cost_us is not None else []
    base_us = _middle(costs["base"])
    lines = tuple(
        (name, shape.tenants, shape.routes, shape.targets, cost_us, _growth(cost_us, base_us))
        for name, shape in SHAPES.items()
        for cost_us in [_middle(costs[name])]
    )
    remarks = (f"{errors} errors.",) if errors else ()
    columns = ("config", "tenants", "routes", "targets/route", "CPU µs/call", "x base")
    return Found(Sheet(columns, lines, remarks))


def _started(stage: Stage, running: ExitStack) -> dict[str, Target]:
    state = running.enter_context(a_state(stage.grounds))
    started = {}
    for name, shape in SHAPES.items():
        file = f"growth {name}"
        ready = made_ready(stage, state, name=file, shape=shape)
        started[name] = running.enter_context(served(stage.grounds, ready, name=file))
    return started


def _middle(costs_us: list[float]) -> float | None:
    return median(costs_us) if costs_us else None


def _growth(cost_us: float | None, base_us: float | None) -> str:
    return f"{cost_us / base_us:.2f}" if cost_us and base_us else "-"
