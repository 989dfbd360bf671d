"""What a control run brings of its own is checked as the experiment's own is, with its place in the file."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.base.pydantic_errors import dotted
from brownout.harness.experiment.checks import check
from brownout.harness.run.prepare import derive, prepare_control
from support.quiet_faults import Quiet
from support.small_day import small_day

PODS = {"region": "sydney", "scale_set": True, "identities": ["pods-id"], "pods": True}
FRESH = {
    "name": "pods",
    "model": "workload-identity",
    "region": "sydney",
    "rate_per_s": 0.2,
    "machines": ["pods"],
    "fresh": True,
}


def small(**control: Any) -> Any:
    return small_day(controls={"other": {"posture": "repaired", **control}})


def problems(**control: Any) -> list[tuple[str, str]]:
    found, _ = check(small(**control), {"x": Quiet})
    return [(dotted(problem.path), problem.text) for problem in found]


def test_a_sound_addition_is_no_problem() -> None:
    """Machines and cohorts of a control run are its own."""
    assert problems(add_machines={"pods": PODS}, add_cohorts=[FRESH]) == []


@pytest.mark.parametrize(
    ("control", "path", "words"),
    [
        ({"add_machines": {"web": {"region": "sydney"}}}, "add_machines.web", "has machines called 'web' already"),
        ({"add_machines": {"pods": {"region": "perth"}}}, "add_machines.pods", "no region 'perth'"),
        ({"add_machines": {"pods": {"region": "sydney", "pods": True}}}, "add_machines.pods", "a user-assigned identity"),
        ({"add_cohorts": [FRESH]}, "add_cohorts[0].machines", "no machine 'pods'"),
        ({"add_cohorts": [{**FRESH, "rate_per_s": 1e5}]}, "add_cohorts", "1,020,000,000 requests are planned, more than"),
        ({"add_cohorts": [{**FRESH, "name": "warm"}]}, "add_cohorts[0].name", "already a cohort called 'warm'"),
        ({"add_cohorts": [FRESH, FRESH]}, "add_cohorts[1].name", "already a cohort called 'pods'"),
        ({"add_cohorts": [{**FRESH, "region": "perth"}]}, "add_cohorts[0].region", "no region 'perth'"),
        ({"add_cohorts": [{**FRESH, "endpoint": "arc"}]}, "add_cohorts[0].endpoint", "no workload-identity endpoint"),
        ({"add_cohorts": [{**FRESH, "model": "iam", "machines": []}]}, "add_cohorts[0].model", "need the vendor aws"),
        ({"cohorts": ["warn"]}, "cohorts[0]", "no cohort 'warn'"),
        ({"cohorts": []}, "cohorts", "no cohort is left"),
        ({"end": "01:59", "drop": ["late"]}, "end", "fault 01:00:00 and recovery 02:00:00 must lie in that order"),
        ({"end": "03:01"}, "end", "must lie in that order between baseline and end"),
        ({"recovery": "01:30", "end": "01:45"}, "end", "step 'held' would still be in place"),
        (
            {"add_machines": {"pods": {**PODS, "pods": False}}, "add_cohorts": [FRESH]},
            "add_cohorts[0].machines",
            "'pods' runs no pods",
        ),
    ],
)
def test_what_it_cannot_add_is_refused(control: dict[str, Any], path: str, words: str) -> None:
    """The problem stands at the key of the control run."""
    found = problems(**control)
    assert found, "nothing was found"
    assert found[0][0] == f"controls.other.{path}"
    assert words in found[0][1]


def test_its_cohorts_have_their_own_rates_beside_the_thinned_ones() -> None:
    """The share of the load is that of the experiment's cohorts; the experiment itself has none of its machines."""
    made = small(add_machines={"pods": PODS}, add_cohorts=[FRESH], load_scale=0.5)
    derived = derive(made, made.controls["other"])
    assert [(cohort.name, cohort.rate_per_s) for cohort in derived.load.cohorts] == [("warm", 0.25), ("pods", 0.2)]
    assert set(derived.machines) - set(made.machines) == {"pods"}


def test_it_may_have_some_of_the_experiments_cohorts_or_none() -> None:
    """Those that are left are thinned as before, and its own stay."""
    load = {"cohorts": [{"name": name, "model": "token", "region": "sydney", "rate_per_s": 0.5} for name in ("a", "b")]}
    own = {"posture": "repaired", "add_machines": {"pods": PODS}, "add_cohorts": [FRESH], "load_scale": 0.5}
    made = small_day(load=load, controls={"one": {**own, "cohorts": ["b"]}, "none": {**own, "cohorts": []}})
    found = {name: derive(made, control).load.cohorts for name, control in made.controls.items()}
    assert [(cohort.name, cohort.rate_per_s) for cohort in found["one"]] == [("b", 0.25), ("pods", 0.2)]
    assert [(cohort.name, cohort.rate_per_s) for cohort in found["none"]] == [("pods", 0.2)]


def test_it_may_end_earlier_without_the_steps_from_there_on() -> None:
    """A step that begins at its end is left out, and one that has ended by then is kept."""
    control = {"drop": ["held"], "add": [{"name": "own", "at": "01:00", "until": "01:45", "role": "fault", "fault": "x"}]}
    made = small(**control, recovery="01:30", end="01:45")
    assert not check(made, {"x": Quiet})[0]
    derived = derive(made, made.controls["other"])
    assert [step.name for step in derived.schedule] == ["own"]
    assert derived.timeline.end == 6300
    at_its_end = small(**control, recovery="01:30", end="02:00")
    assert [step.name for step in derive(at_its_end, at_its_end.controls["other"]).schedule] == ["own"]


def test_an_experiment_without_machines_keeps_those_of_every_stack() -> None:
    """Adding to what a stack has anyway takes nothing away."""
    control = {"posture": "plain", "add_machines": {"pods": PODS}, "add_cohorts": [FRESH], "drop": ["late", "held"]}
    made = small_day(
        {"machines": ["web"]},
        machines={},
        posture="plain",
        controls={"other": control},
        postures={"plain": {"description": "x", "expect": "pass"}},
    )
    names = [machine.name for machine in prepare_control(made, "other", seed=1).stack.machines]
    assert {"web-1", "batch", "scaleout", "pods"} <= set(names)
