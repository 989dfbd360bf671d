"""Each experiment breaches under the posture that its file names for that, and does not where nothing is amiss.

The posture is one that the file expects to breach, its own before others. The twin is a posture that the file expects to pass;
where there is none, the same experiment without its schedule, none of whose objectives may then be breached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from brownout.harness.experiment import plugins
from brownout.harness.experiment.loader import load
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.result import Result
from controls.control import Control, Outcome
from support.thin_replays import SELDOM

# Of the load, where runs are not shared with tests of claims: enough for a breach, and to meet an objective without it.
THIN = {"aws-iam-2021-08-26": 0.09, "aws-us-east-1-2025-10-20": 0.12, "link-cut": 0.15}


@dataclass(frozen=True, slots=True)
class Order:
    """A simulated run that a control needs. `name` is that of the installed experiment where it is run as it is shipped."""

    experiment: Experiment
    posture: str
    name: str = ""


Runner = Callable[[Order], Result]


def shipped() -> set[str]:
    return set(plugins.experiments())


def controls(run: Runner, files: Mapping[str, Path] | None = None) -> Iterator[Control]:
    """A control for each experiment file that names a posture under which it is to breach."""
    for name, path in (files or plugins.experiments()).items():
        experiment = load(path)
        red = red_posture(experiment)
        if red:
            what = f"posture {red}, and {_twin(experiment) or 'no schedule'} as its twin"
            yield Control("experiment", name, what, partial(_judge, run, experiment, red))


def red_posture(experiment: Experiment) -> str:
    """The posture under which it is to breach, "" where the file has none."""
    own_first = (experiment.posture, *experiment.postures)
    return next((name for name in own_first if experiment.postures[name].expect == "breach"), "")


def _twin(experiment: Experiment) -> str:
    return next((name for name, posture in experiment.postures.items() if posture.expect == "pass"), "")


def _judge(run: Runner, experiment: Experiment, red: str) -> Outcome:
    thin = experiment.name in THIN
    ordered = Order(_lean(experiment, thinned=True), red) if thin else Order(experiment, red, name=experiment.name)
    breach, twin = run(ordered), _twin(experiment)
    seen = f"{breach.verdict}: {breach.reasons[0]}"
    if twin:
        passed = run(Order(_lean(experiment, thinned=False), twin))
        return Outcome(breach.verdict == "breach", passed.verdict == "pass", f"{seen} ({twin}: {passed.verdict})")
    calm = run(Order(_lean(experiment, thinned=True).model_copy(update={"schedule": ()}), red))
    found = {slo.status for slo in calm.slos}
    green = "met" in found and "breached" not in found
    return Outcome(breach.verdict == "breach", green, f"{seen} (without its schedule: {', '.join(sorted(found))})")


def _lean(experiment: Experiment, *, thinned: bool) -> Experiment:
    """The experiment without claims and, where it is run for its control alone, with less load and less publishing."""
    changed = experiment.model_copy(update={"claims": "", "controls": {}})
    if experiment.name not in THIN:
        return changed
    scale = THIN[experiment.name] if thinned else 1.0
    cohorts = tuple(one.model_copy(update={"rate_per_s": one.rate_per_s * scale}) for one in experiment.load.cohorts)
    load_ = experiment.load.model_copy(update={"cohorts": cohorts})
    gates = experiment.gates.model_copy(update={"steady_state": not thinned})  # too few requests in the baseline for it
    return changed.model_copy(update={"load": load_, "settings": {**experiment.settings, **SELDOM}, "gates": gates})
