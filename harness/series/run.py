"""A series of runs of one experiment: the episodes one after the other, each in its own run folder, and their verdict.

What finished is kept. An interrupt, a halt, an error, an episode that left a fault behind: the series ends there, and is judged
by the episodes that it has.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from brownout.harness.api import carry_out, prepare
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment.checks import CheckedExperiment
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.progress import ProgressSink
from brownout.harness.record.result import Result
from brownout.harness.record.series import PlannedEpisode, SeriesPlan, SeriesResult
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.series.folder import write_series_result
from brownout.harness.series.plan import episode_options, new_series_folder, plan_series
from brownout.harness.series.resume import kept_episodes
from brownout.harness.series.verdict import MadeEpisode, judge_series

INTERRUPTED_SERIES = "it was interrupted"
Told = Callable[[MadeEpisode], None]
Sinks = Callable[[], ProgressSink | None]


@dataclass(frozen=True, slots=True)
class SeriesOutcome:
    """A series that ended: its result, its folder, and what of its conclusions could not be saved there."""

    result: SeriesResult
    folder: Path
    interrupted: bool = False
    unsaved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedSeries:
    """A series ready to be carried out. `first` is the run whose options it repeats; `command` is what repeats an episode."""

    plan: SeriesPlan
    experiment: Experiment | CheckedExperiment
    first: PreparedRun
    command: tuple[str, ...]

    @property
    def real_s(self) -> float:
        """The real time that the timelines take."""
        if not self.first.real_s:
            return 0.0
        return sum(self.first.real_s + episode.offset_s / self.first.rate for episode in self.plan.episodes)

    def episode(self, planned: PlannedEpisode, folder: Path) -> PreparedRun:
        """One episode, to be carried out in the series' folder."""
        options = episode_options(self.first.options, planned, folder, command=self.command)
        return prepare(self.experiment, options, source=self.first.source)


def prepare_series(
    experiment: Experiment | CheckedExperiment,
    options: Options,
    episodes: int,
    *,
    source: str = "",
    command: tuple[str, ...] = (),
) -> PreparedSeries:
    """The series that `options` ask for, from whose seed all draws come.

    `command` is the one for a run without seed and offset. `longest_s` is for all episodes together. Raises what `prepare`
    raises.
    """
    if options.dashboard_port is not None:
        raise UsageError("a dashboard shows one run, not a series of them", hint="leave --dashboard or --episodes out")
    if options.offset_s:
        raise UsageError("a series draws the offsets of its episodes", hint="leave --offset or --episodes out")
    first = prepare(experiment, options, source=source)
    words = command or ("brownout", "run", first.experiment.name, "--world", options.world, "--posture", first.posture)
    series = PreparedSeries(plan_series(first, episodes), experiment, first, words)
    _require_short(series)
    return series


def _require_short(series: PreparedSeries) -> None:
    """Raises UsageError for a series that would hold its machine for longer than the options allow."""
    took_s, allowed_s = series.real_s, series.first.options.longest_s
    if took_s > allowed_s:
        raise UsageError(
            f"{len(series.plan.episodes)} episodes take {took_s / 60:.3g} minutes of real time; {allowed_s / 60:.3g} may be",
            hint=f"`--longest {math.ceil(took_s / 60)}m` allows it; fewer episodes (five or more) take less",
        )


def carry_out_series(
    series: PreparedSeries, *, sinks: Sinks = lambda: None, told: Told = lambda _: None, resume: Path | None = None
) -> SeriesOutcome:
    """Carries a prepared series out; raises BrownoutError when not even its first episode could be begun.

    `sinks` gives each episode its own sink of progress; `told` is called after each. With `resume`, the folder of the same
    series that was cut, the episodes that came to their end there are kept; raises UsageError for another series'.
    """
    kept: tuple[MadeEpisode, ...] = ()
    if resume is None:
        folder = new_series_folder(series.plan, series.first.options.out)
    else:
        plan, kept = kept_episodes(series.plan, series.first, resume)
        folder, series = resume, replace(series, plan=plan)
    work = _Work(folder, sinks, told, made=list(kept))
    started_s = time.monotonic()
    cut_short = work.all_of(series)
    if not work.made and work.error is not None:
        raise work.error
    work.made.sort(key=lambda made: made.planned.number)
    result = judge_series(series.plan, work.made, cut_short=cut_short, wall_s=round(time.monotonic() - started_s, 3))
    return SeriesOutcome(result, folder, interrupted=work.interrupted, unsaved=_saved(folder, result))


def _saved(folder: Path, result: SeriesResult) -> tuple[str, ...]:
    """Writes the result; returns what could not be."""
    try:
        write_series_result(folder, result)
    except OSError as error:
        return (f"no series-result.json in {folder}: {error.strerror}; `brownout report {folder}` makes it",)
    return ()


@dataclass(slots=True)
class _Work:
    """A series on its way."""

    folder: Path
    sinks: Sinks
    told: Told
    made: list[MadeEpisode] = field(default_factory=list)
    interrupted: bool = False
    error: BrownoutError | None = None

    def all_of(self, series: PreparedSeries) -> str:
        """Carries the episodes out; returns why not all of them were, "" when they were."""
        there = {made.planned.number for made in self.made}
        for planned in series.plan.episodes:
            if planned.number in there:
                continue
            try:
                stop = self._episode(planned, series.episode(planned, self.folder))
            except KeyboardInterrupt:  # between two episodes
                self.interrupted = True
                stop = INTERRUPTED_SERIES
            if stop:
                return stop
        return ""

    def _episode(self, planned: PlannedEpisode, run: PreparedRun) -> str:
        """Carries one episode out; returns why the series must end with it, "" when it goes on."""
        try:
            outcome = carry_out(run, sink=self.sinks())
        except BrownoutError as error:
            return self._failed(planned, error)
        self._done(MadeEpisode(planned, outcome.result))
        if outcome.interrupted:
            self.interrupted = True
            return _why_early(outcome.result)
        ended = outcome.result.verdict
        return f"{planned.folder} ended as {ended}" if ended in ("unsafe", "harness-error") else ""

    def _failed(self, planned: PlannedEpisode, error: BrownoutError) -> str:
        self.error = error
        result = read_result(error.run_folder) if error.run_folder is not None else None
        if result is not None:
            self._done(MadeEpisode(planned, result))
        return f"{planned.folder}: {error.message}"

    def _done(self, made: MadeEpisode) -> None:
        self.made.append(made)
        self.told(made)


def _why_early(result: Result) -> str:
    """Why an interrupted run ended: an interrupt, or a halt with its reason."""
    return next((gate.reason for gate in result.gates if gate.name == "finished" and not gate.passed), INTERRUPTED_SERIES)
