"""The benchmark of the search: it finds a planted bug, and counts what it took."""

from __future__ import annotations

import pytest

from benchmarks import search_bugs
from benchmarks.table import plain

pytestmark = pytest.mark.slow


def test_it_finds_a_planted_bug_and_counts() -> None:
    """Within its budget, with the acts of the schedule that showed it, and CPU time for each schedule."""
    figures = search_bugs.measure(search_bugs.BENCHMARK.tiny)
    assert isinstance(figures, search_bugs.SearchFigures)
    (found,) = figures.bugs
    assert found.is_found
    assert 0 < found.schedules <= found.budget
    assert found.acts_found > 0
    assert figures.schedules > 0
    assert figures.cpu_ms > 0
    assert "publisher-gives-up" in plain(search_bugs.rows(figures))
