"""The baselines of the bundled experiments are wide enough for the gate that asks whether all was well before the fault."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.experiment.plugins import experiments
from brownout.harness.judge.gates import STEADY_STATE_TOTAL_MIN

RARELY = 0.001  # an objective's share of runs that the gate may stop for want of requests


def weights(experiment: Experiment, slo: Slo) -> Iterator[float]:
    """The rate of each cohort's requests that this objective counts."""
    counted = slo.indicator.ratioMetric.total
    for cohort in experiment.load.cohorts:
        if counted.cohorts and cohort.name not in counted.cohorts:
            continue
        mix = cohort.mix or {}
        asked = sum(weight for name, weight in mix.items() if not counted.operations or name in counted.operations)
        yield cohort.rate_per_s * (asked / sum(mix.values()) if mix else 1.0)


def short_of(least: int, mean: float) -> float:
    """The chance of fewer than `least` arrivals where so many are expected."""
    return sum(math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) for count in range(least))


@pytest.mark.parametrize("name", sorted(experiments()))
def test_chance_hardly_ever_leaves_a_baseline_too_thin(name: str) -> None:
    """Each objective has the requests that the gate needs but in one run of a thousand: no seed is wasted on luck."""
    experiment = load(find(name))
    baseline = phase_windows(experiment.timeline)[0]
    expected = {slo.name: sum(weights(experiment, slo)) * (baseline.end_s - baseline.start_s) for slo in experiment.slos}
    thin = {name: mean for name, mean in expected.items() if short_of(STEADY_STATE_TOTAL_MIN, mean) > RARELY}
    assert not thin
