"""The bounds of the latency histogram are few, ascending, and have every objective's limit."""

from __future__ import annotations

from brownout.harness.load.latency_bounds import LADDER_MS, bounds_ms
from brownout.harness.load.watched_objectives import Watch, WatchedObjective


def test_each_limit_is_a_bound_once() -> None:
    """Also one that two objectives share, and one that the ladder has."""
    limits = (800.0, 800.0, 250.0, None, 12_000.0)
    found = bounds_ms(Watch(objectives=tuple(WatchedObjective(name="o", target=0.9, within_ms=one) for one in limits)))
    assert found == tuple(sorted({*LADDER_MS, 800.0, 12_000.0}))
    assert list(found) == sorted(set(found))
