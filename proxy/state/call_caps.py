"""How many premium calls each capped scope has made, as far as this process knows. No I/O.

Until replicas share their counts each keeps its own, so N replicas allow N times the cap. Counts
are kept for the newest so many scopes; one that is forgotten begins anew.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MAX_SCOPES: Final = 100_000


class CallCaps:
    """Implements `ports.CallCaps`."""

    def __init__(self, max_scopes: int = MAX_SCOPES) -> None:
        self._max_scopes = max_scopes
        self._used: OrderedDict[str, int] = OrderedDict()

    def allows(self, key: str, limit: int) -> bool:
        """See `ports.CallCaps`."""
        return self._used.get(key, 0) < limit

    def hold(self, keys: Iterable[str]) -> None:
        """See `ports.CallCaps`."""
        for key in keys:
            self._used[key] = self._used.get(key, 0) + 1
            self._used.move_to_end(key)
            if len(self._used) > self._max_scopes:
                self._used.popitem(last=False)

    def release(self, keys: Iterable[str]) -> None:
        """See `ports.CallCaps`."""
        for key in keys:
            if (used := self._used.get(key, 0)) > 0:
                self._used[key] = used - 1
