"""The parts of the path, and the floors beneath it, as one table. I/O: children, on one core.

The parts are measured by `loadtest.parts` on the measured Python; the floors are whole programs
under plain load: what an aiohttp server costs that does nothing, and one that passes bytes on.
"""

import json
import subprocess
from typing import Final

from loadtest.costs import Cost
from loadtest.gateway import a_state, made_ready, pointsman
from loadtest.launch import LaunchError, running, tail_of
from loadtest.proxies import bare, floor
from loadtest.rounds import Plan, plain_cpu
from loadtest.sheet import Cell, Found, Sheet
from loadtest.stage import ROOT, Stage

CALLS: Final = 2000
"""Of a part, in each repeat."""

_TIMEOUT_S: Final = 60.0
_WHOLE: Final = "whole: "
_APART: Final = "apart: "
"""Not of the request that the other parts are of."""

_PROGRAMS: Final = {
    "whole: bare aiohttp server answering from memory": bare,
    "whole: bare aiohttp + lean upstream (floor)": floor,
    "whole: pointsman": pointsman,
}


def measure_parts(stage: Stage, plan: Plan) -> Found:
    """CPU microseconds of each part and of each floor, and the parts' bytecode instructions.

    Raises:
        LaunchError: the parts could not be measured, or a floor did not come up.
    """
    print("bench: parts", flush=True)
    parts = parts_of(stage)
    whole = {name: parts.pop(name) for name in tuple(parts) if name.startswith(_WHOLE)}
    apart = {name: parts.pop(name) for name in tuple(parts) if name.startswith(_APART)}
    lines = [_line(name, cost) for name, cost in parts.items()]
    known = [cost for cost in parts.values() if not isinstance(cost, str)]
    lines.append(("sum of these parts", *map(sum, zip(*known, strict=True))))
    lines += [_line(name, cost) for name, cost in {**whole, **apart}.items()]
    for name, start in _PROGRAMS.items():
        with start(stage) as target:
            _ = plain_cpu(target, connections=plan.connections, seconds=plan.warm_up_s)
            _, cost_us = plain_cpu(target, connections=plan.connections, seconds=plan.few_s)
            lines.append((name, cost_us, None))
    return Found(Sheet(("part of a plain call", "CPU µs", "instructions"), tuple(lines)))


def _line(name: str, cost: Cost | str) -> tuple[Cell, ...]:
    return (name, cost, None) if isinstance(cost, str) else (name, cost[0], float(cost[1]))


def parts_of(stage: Stage, calls: int = CALLS) -> dict[str, Cost | str]:
    """What each part costs, or why it does not run.

    Raises:
        LaunchError: they could not be measured at all.
    """
    grounds, log = stage.grounds, stage.grounds.log("parts")
    with a_state(grounds) as state:
        ready = made_ready(stage, state, name="parts")
        command = [str(grounds.pythons.ours), "-m", "loadtest.parts", "--json"]
        command += ["--config", str(ready.config), "--calls", str(calls)]
        cores, variables = [grounds.cores.proxy], {"BENCH_TOKEN": ready.token}
        with running(command, cores=cores, cwd=ROOT, log=log, variables=variables) as child:
            try:
                child.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise LaunchError("the parts took too long") from None
    try:
        found = json.loads(log.read_text().splitlines()[-1])
    except (ValueError, IndexError):
        raise LaunchError(f"no parts: {tail_of(log)}") from None
    return {name: cost if isinstance(cost, str) else Cost(*cost) for name, cost in found.items()}
