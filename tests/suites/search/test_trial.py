"""A trial: the run of `brownout run` without what only a report needs, and without the checks that its ground has passed."""

from __future__ import annotations

import gc

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.checks import checked
from brownout.suites.search import trial
from brownout.suites.search.campaign import Plan
from brownout.suites.search.corpus import CorpusCase, cases
from brownout.suites.search.grounds import ground, names
from brownout.suites.search.schedule import FaultSchedule, experiment_of
from brownout.suites.search.trial import TOLD_BY_STEPS, carried_out, tried

DRAWN = tuple(
    schedule for chunk in range(2 * len(names())) for schedule in Plan(grounds=names(), seed=3, size=2).schedules(chunk)
)


def told_by_the_report(schedule: FaultSchedule) -> set[str]:
    """What the whole result of the schedule's run says was violated, but for steps."""
    result = carried_out(schedule, ground(schedule.ground)).result
    if result is None:
        return set()
    found = {f"invariant:{each.name}" for each in result.invariants if each.status == "violated"}
    found |= {f"objective:{each.name}" for each in result.slos if each.status == "breached"}
    failed = (each for each in result.gates if not each.passed and each.severity != "inconclusive")
    return found | {f"gate:{each.name}" for each in failed if each.name != TOLD_BY_STEPS}


@pytest.mark.parametrize("schedule", [*(case.schedule for case in cases()), *DRAWN], ids=lambda schedule: schedule.label()[:60])
def test_a_trial_finds_what_the_report_of_its_run_would_say(schedule: FaultSchedule) -> None:
    """Violations and what is allowed are together those of the result, with the report left out."""
    seen = carried_out(schedule, ground(schedule.ground))
    broken = {each.broken for each in (*seen.violations, *(allowed for allowed, _ in seen.allowed))}
    assert {each for each in broken if each.split(":")[0] in ("invariant", "objective", "gate")} == told_by_the_report(schedule)


@pytest.mark.parametrize("schedule", DRAWN, ids=lambda schedule: schedule.label()[:60])
def test_a_schedule_is_refused_as_its_file_would_be(schedule: FaultSchedule) -> None:
    """The ground is checked once and each schedule for itself; a whole check of both finds the same."""
    place = ground(schedule.ground)
    try:
        checked(experiment_of(schedule, place.experiment), plugins.faults())
    except UsageError as wrong:
        refused = wrong.message
    else:
        refused = ""
    assert carried_out(schedule, place).refused == refused


@pytest.mark.parametrize("case", cases()[:2], ids=lambda case: case.name)
def test_a_schedule_that_is_checked_with_its_ground_has_the_same_history(case: CorpusCase) -> None:
    """The experiment as a whole and the schedule on its ground are one run."""
    place = ground(case.schedule.ground)
    whole = tried(experiment_of(case.schedule, place.experiment), seed=case.schedule.seed, kinds=case.schedule.kinds())
    alone = carried_out(case.schedule, place)
    assert whole.record is not None
    assert whole == alone


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_as_it_was_after_a_trial(was_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is off during a trial, whatever that ends in, and is not switched on for a caller who had it off."""
    seen: list[bool] = []

    def broken(*_: object) -> None:
        seen.append(gc.isenabled())
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "simulate_in_memory", broken)
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with pytest.raises(KeyboardInterrupt):
            carried_out(cases()[0].schedule, ground(cases()[0].schedule.ground))
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [False]
