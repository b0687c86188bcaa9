"""What a provider charges: an append-only list, one line an attempt. I/O: optionally a file.

This is the oracle that tests hold the gateway's books against. Work that was begun is billed:
the whole prompt, and every token whose writing began, however the answer ended. Refused calls,
errors and rate limits cost nothing.
"""

import os
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from proxy.units import NanoUsd


class BillEnding(StrEnum):
    """How an attempt ended, as the provider saw it."""

    COMPLETE = "complete"
    CANCELLED = "cancelled"
    CUT = "cut"
    ERROR = "error"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class BillEntry:
    """One attempt. `attempt` counts from 1 within its provider; `seed` replays its chance.

    `model` is None where the request could not be read that far. `cost_nanousd` is whole
    nano-dollars, rounded up once.
    """

    provider: str
    attempt: int
    seed: str
    time_unix_ms: int
    endpoint: str
    model: str | None
    stream: bool
    status: int | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_nanousd: NanoUsd
    ending: BillEnding
    request_id: str | None


class Bill:
    """The entries of all providers of one simulator, in the order in which attempts ended."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[BillEntry] = []
        # O_APPEND and one write a line: a reader, or a second simulator, sees whole lines only.
        self._file = (
            None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        )

    @property
    def entries(self) -> tuple[BillEntry, ...]:
        """All entries so far."""
        return tuple(self._entries)

    def of(self, provider: str) -> list[BillEntry]:
        """The entries of *provider*."""
        return [entry for entry in self._entries if entry.provider == provider]

    def append(self, entry: BillEntry) -> None:
        """Add *entry*; nothing is ever changed afterwards."""
        self._entries.append(entry)
        if self._file is not None:
            os.write(self._file, orjson.dumps(asdict(entry), option=orjson.OPT_APPEND_NEWLINE))

    @property
    def cost_nanousd(self) -> NanoUsd:
        """The sum of all entries."""
        return NanoUsd(sum(entry.cost_nanousd for entry in self._entries))

    def endings(self) -> Counter[BillEnding]:
        """How many attempts ended in which way."""
        return Counter(entry.ending for entry in self._entries)

    def forget(self, provider: str) -> None:
        """Empty the part of *provider* in memory, for the next test; the file keeps its lines."""
        self._entries = [entry for entry in self._entries if entry.provider != provider]

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
