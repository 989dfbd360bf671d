"""Gates on the steps: what a fault must have done for a run to have tested anything."""

from __future__ import annotations

import pytest

from brownout.harness.judge import step_gates
from brownout.harness.judge.steps import step_results
from brownout.harness.judge.surprises import surprises
from brownout.harness.record.result import Exposure
from support.slo_builders import (
    BASELINE,
    END,
    FAULT,
    RECOVERY,
    act,
    document,
    experiment,
    history,
    outage,
    requests,
    whole_life,
)

ROLL = document()["schedule"][0]


def bite(events, found=(), *, phases=None, schedule=None):
    slo = {**document()["slos"][0], **({"phases": phases} if phases else {})}
    plan = experiment(slos=[slo], schedule=[ROLL] if schedule is None else schedule)
    record = history(found, events)
    steps = step_results(plan, record)
    return step_gates.bite(plan, plan.postures["broken"], steps, surprises=surprises(plan, record))


@pytest.mark.parametrize(
    ("start_s", "end_s", "phases", "passed"),
    [
        (FAULT, RECOVERY, None, True),
        (FAULT - 60, FAULT + 1, None, True),
        (FAULT - 60, FAULT - 1, None, False),
        (FAULT - 60, FAULT, None, False),
        (END, END + 9, None, False),
        (RECOVERY, RECOVERY + 60, ["recovery"], False),
        (END + 5, END + 9, None, False),
        (FAULT, RECOVERY, ["recovery"], False),
        (FAULT, RECOVERY + 90, ["recovery"], True),
    ],
)
def test_a_fault_is_in_place_while_something_is_judged(start_s, end_s, phases, passed):
    """Before, after and between the judged phases it touches no figure."""
    gate = bite(whole_life(start_s, end_s), phases=phases)
    assert gate.passed is passed
    assert passed or "no objective is judged over that time" in gate.reason


def test_a_fault_that_came_too_late_says_how_late():
    """It was planned for the fault phase and went in after the end of the load."""
    assert "2405 s later than planned" in bite(whole_life(END + 5, END + 9)).reason


def test_a_schedule_without_a_fault_tests_nothing():
    """Neither no step at all nor operations alone."""
    operation = {**ROLL, "role": "operation"}
    for schedule, events in (([], []), ([operation], whole_life())):
        gate = bite(events, schedule=schedule)
        assert not gate.passed
        assert "no step of role fault" in gate.reason


def unchanged(*others):
    """The life of a step that asked for what was there, on the same carrier as other steps."""
    life = whole_life()
    told = [act(FAULT, "intended", unchanged="sydney ran build 1.0 already"), act(FAULT, "applied", carriers=["control:d"])]
    return [*life[:1], *told, *life[3:], *others]


def test_a_fault_that_changes_nothing_tests_nothing():
    """The state before was the one asked for; unless another step acted on the same carrier meanwhile."""
    gate = bite(unchanged())
    assert not gate.passed
    assert "roll changed nothing: sydney ran build 1.0 already" in gate.reason
    assert bite(unchanged(act(FAULT + 60, "applied", "roll-out", carriers=["control:d"]))).passed
    assert not bite(unchanged(act(FAULT + 60, "applied", "other", carriers=["control:e"]))).passed
    assert not bite(unchanged(act(FAULT - 60, "applied", "earlier", carriers=["control:d"]))).passed
    assert not bite(unchanged(act(FAULT, "applied", "at once", carriers=["control:d"]))).passed


def test_a_step_that_was_to_have_no_effect_and_fails_a_cohort_is_not_as_declared():
    """All of its requests fail from the step on: the gate names the cohort and the figures."""
    harmless = {**ROLL, "bite": "none-expected"}
    gate = bite(whole_life(), outage(), schedule=[harmless])
    assert not gate.passed
    assert "roll was to have no effect, and new failed 0 % before and 100 % while it was in place" in gate.reason
    assert bite(whole_life(), requests(BASELINE, END), schedule=[harmless]).passed
    assert bite(whole_life(), outage(), schedule=[ROLL]).passed


@pytest.mark.parametrize("found", [requests(FAULT, END, False), requests(BASELINE, FAULT)])
def test_a_cohort_that_asked_on_one_side_of_a_step_only_is_no_surprise(found):
    """With no request before or none after there is nothing to compare."""
    assert bite(whole_life(), found, schedule=[{**ROLL, "bite": "none-expected"}]).passed


def test_of_two_harmless_steps_at_one_moment_both_are_named():
    """Neither hides the other, though no request lies between them; an effective step at that moment explains the failures."""
    twin = {**ROLL, "name": "twin", "bite": "none-expected"}
    events = [*whole_life(), *whole_life(FAULT + 0.001, RECOVERY, "twin")]
    both = bite(events, outage(), schedule=[{**ROLL, "bite": "none-expected"}, twin]).reason
    assert "roll was to have no effect" in both
    assert "twin was to have no effect" in both
    assert bite(events, outage(), schedule=[ROLL, twin]).passed


def test_a_failure_by_chance_is_no_surprise():
    """One failure in ten minutes is within what chance explains."""
    found = [*requests(BASELINE, FAULT), *requests(FAULT, FAULT + 1, False), *requests(FAULT + 1, END)]
    assert bite(whole_life(), found, schedule=[{**ROLL, "bite": "none-expected"}]).passed


def test_the_more_is_compared_the_more_it_takes_to_be_a_surprise():
    """Seven failures in ten minutes are one beside a single comparison, and may be chance beside two."""
    found = [*requests(BASELINE, FAULT + 10), *requests(FAULT + 10, FAULT + 17, False), *requests(FAULT + 17, END)]
    harmless, twin = ({**ROLL, "name": name, "bite": "none-expected"} for name in ("roll", "twin"))
    events = [*whole_life(), *whole_life(FAULT + 0.001, RECOVERY, "twin")]
    assert not bite(whole_life(), found, schedule=[harmless]).passed
    assert bite(events, found, schedule=[harmless, twin]).passed


def test_a_surprise_is_of_the_cohort_that_failed_and_of_a_step_that_was_in_place():
    """Another cohort's failures hurt only that one; a step that was intended and never applied hurt none."""
    harmless = {**ROLL, "bite": "none-expected"}
    cohorts = [{"name": name, "model": "token", "region": "sydney", "rate_per_s": 1.0} for name in ("new", "old")]
    plan = experiment(schedule=[harmless], load={"cohorts": cohorts})
    found = [*requests(BASELINE, END), *outage(cohort="old")]
    assert surprises(plan, history(found, whole_life())) == {
        "roll": "old failed 0 % before and 100 % while it was in place",
    }
    for events in ([], whole_life()[:2]):
        assert surprises(plan, history(found, events)) == {}


def test_a_declared_lack_of_exposure_holds_or_fails_the_gate():
    """Whoever expects none gets an inconclusive run when somebody met it, and the other way round."""
    declared = {**ROLL, "exposure": "none-expected", "exposure_reason": "clients do without it"}

    def gate(step, state):
        plan = experiment(schedule=[step])
        (result,) = step_results(plan, history((), whole_life()))
        exposure = Exposure(state=state, text="some text", cohorts=())
        return step_gates.exposure(plan.schedule, [result.model_copy(update={"exposure": exposure})]).passed

    assert [gate(ROLL, state) for state in ("met", "spared", "not-exercised")] == [True, True, False]
    assert [gate(declared, state) for state in ("met", "spared", "not-exercised")] == [False, False, True]


@pytest.mark.parametrize(
    ("events", "passed", "words"),
    [
        ([*whole_life()[1:]], False, "the record does not say what it concerned"),
        ([], False, "roll was never in place"),
        ([act(FAULT, "intended"), act(FAULT, "defended")], True, "the system refused it"),
    ],
)
def test_what_was_not_measured_is_no_exposure(events, passed, words):
    """A fault without a recorded reach or carriers, and one that was never reached; a refusal alone is no lack of exposure."""
    plan = experiment()
    gate = step_gates.exposure(plan.schedule, step_results(plan, history((), events)))
    assert gate.passed is passed
    assert words in gate.reason


@pytest.mark.parametrize(
    ("lasted_s", "rate", "passed"),
    [(9.0, 1.0, True), (9.0, 100.0, True), (10.0, 1.0, True), (10.0, 1.01, False), (100.0, 10.0, True), (100.0, 10.1, False)],
)
def test_a_clock_is_too_fast_where_a_client_rides_a_fault_out_that_would_outlast_it(lasted_s, rate, passed):
    """A client waits for ten seconds of network time; a fault that is shorter than that at rate 1 is not its affair."""
    plan = experiment(load={**document()["load"], "deadline": "10s"})
    (step,) = step_results(plan, history((), whole_life(FAULT, FAULT + lasted_s)))
    found = step_gates.clock_rate(plan, [step], rate, end_s=step.applied_s + 1e6)
    assert (found is None) is passed
    open_ended = step.model_copy(update={"released_s": None})
    assert (step_gates.clock_rate(plan, [open_ended], rate, end_s=step.applied_s + lasted_s) is None) is passed
    mitigation = step.model_copy(update={"role": "mitigation"})
    assert step_gates.clock_rate(plan, [mitigation], rate, end_s=step.applied_s + lasted_s) is None
    assert step_gates.clock_rate(plan, [step.model_copy(update={"applied_s": None})], rate, end_s=0.0) is None
    if found is not None:
        assert (found.name, found.passed, found.severity) == ("clock-rate", False, "inconclusive")
        assert f"roll was in place for {lasted_s / rate:.2g} s of network time ({lasted_s:,.0f} s emulated)" in found.reason


@pytest.mark.parametrize(("late_s", "words"), [(0.4, ""), (1.0, ", 1 s later than planned,")])
def test_a_delay_is_told_from_a_second_on(late_s, words):
    """A fault that was in place outside of what is judged says from when to when, and how late it came."""
    gate = bite(whole_life(FAULT + late_s, RECOVERY), phases=["recovery"])
    assert (
        gate.reason
        == f"roll was in place from 00:20:0{int(late_s)}{words} until 00:40:00, and no objective is judged over that time"
    )


def test_the_reasons_of_gates_that_pass_count_the_steps():
    """One, or all of several; and each fault's exposure with its words."""
    operation = {**ROLL, "name": "look", "role": "operation"}
    assert bite(whole_life()).reason == "the step did as declared"
    assert bite([*whole_life(), *whole_life(step="look")], schedule=[ROLL, operation]).reason == "all 2 steps did as declared"
    plan = experiment(schedule=[ROLL, operation])
    steps = step_results(plan, history((), [*whole_life(), *whole_life(step="look")]))
    exposed = [step.model_copy(update={"exposure": Exposure(state="met", text="all met it", cohorts=())}) for step in steps]
    assert step_gates.exposure(plan.schedule, exposed).reason == "roll: all met it"
