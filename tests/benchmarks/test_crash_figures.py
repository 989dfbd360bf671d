"""Figures of struck episodes: what was broken, and what was not struck and so counts for nothing."""

from __future__ import annotations

from benchmarks.crash_episodes import Aftermath, Draw
from benchmarks.crash_figures import figures_of, rows
from benchmarks.crash_processes import GROUND


def _draw(*victims: str) -> Draw:
    return Draw("link-slow", "bitten", victims, 0.0)


def test_an_episode_without_a_blow_counts_for_nothing() -> None:
    """It is neither kept nor broken, its codes and times are left out, and its reason is told."""
    figures = figures_of(
        [
            (_draw("runner"), Aftermath(healed_s=2.0)),
            (_draw("runner"), Aftermath(unstruck="the stack did not come up", healed_s=0.0, run_code=4)),
            (_draw("locust"), Aftermath(run_code=3)),
        ]
    )
    told = {row.what: row.value for row in rows(figures, GROUND)}
    assert told["episodes"] == "2, 0 with a promise broken; 1 more were not struck"
    assert told["- runner"] == "1, 0 broken; its command's exit codes killed: 1; the next command's 0: 1"
    assert told["from a kill of the run to healed by its guardian alone"].startswith("2 s (up to 2, 1 episodes)")
    assert "the stack did not come up" in told["not struck"]


def test_a_broken_promise_is_told_with_its_draw() -> None:
    """Also where no blow came: what is left behind is left behind."""
    figures = figures_of([(_draw("node"), Aftermath(problems=["open in the ledger: f"], unstruck="it had ended", next_code=5))])
    assert figures.struck[0].broken == 1
    assert any(row.what == "broken" and "open in the ledger: f" in row.value for row in rows(figures, GROUND))
