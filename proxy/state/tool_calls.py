"""Which provider issued which tool calls, as far as this process saw them. No I/O.

A tool's result goes back to the provider that asked for it: some refuse ids that they did not
give, and what they reasoned is theirs. Ids are kept as hashes, the newest so many, each tenant's
apart: some providers give ids that anybody can guess.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MAX_CALLS: Final = 50_000
"""About 150 bytes each."""


class ToolCallOrigins:
    """Implements `ports.ToolCalls`."""

    def __init__(self, max_calls: int = MAX_CALLS) -> None:
        self._max_calls = max_calls
        self._issued: OrderedDict[int, str] = OrderedDict()

    def issued(self, tenant_id: str, call_ids: Iterable[str], provider_id: str) -> None:
        """See `ports.ToolCalls`."""
        for call_id in call_ids:
            self._issued[hash((tenant_id, call_id))] = provider_id
            if len(self._issued) > self._max_calls:
                self._issued.popitem(last=False)

    def origin_of(self, tenant_id: str, call_ids: Iterable[str]) -> str | None:
        """See `ports.ToolCalls`."""
        newest: str | None = None
        for call_id in call_ids:
            newest = self._issued.get(hash((tenant_id, call_id)), newest)
        return newest
