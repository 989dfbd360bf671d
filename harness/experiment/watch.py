"""What is watched under a load: an experiment's own objectives, or some for a stack that just stands there."""

from __future__ import annotations

from collections.abc import Iterable

from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.watch import Watch, WatchedObjective

STANDING_TARGETS = {"token": 0.999, "resource": 0.995, "management": 0.99, "provision": 0.99}
FRESH_TARGET = 0.99
STANDING_WITHIN_MS = 1000.0


def watch_of(experiment: Experiment, *, timed: bool = True) -> Watch:
    """The experiment's objectives over their phases; with `timed` off, of late, as for a load that follows no schedule."""
    windows = phase_windows(experiment.timeline) if timed else ()

    def watched(slo: Slo) -> WatchedObjective:
        metric = slo.indicator.ratioMetric
        judged = tuple((window.start_s, window.end_s) for window in windows if window.name in slo.phases)
        return WatchedObjective(
            name=slo.name,
            description=slo.description,
            target=slo.objectives[0].target,
            **metric.total.model_dump(),
            within_ms=None if metric.good.within_s is None else metric.good.within_s * 1000,
            windows=judged,
        )

    return Watch(
        title=experiment.title,
        objectives=tuple(map(watched, experiment.slos)),
        phases=tuple((window.name, window.start_s, window.end_s) for window in windows),
        confidence=experiment.gates.confidence,
    )


def standing_watch(cohorts: Iterable[Cohort]) -> Watch:
    """One objective per cohort, by what its clients do."""
    objectives = tuple(
        WatchedObjective(
            name=cohort.name,
            description=f"{cohort.name}: answered as asked within {STANDING_WITHIN_MS / 1000:g} s",
            target=FRESH_TARGET if cohort.fresh else STANDING_TARGETS[cohort.model],
            cohorts=(cohort.name,),
            within_ms=STANDING_WITHIN_MS,
        )
        for cohort in cohorts
    )
    return Watch(title="load on a standing stack", objectives=objectives)
