"""The stack of an experiment: which vendors, in which regions, as its file says and every run of it builds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import ControlRun, Experiment
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models.registry import client_model
from brownout.harness.worlds.stack_spec import build_stack, default_machines
from brownout.identity.core.topology import REGIONS, StackSpec

MachineTables = Mapping[str, Mapping[str, Any]]


def stack_of(
    experiment: Experiment, *, seed: int, settings: Mapping[str, Any] | None = None, machines: MachineTables | None = None
) -> StackSpec:
    """The stack with these settings, and with these machines in place of the experiment's; raises UsageError."""
    return build_stack(
        seed=seed,
        settings=settings,
        machines=machines or experiment.machines or None,
        regions=experiment.stack.regions,
        home=experiment.stack.home or "",
        vendors=experiment.stack.vendors,
    )


def with_additions(experiment: Experiment, control: ControlRun) -> Experiment:
    """The experiment with the machines and cohorts that a control run adds."""
    if not control.add_machines and not control.add_cohorts:
        return experiment
    shape = experiment.stack
    machines = experiment.machines or default_machines(shape.regions, shape.home or shape.regions[0])
    load = experiment.load.model_copy(update={"cohorts": (*experiment.load.cohorts, *control.add_cohorts)})
    return experiment.model_copy(update={"machines": {**machines, **control.add_machines}, "load": load})


def check_stack(experiment: Experiment) -> Iterator[Problem]:
    """Problems of the table `stack` by itself, and cohorts that it does not serve; other checks need a stack without any."""
    stack = experiment.stack
    for key, words in (("vendors", stack.vendors), ("regions", stack.regions)):
        for word, times in Counter[str](words).items():
            if times > 1:
                yield Problem(("stack", key), f"{word!r} is there {times} times", "name each once")
    for index, region in enumerate(stack.regions):
        if region not in REGIONS:
            hint = did_you_mean(region, REGIONS) or f"regions: {', '.join(REGIONS)}"
            yield Problem(("stack", "regions", index), f"there is no region {region!r}", hint)
    yield from _unserved_cohorts(experiment)
    if stack.home and stack.home not in stack.regions:
        hint = did_you_mean(stack.home, stack.regions) or f"regions of this stack: {', '.join(stack.regions)}"
        yield Problem(("stack", "home"), f"the stack has no region {stack.home!r}", hint)


def _unserved_cohorts(experiment: Experiment) -> Iterator[Problem]:
    vendors = experiment.stack.vendors
    places: list[tuple[DataPath, tuple[Cohort, ...]]] = [(("load", "cohorts"), experiment.load.cohorts)]
    places += [(("controls", name, "add_cohorts"), control.add_cohorts) for name, control in experiment.controls.items()]
    for path, index, cohort in ((path, *each) for path, cohorts in places for each in enumerate(cohorts)):
        with suppress(UsageError):  # a model that cannot be used is told where its operations are checked
            vendor = client_model(cohort.model).vendor
            if vendor and vendor not in vendors:
                text = f"clients of the model {cohort.model!r} need the vendor {vendor}, which this stack does not have"
                hint = f"write `stack: {{vendors: [{vendor}]}}`, or name both"
                yield Problem((*path, index, "model"), text, hint)
