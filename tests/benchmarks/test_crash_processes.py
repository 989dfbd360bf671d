"""The crash matrix on real processes: one run that is struck."""

from __future__ import annotations

import pytest

from benchmarks.crash_figures import EpisodeSettings, measure, rows
from benchmarks.crash_processes import GROUND


@pytest.mark.slow
def test_a_killed_run_is_healed_by_its_guardian_and_leaves_nothing() -> None:
    """One episode: the run is killed when its fault has just bitten."""
    figures = measure(GROUND, EpisodeSettings(kills=1, seed=36))
    assert (figures.problems, figures.unstruck) == ((), ())
    assert figures.healed_s is not None
    assert figures.healed_s.low > 0.01, "it was in force when the run was killed"
    assert figures.healed_s.high < GROUND.bound_s
    assert rows(figures, GROUND)[0].value == "1, 0 with a promise broken"
