"""A backlog overwhelms the managed identity service, which stays down when the backlog has come up (February 2026) as tests.

The story. For hours nothing could be created; then everything that had waited came up, and each machine wanted a token. The
service queued for longer than its callers wait, worked for callers that had gone, and was asked again and again. Half more
capacity was used up at once. It ended when traffic was taken away and let in again by a ramp.

These tests replay the first two hours, in which no operator acts: what is left of the failure then is what sustains
itself. Each control changes one thing. The claims of the whole night are in docs/incidents/azure-mi-2026-02.md.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.durations import parse_clock_s
from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import ControlRun, Experiment
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record
from brownout.harness.run.header import write_run_file
from brownout.harness.run.prepare import prepare_control
from brownout.harness.run.simulated import simulate
from brownout.suites.incidents.azure_mi_2026_02_claims import NEW, POSTURE, attempts_per_call, is_down, is_up
from brownout.suites.incidents.evidence import Evidence

pytestmark = pytest.mark.slow  # nights of many machines: three quarters of a minute of a processor
LATER = ("01:30", "02:00")  # an hour and more after the backlog has come up
OPERATORS = ("scale-up-east", "scale-up-west", "admit-east", "admit-west")


def first_hours(experiment: Experiment, *, scaled_up: bool) -> Experiment:
    """The night until 02:12, with a baseline of half an hour, without what operators did but perhaps for the scale-up."""
    borders = {"warm_up": "23:25", "baseline": "23:30", "recovery": "26:00", "end": "26:12"}
    seconds: dict[str, Any] = {name: parse_clock_s(at) for name, at in borders.items()}
    timeline = experiment.timeline.model_copy(update={**seconds, "edge_s": 300.0})
    steps = tuple(step for step in experiment.schedule if step.name not in OPERATORS[2 * scaled_up :])
    return experiment.model_copy(update={"timeline": timeline, "schedule": steps})


@cache
def night(*, posture: str = POSTURE, retry: str | None = None, scaled_up: bool = False) -> Evidence:
    """The first hours under a posture, with clients that try again in another way if `retry` says so."""
    control = ControlRun.model_validate({"posture": posture, "retry": retry})
    experiment = first_hours(load(find("azure-mi-2026-02")), scaled_up=scaled_up)
    experiment = experiment.model_copy(update={"controls": {"x": control}})
    prepared = prepare_control(experiment, "x", seed=1)
    with tempfile.TemporaryDirectory() as folder:
        write_run_file(Path(folder), prepared)
        simulate(prepared, Path(folder))
        record = read_record(Path(folder))
    return Evidence(record.history, evaluate_record(record), {})


def test_it_is_well_before_the_backlog() -> None:
    """With a third of its capacity in use nothing fails, and a token takes about one request."""
    seen = night()
    baseline = [r for r in seen.history.select(cohorts=NEW) if r.intended_s < seen.fault_s - 60]
    assert len(baseline) > 300
    assert all(request.outcome == "happened" for request in baseline)
    sent = sum(a.cohort in NEW and a.intended_s < seen.fault_s - 60 for a in seen.history.attempts)
    assert sent < 1.05 * len(baseline)


def test_half_more_capacity_is_used_up_at_once() -> None:
    """With the scale-up of 00:50, and clients that try again as they do, it stays down all the same."""
    assert is_down(night(scaled_up=True).between(*LATER, NEW))


def test_it_stays_down_after_the_backlog() -> None:
    """Metastable: an hour and more after the backlog nearly all fail, although as many clients arrive as before."""
    assert is_down(night().between(*LATER, NEW))
    assert attempts_per_call(night(), *LATER) > 4


CURES = (
    pytest.param({"retry": "none"}, id="no-retries"),
    pytest.param({"retry": "jittered", "scaled_up": True}, id="jittered"),
    pytest.param({"posture": "shedding"}, id="shedding"),
    pytest.param({"posture": "giving-up"}, id="giving-up"),
)


@pytest.mark.parametrize("cure", CURES)
def test_each_cure_ends_it(cure: dict[str, Any]) -> None:
    """No retries, refusing early, dropping what is too old: each alone; few retries far apart with the half more capacity."""
    seen = night(**cure)
    assert seen.between("00:10", "00:30", NEW).bad > 0
    assert is_up(seen.between(*LATER, NEW))
