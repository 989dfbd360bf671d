"""An experiment's load on a stack: machines of cohorts, and the caches that established machines start with."""

from __future__ import annotations

import math
from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.load_plan import load_plan, primed_tokens
from brownout.harness.experiment.model import Experiment
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import StackSpec
from support.small_day import small_day


def stack(made: Experiment, posture: str, *, seed: int) -> StackSpec:
    return build_stack(seed=seed, settings=made.postures[posture].settings, machines=made.machines)


def planned(cohort: dict[str, Any]) -> tuple[str, ...]:
    made = small_day(cohort)
    return load_plan(made, stack(made, "repaired", seed=1)).cohorts[0].machines


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
    made = small_day()
    spec = stack(made, posture, seed=3)
    tokens = primed_tokens(load_plan(made, spec), spec)
    ages = [token["age_s"] for token in tokens["sydney"]]
    assert set(tokens) == {"sydney"}
    assert sorted(token["machine"] for token in tokens["sydney"]) == sorted(f"web-{number}" for number in range(1, 41))
    assert 0 <= min(ages) <= max(ages) <= oldest_s
    assert abs(math.fsum(ages) / len(ages) - oldest_s / 2) < 4 * oldest_s / math.sqrt(12 * len(ages))


def test_fresh_and_management_cohorts_are_not_primed() -> None:
    """Only machines that hold tokens get any."""
    for cohort in ({"machines": ["fleet"], "fresh": True}, {"model": "management", "mix": {"list": 1}}):
        made = small_day(cohort)
        spec = stack(made, "repaired", seed=3)
        assert primed_tokens(load_plan(made, spec), spec) == {}
