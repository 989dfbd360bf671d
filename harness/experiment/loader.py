"""Experiment files: read and checked, with every mistake shown at its place.

A file that loads has no unknown name and no time out of order. Otherwise the error has `file:line:column` of every mistake
that could be found. Files are data: no code, no tags, no includes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from brownout.harness.base.files import is_there
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import DataPath, Problem, explain
from brownout.harness.base.users import own_code
from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.checks import CheckedExperiment, check, fault_names
from brownout.harness.experiment.fault_files import beside, is_file_name
from brownout.harness.experiment.model import Experiment, Step
from brownout.harness.experiment.yaml_file import FileErrors, read_document
from brownout.harness.fault import Fault
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models.registry import client_model

__all__ = ["CheckedExperiment", "FileErrors", "find", "load", "read", "validate"]


def load(path: Path, *, faults: Mapping[str, type[Fault]] | None = None) -> Experiment:
    """The experiment in the file, checked against `faults` (those installed when None); raises what `read` raises."""
    return read(path, faults=faults).experiment


def read(path: Path, *, faults: Mapping[str, type[Fault]] | None = None) -> CheckedExperiment:
    """The experiment in the file with the faults that were built to check it against `faults` (those installed when None).

    Raises UsageError when the file cannot be read, FileError for one mistake in it, FileErrors for several.
    """
    document = read_document(path)
    try:
        experiment = Experiment.model_validate(document.data)
    except ValidationError as error:
        raise document.failure(explain(error, Experiment.model_json_schema(by_alias=True))) from None
    try:
        experiment = _with_subject_beside(_with_files_beside(experiment, path.parent), path.parent)
    except UsageError as wrong:
        raise document.failure((Problem(("schedule",), wrong.message, wrong.hint),)) from None
    try:
        experiment = _with_models_beside(experiment, path.parent)
    except UsageError as wrong:
        raise document.failure((Problem(("load", "cohorts"), wrong.message, wrong.hint),)) from None
    if unusable := tuple(_unusable_models(experiment)):
        raise document.failure(unusable)
    problems, steps = check(experiment, plugins.faults_among(fault_names(experiment)) if faults is None else faults)
    if problems:
        raise document.failure(problems)
    return CheckedExperiment(experiment, steps)


def _with_subject_beside(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with its subject's folder and Compose file as absolute paths, seen from the experiment's folder."""
    subject = experiment.subject
    if subject is None:
        return experiment
    places = {"folder": str((folder / subject.folder).resolve())}
    if subject.service is not None:
        places["compose"] = str((folder / subject.compose).resolve())
    placed = subject.model_copy(update=places)
    return experiment.model_copy(update={"subject": placed})


def _with_models_beside(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with the files that its cohorts name as their models as absolute paths."""

    def placed(cohorts: tuple[Cohort, ...]) -> tuple[Cohort, ...]:
        return tuple(
            cohort.model_copy(update={"model": own_code.beside(cohort.model, folder, "client model")})
            if is_file_name(cohort.model)
            else cohort
            for cohort in cohorts
        )

    added = (cohort for control in experiment.controls.values() for cohort in control.add_cohorts)
    if not any(is_file_name(cohort.model) for cohort in (*experiment.load.cohorts, *added)):
        return experiment
    load = experiment.load.model_copy(update={"cohorts": placed(experiment.load.cohorts)})
    controls = {
        name: one.model_copy(update={"add_cohorts": placed(one.add_cohorts)}) for name, one in experiment.controls.items()
    }
    return experiment.model_copy(update={"load": load, "controls": controls})


def _unusable_models(experiment: Experiment) -> Iterator[Problem]:
    """A problem for each cohort whose own client model cannot be imported: every further check asks the model."""
    places: list[tuple[DataPath, Cohort]] = [
        (("load", "cohorts", index), cohort) for index, cohort in enumerate(experiment.load.cohorts)
    ]
    for name, control in experiment.controls.items():
        places += [(("controls", name, "add_cohorts", index), cohort) for index, cohort in enumerate(control.add_cohorts)]
    for path, cohort in places:
        try:
            client_model(cohort.model)
        except UsageError as wrong:
            yield Problem((*path, "model"), wrong.message, wrong.hint)


def _with_files_beside(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with the files that its steps name as absolute paths, which every process of the run understands."""

    def placed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(
            step.model_copy(update={"fault": beside(step.fault, folder)}) if is_file_name(step.fault) else step
            for step in steps
        )

    added = (step for control in experiment.controls.values() for step in control.add)
    if not any(is_file_name(step.fault) for step in (*experiment.schedule, *added)):
        return experiment
    controls = {name: one.model_copy(update={"add": placed(one.add)}) for name, one in experiment.controls.items()}
    return experiment.model_copy(update={"schedule": placed(experiment.schedule), "controls": controls})


def validate(path: Path, *, faults: Mapping[str, type[Fault]] | None = None) -> tuple[UsageError, ...]:
    """Every mistake in the file, in its order; empty for a sound experiment."""
    try:
        load(path, faults=faults)
    except FileErrors as several:
        return several.errors
    except UsageError as one:
        return (one,)
    return ()


def find(name: str) -> Path:
    """The experiment file that `name` means: a path, or the name of an installed experiment; raises UsageError."""
    path = Path(name)
    if is_there(path) or path.suffix in (".yaml", ".yml") or path.parent != Path():
        return path
    installed = plugins.experiments()
    if name in installed:
        return installed[name]
    hint = did_you_mean(name, installed) or "give the path of a YAML file"
    raise UsageError(f"there is no experiment {name!r}", hint=hint)
