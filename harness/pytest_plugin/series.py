"""A series of runs in a test: what its episodes say of the system, by the law of `brownout.harness.pytest_plugin.runs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from brownout.harness.pytest_plugin.judged import JudgedRecord
from brownout.harness.pytest_plugin.share import turn_of_the_machine
from brownout.harness.pytest_plugin.uses import Uses, named

if TYPE_CHECKING:
    from brownout.harness.experiment.checks import CheckedExperiment
    from brownout.harness.record.series import SeriesResult, SystemObjective
    from brownout.harness.run.options import Options
    from brownout.harness.series.run import PreparedSeries, SeriesOutcome

    OfSeries = JudgedRecord[SeriesResult]
else:
    OfSeries = JudgedRecord  # as `OfRun`


class Series(OfSeries):
    """A series of runs of one experiment. `result` is the record as it is; the methods judge."""

    kind = "series"

    @property
    def name(self) -> str:
        """Which series this is, for people."""
        plan = self._result.plan
        return f"{plan.experiment} in {plan.world}, posture {plan.posture}, {len(self._result.episodes)} episodes"

    def objective(self, name: str) -> SystemObjective:
        """What the episodes say of an objective; raises UsageError when the experiment has none of that name."""
        __tracebackhide__ = True
        self.require_conclusive()
        known = {one.name: one for one in self._result.objectives}
        return named(name, known, f"objective of {self._result.plan.experiment}")


def make_series(experiment: CheckedExperiment, options: Options, episodes: int, uses: Uses, *, file: str) -> Series:
    """Carries a series out. After an interrupt its faults are reverted, and the interrupt ends the session."""
    from brownout.harness.series.run import prepare_series
    from brownout.harness.worlds.catalog import SIMULATION

    words = ("brownout", "run", file, "--world", options.world, "--posture", options.posture)
    series = prepare_series(experiment, options, episodes, command=words)
    if options.world == SIMULATION:
        outcome = _carried_out(series)
    else:
        from brownout.harness.operate.heal import undo_leftovers

        with turn_of_the_machine():
            for line in undo_leftovers().lines:
                sys.stderr.write(f"{line}\n")
            outcome = _carried_out(series)
    return Series(outcome.result, outcome.folder, uses)


def _carried_out(series: PreparedSeries) -> SeriesOutcome:
    from brownout.harness.series.run import carry_out_series

    outcome = carry_out_series(series)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome
