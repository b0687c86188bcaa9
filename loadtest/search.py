"""Finding how much a program bears: the largest load that still goes well. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

_STEP: Final = 1.5
_CLOSE: Final = 1.11


def highest_rates(
    probe: Callable[[float], float], bounds: Sequence[float], *, start: float, most: float
) -> dict[float, float | None]:
    """For each of *bounds* the highest load at which *probe* stays within it; None where no load
    does.

    *probe* measures a load and grows with it, but for noise: a load goes well if a higher one
    did. No load is measured twice. Found to some 10 %: up from *start* by halves, until two in a
    row exceed all bounds, then the gaps are cut geometrically. Not beyond *most*.
    """
    known: dict[float, float] = {}
    load, failed = start, 0
    while load <= most and failed < 2:
        known[load] = probe(load)
        failed = failed + 1 if known[load] > max(bounds) else 0
        load *= _STEP
    return {bound: _highest(probe, known, bound) for bound in sorted(bounds, reverse=True)}


def _highest(
    probe: Callable[[float], float], known: dict[float, float], bound: float
) -> float | None:
    while True:
        best = max((load for load in known if known[load] <= bound), default=None)
        if best is None:
            return None
        above = min((load for load in known if load > best), default=None)
        if above is None or above / best <= _CLOSE:
            return best
        between = (best * above) ** 0.5
        known[between] = probe(between)


def largest_count(
    holds: Callable[[int], bool], *, start: int, step: int, fine: int, most: int
) -> int:
    """The largest count, a multiple of *fine*, for which *holds* is true; 0 for none.

    Up from *start* by *step* until it fails (down where *start* does), then by *fine*.
    """
    best = 0
    count = start
    while count <= most and holds(count):
        best, count = count, count + step
    if best == 0:
        count = start - fine
        while count > 0 and not holds(count):
            count -= fine
        return max(count, 0)
    for finer in range(best + fine, min(count, most + 1), fine):
        if not holds(finer):
            break
        best = finer
    return best
