"""From an experiment to what a run does: moments in order, machines of cohorts, primed tokens, derived controls."""

from __future__ import annotations

import math
from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.prepare import derive, load_plan, moments, posture_of, primed_tokens, stack_of
from brownout.identity.core.settings import Settings

DAY: dict[str, Any] = {
    "schema": "brownout/experiment/v1",
    "name": "small",
    "title": "A small one",
    "timeline": {
        "date": "2024-07-12",
        "warm_up": "00:00",
        "baseline": "00:10",
        "fault": "01:00",
        "recovery": "02:00",
        "end": "03:00",
        "edge": "5m",
    },
    "posture": "fragile",
    "postures": {
        "fragile": {"description": "x", "expect": "breach", "settings": {"host_refresh_fraction": 1.0}},
        "repaired": {"description": "y", "expect": "pass"},
    },
    "machines": {
        "web": {"region": "sydney", "count": 40},
        "batch": {"region": "sydney", "identities": ["a", "b"]},
        "south": {"region": "melbourne"},
        "fleet": {"region": "sydney", "scale_set": True},
    },
    "schedule": [
        {"name": "late", "at": "02:00", "role": "mitigation", "fault": "x"},
        {"name": "held", "at": "01:00", "until": "02:00", "role": "fault", "fault": "x"},
    ],
    "load": {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.5, "machines": ["web"]}]},
    "slos": [
        {
            "name": "s",
            "indicator": {"ratioMetric": {"total": {"cohorts": ["warm"]}}},
            "objectives": [{"target": 0.99}],
        }
    ],
}


def experiment(cohort: dict[str, Any] | None = None, **changed: Any) -> Experiment:
    raw = {**DAY, **changed}
    if cohort is not None:
        raw["load"] = {"cohorts": [{"name": "c", "model": "token", "region": "sydney", "rate_per_s": 0.5, **cohort}]}
    return Experiment.model_validate(raw)


def planned(cohort: dict[str, Any]) -> tuple[str, ...]:
    made = experiment(cohort)
    plan = load_plan(made, stack_of(made, made.postures["repaired"], seed=1), user_token="t")
    return plan.cohorts[0].machines


def test_moments_are_in_order_with_ties_as_promised() -> None:
    """At one instant a phase begins first, then steps are released, then applied."""
    seen = [(moment.kind, moment.name) for moment in moments(experiment())]
    assert seen == [
        ("phase", "baseline"),
        ("phase", "onset"),
        ("apply", "held"),
        ("phase", "fault"),
        ("phase", "heal"),
        ("release", "held"),
        ("apply", "late"),
        ("phase", "recovery"),
    ]


def test_times_are_on_the_experiments_day() -> None:
    """Moments are emulated epoch seconds of the day that the file names."""
    first = moments(experiment())[0]
    assert first.at_s == 1_720_742_400.0 + 600


def test_the_posture_is_the_experiments_own_or_the_named_one() -> None:
    """No name means the experiment's; an unknown one gets a suggestion."""
    assert posture_of(experiment(), None)[0] == "fragile"
    assert posture_of(experiment(), "repaired")[0] == "repaired"
    with pytest.raises(UsageError) as refused:
        posture_of(experiment(), "repared")
    assert "repaired" in refused.value.hint


def test_a_postures_settings_win_over_the_experiments() -> None:
    """Settings of the file are the ground, the posture's lie over them."""
    made = experiment(settings={"host_refresh_fraction": 0.25, "key_overlap_s": 5})
    found = Settings.of(stack_of(made, made.postures["fragile"], seed=1).settings)
    assert (found.host_refresh_fraction, found.key_overlap_s) == (1.0, 5)


@pytest.mark.parametrize(
    ("cohort", "count"),
    [
        ({"machines": ["web"]}, 40),
        ({"machines": ["web-7"]}, 1),
        ({"machines": ["web-7", "batch"]}, 2),
        ({"machines": ["fleet"], "fresh": True}, 1),
        ({}, 40),
        ({"fresh": True}, 1),
        ({"model": "management", "mix": {"list": 1}}, 0),
        ({"model": "management", "mix": {"assign": 1}}, 40),
        ({"model": "provision"}, 0),
    ],
)
def test_a_cohorts_machines(cohort: dict[str, Any], count: int) -> None:
    """A counted name means all of them; no name means every machine of the region that gets a token without a selector."""
    assert len(planned(cohort)) == count


@pytest.mark.parametrize(
    ("cohort", "words", "hint"),
    [
        ({"machines": ["wbe"]}, "no machine 'wbe'", "web"),
        ({"machines": ["web"], "fresh": True}, "fresh machines come from a scale set", ""),
        ({"machines": ["fleet"]}, "is a scale set", "fresh: true"),
        ({"machines": ["south"]}, "'south' is in melbourne", "own region"),
        ({"machines": ["web"], "region": "perth"}, "no region 'perth'", "sydney"),
        ({"region": "melbourne", "fresh": True}, "no scale sets for it", "machines: "),
    ],
)
def test_a_cohort_that_cannot_be_is_refused(cohort: dict[str, Any], words: str, hint: str) -> None:
    """A cohort whose requests could never succeed is an error of the file, not a failing service."""
    with pytest.raises(UsageError) as refused:
        planned(cohort)
    assert words in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(("posture", "oldest_s"), [("repaired", 0.5 * 86399), ("fragile", 86399 - 300)])
def test_established_machines_have_tokens_of_every_age(posture: str, oldest_s: float) -> None:
    """Ages are even from new to the refresh point (or the margin before the end), one token for each machine."""
    made = experiment()
    spec = stack_of(made, made.postures[posture], seed=3)
    tokens = primed_tokens(load_plan(made, spec, user_token="t"), spec)
    ages = [token["age_s"] for token in tokens["sydney"]]
    assert set(tokens) == {"sydney"}
    assert sorted(token["machine"] for token in tokens["sydney"]) == sorted(f"web-{number}" for number in range(1, 41))
    assert 0 <= min(ages) <= max(ages) <= oldest_s
    assert abs(math.fsum(ages) / len(ages) - oldest_s / 2) < 4 * oldest_s / math.sqrt(12 * len(ages))


def test_fresh_and_management_cohorts_are_not_primed() -> None:
    """Only machines that hold tokens get any."""
    for cohort in ({"machines": ["fleet"], "fresh": True}, {"model": "management", "mix": {"list": 1}}):
        made = experiment(cohort)
        spec = stack_of(made, made.postures["repaired"], seed=3)
        assert primed_tokens(load_plan(made, spec, user_token="t"), spec) == {}


def test_a_control_is_the_experiment_with_its_changes() -> None:
    """A control drops and adds steps, thins the load, moves borders and takes its own posture; it has no controls itself."""
    control = {
        "posture": "repaired",
        "drop": ["late"],
        "add": [{"name": "extra", "at": "00:30", "role": "operation", "fault": "x"}],
        "settings": {"key_overlap_s": 9},
        "load_scale": 0.5,
        "fault": "01:10",
    }
    made = experiment(controls={"other": control}, claims="c")
    derived = derive(made, made.controls["other"])
    assert [step.name for step in derived.schedule] == ["extra", "held"]
    assert derived.load.cohorts[0].rate_per_s == 0.25
    assert (derived.timeline.fault, derived.timeline.recovery) == (4200, 7200)
    assert (derived.posture, derived.claims, dict(derived.controls)) == ("repaired", "", {})
    assert derived.settings == {"key_overlap_s": 9}
    assert derived.gates.steady_state is False
    assert made.load.cohorts[0].rate_per_s == 0.5
