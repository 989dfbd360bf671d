"""An experiment as data: postures by name, clock rates by world, and dumps in the file's own keys."""

from __future__ import annotations

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from support.small_day import small_day


def test_a_dump_is_a_sound_file_again() -> None:
    """An experiment dumped by alias validates to an equal experiment."""
    day = small_day()
    assert Experiment.model_validate_json(day.model_dump_json(by_alias=True)) == day
    assert Experiment.model_validate(day.model_dump(by_alias=True)) == day


def test_units_are_in_the_attributes_and_not_in_the_file() -> None:
    """The file writes a duration with its unit, so its keys need none."""
    alert = {"of": {}, "target": 0.99, "long": "5m", "short": "500ms"}
    day = small_day(alerts={"a": alert}, gates={"lag_p99": "20ms"})
    assert (day.alerts["a"].long_s, day.alerts["a"].short_s) == (300.0, 0.5)
    assert (day.gates.lag_p99_s, day.load.deadline_s, day.timeline.edge_s) == (0.02, 2.0, 300.0)
    dumped = day.model_dump(mode="json", by_alias=True)
    assert (dumped["alerts"]["a"]["long"], dumped["gates"]["lag_p99"]) == ("300.0s", "0.02s")
    assert (dumped["load"]["deadline"], dumped["timeline"]["edge"]) == ("2.0s", "300.0s")


def test_the_posture_is_the_experiments_own_or_the_named_one() -> None:
    """No name means the experiment's; an unknown one gets a suggestion."""
    assert small_day().posture_named("")[0] == "fragile"
    assert small_day().posture_named("repaired") == ("repaired", small_day().postures["repaired"])
    with pytest.raises(UsageError) as refused:
        small_day().posture_named("repared")
    assert "repaired" in refused.value.hint


@pytest.mark.parametrize(
    ("rates", "world", "rate"),
    [
        ({}, "processes", 1.0),
        ({"processes": 200}, "processes", 200.0),
        ({"processes": 200}, "compose", 200.0),
        ({"processes": 200, "compose": 100}, "compose", 100.0),
        ({"processes": 200}, "simulation", 1.0),
    ],
)
def test_containers_run_at_the_rate_of_processes_unless_they_have_one(rates: dict[str, int], world: str, rate: float) -> None:
    """Every other world that is not named runs at the rate of life."""
    timeline = small_day().timeline.model_copy(update={"rates": rates})
    assert timeline.rate(world) == rate
