"""When Redis counts as unwell: what its refusals say, when to give it up, when to try it again.

Pure: times and draws are arguments.
"""

import re
from collections.abc import Mapping
from typing import Final

from proxy.state.connection import CommandRefusedError, StateUnavailableError

BAD_BATCHES: Final = 3
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0

UNABLE: Final = frozenset(
    {
        "BUSY",  # a script has run for seconds, and all wait for it
        "CLUSTERDOWN",
        "LOADING",  # restarted, and still reading its file
        "MASTERDOWN",
        "MISCONF",  # it cannot write its file, so it takes no writes
        "NOREPLICAS",  # cut off from the replicas that must hold each write
        "OOM",
        "READONLY",  # a replica now: another is the master
        "TRYAGAIN",  # the slot is being moved
    }
)
"""First words of refusals that are about Redis and not about the command."""

_MAX_TEXT_CHARS: Final = 200
# Redis 6.2 wraps what a command inside a script was refused with: "ERR Error running script (call
# to f_<sha>): @user_script:1: @user_script: 1: -OOM command not allowed ...". Redis 7 does not.
_CODE: Final = re.compile(r"(?:ERR Error running script .*@user_script: ?\d+: ?-)?([A-Z]+)")


class UnknownScriptError(CommandRefusedError):
    """Redis does not hold the script of an EVALSHA: it restarted, or its scripts were flushed."""


class NotHereError(CommandRefusedError):
    """Not for this user, or not on this node of a cluster; Redis itself is at work."""


_KINDS: Final[Mapping[str, type[CommandRefusedError]]] = {
    "NOSCRIPT": UnknownScriptError,
    "NOPERM": NotHereError,
    "MOVED": NotHereError,
    "ASK": NotHereError,
}


def refusal(text: str) -> StateUnavailableError:
    """The exception for an error reply, as it came without its dash.

    StateUnavailableError itself where Redis as a whole is unable (UNABLE), else
    CommandRefusedError or a kind of it: this command alone is at fault.
    """
    # "unknown command" goes on to quote the arguments, which have no business in a log.
    shown = text.partition(", with args")[0][:_MAX_TEXT_CHARS]
    found = _CODE.match(text)
    code = found[1] if found else ""
    if code in UNABLE:
        return StateUnavailableError(f"Redis is unable to serve: {shown}")
    return _KINDS.get(code, CommandRefusedError)(f"Redis refused a command: {shown}")


class Breaker:
    """Opens after BAD_BATCHES bad ones in a row, the first of them at least *span_s* ago.

    The count keeps one slow answer from cutting off a quiet gateway. The span keeps one short
    pause of Redis (a fork, a slow script) from cutting off a busy one, where in any moment a
    hundred batches are on their way.
    """

    __slots__ = ("_bad", "_since_s", "_span_s")

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._bad = 0
        self._since_s = 0.0

    def good(self) -> None:
        """A batch was answered in time."""
        self._bad = 0

    def bad(self, at_s: float) -> bool:
        """A batch was overdue at *at_s*, or Redis unable to do it; whether that opens it."""
        if self._bad == 0:
            self._since_s = at_s
        self._bad += 1
        return self._bad >= BAD_BATCHES and at_s - self._since_s >= self._span_s


def pause_s(failures: int, draw: float) -> float:
    """How long to wait before the next connection, after *failures* (1 or more) in a row.

    *draw* is in 0..1. Full jitter, from zero up to a bound that doubles: replicas that lost the
    same Redis must not return in step.
    """
    return draw * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10))
