"""The objectives that a load's dashboard shows: an experiment's own, or one per cohort for a standing stack."""

from __future__ import annotations

from collections.abc import Iterable

from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models.registry import client_model
from brownout.harness.load.watched_objectives import Watch, WatchedObjective


def watch_of(experiment: Experiment, *, timed: bool = True) -> Watch:
    """The experiment's objectives over their phases. Not `timed`: over the last seconds, for a load without a schedule."""
    windows = phase_windows(experiment.timeline) if timed else ()

    def watched(slo: Slo) -> WatchedObjective:
        metric = slo.indicator.ratioMetric
        judged = tuple((window.start_s, window.end_s) for window in windows if window.name in slo.phases)
        return WatchedObjective(
            name=slo.name,
            description=slo.description,
            target=slo.objectives[0].target,
            **metric.total.model_dump(),
            within_ms=metric.good.within_ms,
            windows=judged,
        )

    return Watch(
        title=experiment.title,
        objectives=tuple(map(watched, experiment.slos)),
        phases=tuple((window.name, window.start_s, window.end_s) for window in windows),
        confidence=experiment.gates.confidence,
        late_s=experiment.gates.lag_p99_s,
    )


def model_watch(cohorts: Iterable[Cohort]) -> Watch:
    """One objective per cohort: that of its client model."""
    return Watch(title="load on a standing stack", objectives=tuple(map(_model_objective, cohorts)))


def _model_objective(cohort: Cohort) -> WatchedObjective:
    model = client_model(cohort.model)
    return WatchedObjective(
        name=cohort.name,
        description=f"{cohort.name}: answered as asked within {model.within_ms / 1000:g} s",
        target=model.fresh_target if cohort.fresh else model.target,
        cohorts=(cohort.name,),
        within_ms=model.within_ms,
    )
