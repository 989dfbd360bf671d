"""A series of runs in a test: what its episodes say of the system, by the law of `brownout.harness.pytest_plugin.runs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from brownout.harness.pytest_plugin.outcome import Inconclusive
from brownout.harness.pytest_plugin.share import turn_of_the_machine
from brownout.harness.pytest_plugin.uses import HARNESS_VERDICTS, Uses, named, require_verdicts

if TYPE_CHECKING:
    from brownout.harness.experiment.checks import CheckedExperiment
    from brownout.harness.record.series import SeriesResult, SystemObjective
    from brownout.harness.record.verdicts import Verdict
    from brownout.harness.run.options import Options
    from brownout.harness.series.run import PreparedSeries, SeriesOutcome


class Series:
    """A series of runs of one experiment. `result` is the record as it is; the methods judge."""

    def __init__(self, result: SeriesResult, folder: Path, uses: Uses) -> None:
        self._result, self._folder, self._uses = result, folder, uses

    @property
    def result(self) -> SeriesResult:
        """The result of the series (`series-result.json`)."""
        self._uses.note(self)
        return self._result

    @property
    def folder(self) -> Path:
        """The folder with the episodes' run folders."""
        self._uses.note(self)
        return self._folder

    @property
    def verdict(self) -> Verdict:
        return self.result.verdict

    @property
    def is_inconclusive(self) -> bool:
        return self._result.verdict == "inconclusive"

    @property
    def name(self) -> str:
        """Which series this is, for people."""
        plan = self._result.plan
        return f"{plan.experiment} in {plan.world}, posture {plan.posture}, {len(self._result.episodes)} episodes"

    @property
    def why(self) -> str:
        """The series with the reasons of its verdict and the place of its record."""
        return f"{self.name}: {'; '.join(self._result.reasons)} (record: {self._folder})"

    def __repr__(self) -> str:
        return f"<Series {self.name}: {self._result.verdict}>"

    def expect(self, *verdicts: str) -> Self:
        """The series itself, when its verdict is one of these; raises AssertionError, or Inconclusive if that came out."""
        __tracebackhide__ = True
        require_verdicts(verdicts)
        self._uses.note(self)
        if self._result.verdict not in verdicts:
            self.require_conclusive()
            raise AssertionError(f"expected {' or '.join(verdicts)}, got {self._result.verdict}: {self.why}")
        self._uses.accept(self)
        return self

    def objective(self, name: str) -> SystemObjective:
        """What the episodes say of an objective; raises UsageError when the experiment has none of that name."""
        __tracebackhide__ = True
        self.require_conclusive()
        known = {one.name: one for one in self._result.objectives}
        return named(name, known, f"objective of {self._result.plan.experiment}")

    def require_conclusive(self) -> None:
        """Raises Inconclusive, or AssertionError after a harness error or an unsafe end; else does nothing."""
        __tracebackhide__ = True
        self._uses.note(self)
        if self.is_inconclusive:
            raise Inconclusive(self.why)
        if self._result.verdict in HARNESS_VERDICTS:
            raise AssertionError(f"the series ended as {self._result.verdict}: {self.why}")


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
