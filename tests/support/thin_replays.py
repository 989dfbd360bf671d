"""Records of experiments with their control runs, to check claims against: AWS's on thin load, and any that was run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import ControlRun
from brownout.harness.experiment.plugins import claims as installed_claims
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record, read_result
from brownout.harness.pytest_plugin.runs import Run
from brownout.harness.record.history import History, RequestRecord
from brownout.harness.record.result import ClaimResult, ClaimStatus, Result
from brownout.harness.run.header import write_run_file
from brownout.harness.run.prepare import prepare_control
from brownout.harness.run.simulated import simulate
from brownout.suites.incidents.aws_evidence import Window, asked
from brownout.suites.incidents.evidence import Evidence
from brownout.suites.incidents.published_claims import PublishedClaim, judged

THIN = {"aws-iam-2021-08-26": 0.2, "aws-us-east-1-2025-10-20": 0.15, "link-cut": 0.15}  # of the load
SELDOM = {"iam_publish_interval_s": 60, "publish_interval_s": 600}  # of what is published when nothing changes
ITSELF = ""  # in place of a control's name


@dataclass(frozen=True, slots=True)
class Replays:
    """The records of an experiment and its control runs, by name."""

    experiment: str
    records: dict[str, tuple[History, Result]]

    def claims(self) -> dict[str, ClaimResult]:
        """The claims checked against these records, by id."""
        history, result = self.records[ITSELF]
        controls = {name: record for name, record in self.records.items() if name}
        return {claim.id: claim for claim in installed_claims(self.experiment)(history, result, controls)}

    def status(self, claim: PublishedClaim) -> ClaimStatus:
        """What one claim would be on these records."""
        history, result = self.records[ITSELF]
        (found,) = judged([claim], Evidence(history, result, {name: record for name, record in self.records.items() if name}))
        return found.status

    def changed(self, control: str, change: Callable[[History, Result], tuple[History, Result]]) -> Replays:
        """The same with one record changed."""
        return replace(self, records={**self.records, control: change(*self.records[control])})

    def times(self, **changed: float | None) -> Replays:
        """The same with other times of the run itself."""

        def change(history: History, result: Result) -> tuple[History, Result]:
            return history, result.model_copy(update={"times": result.times.model_copy(update=changed)})

        return self.changed(ITSELF, change)

    def never_defended(self, control: str) -> Replays:
        """The same with each step of a control run carried out."""

        def change(history: History, result: Result) -> tuple[History, Result]:
            steps = tuple(step.model_copy(update={"state": "healed"}) for step in result.steps)
            return history, result.model_copy(update={"steps": steps})

        return self.changed(control, change)

    def told(
        self,
        window: Window,
        cohorts: tuple[str, ...],
        *operations: str,
        control: str = ITSELF,
        ok: bool = False,
        error: str = "x",
    ) -> Replays:
        """The same with the cohorts' requests in a window answered otherwise: well (`ok`), or with an error."""
        return self.each(window, cohorts, *operations, control=control, change=lambda one: _answered(one, ok=ok, error=error))

    def each(
        self,
        window: Window,
        cohorts: tuple[str, ...],
        *operations: str,
        change: Callable[[RequestRecord], RequestRecord],
        control: str = ITSELF,
    ) -> Replays:
        """The same with the cohorts' requests in a window changed."""

        def within(history: History, result: Result) -> tuple[History, Result]:
            meant = {one.id for one in asked(Evidence(history, result, {}), window, cohorts, operations)}
            requests = tuple(change(one) if one.id in meant else one for one in history.requests)
            return replace(history, requests=requests), result

        return self.changed(control, within)


def _answered(request: RequestRecord, *, ok: bool, error: str) -> RequestRecord:
    if ok:
        return request._replace(outcome="happened", status=200, error="")
    return request._replace(outcome="refused", status=500, error=error)


def recorded(run: Run) -> Replays:
    """The records of a run that was made with its control runs."""
    folders = {path.name: path for path in (run.folder / "controls").iterdir()}
    found = {name: (read_record(folder).history, read_result(folder)) for name, folder in folders.items()}
    controls = {name: (history, result) for name, (history, result) in found.items() if result is not None}
    return Replays(run.result.experiment, {ITSELF: (run.history, run.result), **controls})


@cache
def replays(name: str) -> Replays:
    """The experiment as it was and all its control runs, seed 1, on thin load where THIN has it."""
    experiment = load(find(name))
    own = {ITSELF: ControlRun(posture=experiment.posture), **experiment.controls}
    records = {}
    for control, run in own.items():
        thin = run.model_copy(update={"load_scale": THIN.get(name, run.load_scale), "settings": {**SELDOM, **run.settings}})
        prepared = prepare_control(experiment.model_copy(update={"controls": {"thin": thin}}), "thin", seed=1)
        with tempfile.TemporaryDirectory() as folder:
            write_run_file(Path(folder), prepared)
            simulate(prepared, Path(folder))
            record = read_record(Path(folder))
        records[control] = record.history, evaluate_record(record)
    return Replays(name, records)
