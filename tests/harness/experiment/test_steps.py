"""The schedule as a run follows it: steps with their faults, moments in order."""

from __future__ import annotations

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.steps import PhaseStart, StepEnd, StepStart, moments, resolve_steps
from support.quiet_faults import QUIET_FAULTS
from support.small_day import small_day


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "faults", lambda: QUIET_FAULTS)


def test_moments_are_in_order_with_ties_as_promised() -> None:
    """At one instant a phase begins first, then steps end, then steps start."""
    day = small_day()
    seen = [
        ("phase", moment.name) if isinstance(moment, PhaseStart) else (type(moment), moment.resolved.step.name)
        for moment in moments(day.timeline, resolve_steps(day.schedule))
    ]
    assert seen == [
        ("phase", "baseline"),
        ("phase", "onset"),
        (StepStart, "held"),
        ("phase", "fault"),
        ("phase", "heal"),
        (StepEnd, "held"),
        (StepStart, "late"),
        ("phase", "recovery"),
    ]


def test_times_are_on_the_experiments_day() -> None:
    """Moments are emulated epoch seconds of the day that the file names."""
    assert moments(small_day().timeline, ())[0].at_s == 1_720_742_400.0 + 600


def test_a_step_without_an_end_lasts_until_the_end_of_the_timeline() -> None:
    """Every start says until when its fault is to stay."""
    day = small_day()
    starts = [moment for moment in moments(day.timeline, resolve_steps(day.schedule)) if isinstance(moment, StepStart)]
    midnight_s = day.timeline.epoch_s()
    assert [start.until_s - midnight_s for start in starts] == [2 * 3600, 3 * 3600]


def test_a_step_that_was_built_is_not_built_again() -> None:
    """An equal step brings its fault along; a step that differs in any way gets a fault of its own."""
    day = small_day()
    built = resolve_steps(day.schedule)
    again = resolve_steps(small_day().schedule, built)
    assert all(one.fault is other.fault for one, other in zip(built, again, strict=True))
    (changed,) = resolve_steps([day.schedule[0].model_copy(update={"note": "another"})], built)
    assert changed.fault is not built[0].fault


def test_an_unknown_fault_is_refused_with_a_suggestion() -> None:
    """A schedule that was not read from a file is checked too."""
    wrong = small_day().schedule[0].model_copy(update={"fault": "X"})
    with pytest.raises(UsageError, match="there is no fault 'X'"):
        resolve_steps([wrong])
