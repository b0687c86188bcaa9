"""The snapshot in force: renewed by figures and prices, never in place."""

from proxy.domain.conditions import InScope
from proxy.domain.policies import Rule, policies_of
from proxy.domain.rules import Ruling
from proxy.domain.scopes import scope_hash
from proxy.state.board import Board
from proxy.state.snapshots import SnapshotHolder
from tests.builders import a_route, a_snapshot
from tests.fakes import FakeClock

KEY = b"k" * 32


def test_figures_come_in_and_nothing_else_changes() -> None:
    """A refresh brings what the board knows; without news the very same snapshot stays."""
    board = Board(FakeClock().now)
    holder = SnapshotHolder(a_snapshot(a_route()), board, KEY)
    before = holder.current
    holder.refresh()
    assert holder.current is before
    board.attempt_ended("first/m", None, 10.0)
    holder.refresh()
    after = holder.current
    assert after is not before
    assert after.standings["first/m"].samples == 1
    assert (after.version, after.routes, before.standings) == (before.version, before.routes, {})


def test_rules_compare_scopes_under_the_deployments_key() -> None:
    """The hash that a rule looks for is the one that facts hold."""
    rule = Rule("r", InScope("ticket", frozenset({"7"})), Ruling(applied=("r",)))
    snapshot = a_snapshot(a_route())
    object.__setattr__(snapshot, "policies", policies_of([rule]))
    holder = SnapshotHolder(snapshot, Board(FakeClock().now), KEY)
    (bound,) = holder.current.policies.rules
    assert isinstance(bound.when, InScope)
    assert bound.when.hashes == {scope_hash(KEY, "ticket", "7")}


def test_what_is_put_in_is_in_force() -> None:
    """Prices put a whole new one in."""
    holder = SnapshotHolder(a_snapshot(a_route()), Board(FakeClock().now), KEY)
    other = a_snapshot(a_route())
    holder.replace(other)
    assert holder.current is other
