"""The snapshot in force: the config's, with the live figures of the targets. I/O: a timer.

Prices put a whole new one in; figures are renewed once a second, which is as old as a decision's
view may be. Whatever is under way keeps the snapshot that it began with.
"""

import asyncio
from dataclasses import replace
from typing import Final, NoReturn

from proxy.domain.policies import rebound
from proxy.domain.snapshot import Snapshot
from proxy.state.board import Board

REFRESH_S: Final = 1.0


class SnapshotHolder:
    """Implements `ports.SnapshotSlot`. *hash_key* keys the hashes of what callers name: rules
    compare them with theirs.
    """

    def __init__(self, snapshot: Snapshot, board: Board, hash_key: bytes) -> None:
        policies = rebound(snapshot.policies, tuple(snapshot.routes.values()), hash_key)
        self._snapshot = replace(snapshot, policies=policies)
        self._board = board

    @property
    def current(self) -> Snapshot:
        """What decisions see now."""
        return self._snapshot

    def replace(self, snapshot: Snapshot) -> None:
        """Put *snapshot* in force, whole."""
        self._snapshot = snapshot

    def refresh(self) -> None:
        """Take over what the board knows of the targets now, if that is anything new."""
        standings, histories = self._board.standings(), self._board.histories()
        current = self._snapshot
        if standings != current.standings or histories != current.histories:
            self._snapshot = replace(current, standings=standings, histories=histories)

    async def keep_fresh(self) -> NoReturn:
        """Refresh once a second, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            self.refresh()
