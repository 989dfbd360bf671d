"""Objectives, gates and the verdict, each row of the table and each neighbour."""

from __future__ import annotations

import pytest

from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge import gates, step_gates
from brownout.harness.judge.gates import LoadRecord
from brownout.harness.judge.steps import lives, step_results
from brownout.harness.judge.verdict import PASS_ONLY_GATES, Judged, _status, judge_slos, overall
from brownout.harness.record.result import Exposure, FaultWindow, GateResult, Interval, InvariantResult, SloResult
from support.slo_builders import (
    BASELINE,
    END,
    FAULT,
    RECOVERY,
    T0,
    act,
    document,
    experiment,
    history,
    outage,
    request,
    requests,
    whole_life,
)

HEALTHY = {"planned": 1000.0, "issued": 1000.0, "lag_p99_ms": 3.0, "cpu_share": 0.3}


def slo(status="met", **changes):
    fields = {"name": "tokens", "target": 0.99, "total": 1000, "bad": 0, "ratio": 0.0, "budget_spent": 0.0}
    return SloResult(**{**fields, "interval": None, "status": status, "reason": "because", **changes})


def gate(name="generator-lag", passed=True, severity="inconclusive"):
    return GateResult(name=name, passed=passed, reason="measured", severity=severity)


def steps(*whats):
    events = [act(FAULT + n, what) for n, what in enumerate(whats)]
    return step_results(experiment(), history((), events))


FINE = steps("intended", "applied", "bitten", "reverting", "reverted", "healed")
STUCK = steps("intended", "applied", "bitten", "reverting", "stuck")


@pytest.mark.parametrize(
    ("found_slos", "found_gates", "found_steps", "verdict"),
    [
        (["met"], [gate()], FINE, "pass"),
        (["met", "undecided"], [gate()], FINE, "inconclusive"),
        (["met", "undecided", "breached"], [gate()], FINE, "breach"),
        (["met"], [gate(passed=False)], FINE, "inconclusive"),
        (["breached"], [gate(passed=False)], FINE, "inconclusive"),
        (["breached"], [gate("steady-state", passed=False)], FINE, "inconclusive"),
        (["breached"], [gate("something-new", passed=False)], FINE, "inconclusive"),
        *((["breached"], [gate(name, passed=False)], FINE, "breach") for name in sorted(PASS_ONLY_GATES)),
        *((["met"], [gate(name, passed=False)], FINE, "inconclusive") for name in sorted(PASS_ONLY_GATES)),
        (["breached"], [gate("acts", passed=False, severity="harness-error")], FINE, "harness-error"),
        (["met"], [gate("acts", passed=True, severity="harness-error")], FINE, "pass"),
        (["breached"], [gate("acts", passed=False, severity="harness-error")], STUCK, "unsafe"),
        (["met"], [gate("clean-teardown", passed=False, severity="unsafe")], FINE, "unsafe"),
        (["met"], [gate()], STUCK, "unsafe"),
    ],
)
def test_the_verdict_table(found_slos, found_gates, found_steps, verdict):
    """unsafe > harness-error > breach > inconclusive > pass, and a breach needs a measurement that can be trusted."""
    found, reasons = overall([slo(status) for status in found_slos], found_gates, found_steps)
    assert found == verdict
    assert reasons


def test_a_distrusted_breach_is_still_told():
    """An inconclusive verdict names the failed gate first and the breach that it took back."""
    _, reasons = overall([slo("breached")], [gate(passed=False)], FINE)
    assert reasons[0].startswith("generator-lag")
    assert "not trusted" in reasons[1]


SPARED = Exposure(state="spared", text="caches answered", cohorts=())
MISSED = FaultWindow(step="cut", start_s=T0, end_s=T0 + 60, total=10, bad=10)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "defended"}, "roll was refused by the system, as this posture declares"),
        ({"state": "skipped", "evidence": "why"}, "roll was not tried (why)"),
        ({"exposure": SPARED}, "roll was spared: caches answered"),
        ({"exposure": SPARED.model_copy(update={"state": "met"})}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("role", ["fault", "mitigation"])
def test_a_pass_says_of_each_fault_why_it_broke_nothing(changes, reason, role):
    """Refused, skipped, or spared; of a mitigation none of that is an excuse, and without one nothing is added."""
    (step,) = FINE
    found = step.model_copy(update={**changes, "role": role})
    verdict, (head, *rest) = overall([slo()], [gate()], [found])
    assert (verdict, head) == ("pass", "the objective met and all 1 gates passed")
    assert rest == ([reason] if reason is not None and role == "fault" else [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exposure": "not-exercised"}, "no judged request of tokens met a fault or needed what it broke"),
        (
            {"exposure": "met", "at_risk": 10},
            "tokens could not have failed: at most 10 of its 1,000 requests needed what broke",
        ),
        (
            {"exposure": "spared", "at_risk": 9},
            "tokens could not have failed: at most 9 of its 1,000 requests needed what broke",
        ),
        ({"exposure": "met", "at_risk": 11}, None),
        ({"exposure": "met", "at_risk": None}, None),
        ({"exposure": None, "at_risk": 0}, None),
        (
            {"phases": ("fault",), "in_faults": (MISSED,)},
            "tokens is met over fault, but within cut (00:00:00 to 00:01:00) 0 % of 10 good",
        ),
    ],
)
def test_a_pass_says_of_each_objective_what_it_is_worth(changes, reason):
    """Nobody met a fault, or so few that all of them could have failed: at 99 % that is ten of a thousand."""
    verdict, (head, *rest) = overall([slo(**changes), slo(name="other")], [gate(), gate()], FINE)
    assert (verdict, head) == ("pass", "all 2 objectives met and all 2 gates passed")
    assert rest == ([] if reason is None else [reason])


def test_violations_and_breaches_are_told_in_that_order_and_nothing_else_is():
    """What held is no reason, and neither is an objective that is met or undecided."""
    kept, broken = (
        InvariantResult(name=name, sentence="s", status=status, exercised=9, violations=3, evidence="seen")
        for name, status in (("I1", "held"), ("I2", "violated"))
    )
    found = [slo(), slo("undecided", name="b"), slo("breached", name="c")]
    assert overall(found, [gate()], FINE, [kept, broken]) == ("breach", ("I2 was violated: seen (1 of 3)", "c: because"))
    assert overall([slo()], [gate()], FINE, [broken])[0] == "breach"
    assert overall([slo()], [gate()], FINE, [kept])[0] == "pass"


def test_a_doubtful_run_tells_failed_gates_then_undecided_objectives_then_what_is_not_trusted():
    """Gates that passed, and those of another severity, are not among them."""
    found = [slo(), slo("undecided", name="b"), slo("breached", name="c")]
    gates_found = [gate("fine"), gate("lag", passed=False)]
    told = ("lag: measured", "b: because", "c: because (not trusted, because a gate failed)")
    assert overall(found, gates_found, FINE) == ("inconclusive", told)


def test_a_fault_that_is_stuck_is_named_unless_a_gate_says_more():
    """Only steps that are stuck are named."""
    stuck = STUCK[0].model_copy(update={"name": "jam"})
    assert overall([slo()], [gate()], [*FINE, stuck]) == ("unsafe", ("jam could not be reverted",))
    told = gate("healed", passed=False, severity="unsafe")
    assert overall([slo()], [told], [*FINE, stuck]) == ("unsafe", ("healed: measured",))


@pytest.mark.parametrize(
    ("total", "bad", "status"),
    [(1000, 0, "met"), (1000, 10, "undecided"), (1000, 40, "breached"), (100, 0, "undecided"), (0, 0, "undecided")],
)
def test_an_objective_needs_a_bound_within_or_beyond_its_budget(total, bad, status):
    """At 99 % an objective is met if the upper bound is within 1 %, breached if the lower is above it, else undecided."""
    found = [request(FAULT + n, n >= bad) for n in range(total)]
    (result,) = judge_slos(experiment(), history(found))
    assert (result.total, result.bad, result.status) == (total, bad, status)


def test_reasons_have_the_figures():
    """A reader sees share, count, bound and target without opening another file."""
    (result,) = judge_slos(experiment(), history([request(FAULT + n, n >= 40) for n in range(1000)]))
    assert result.reason.startswith("96 % of 1,000 good, at most 97 %; target 99 %")
    assert result.budget_spent == pytest.approx(4)
    assert judge_slos(experiment(), history())[0].reason == "no request matched"


def test_an_objective_is_judged_over_its_own_phases():
    """The baseline is not in it unless asked for, and neither is what others do."""
    found = [*outage(), *requests(FAULT, END, False, cohort="warm")]
    alone = document()["slos"][0]
    (default,) = judge_slos(experiment(), history(found))
    (quiet,) = judge_slos(experiment(slos=[{**alone, "phases": ["baseline", "recovery"]}]), history(found))
    assert (default.total, default.bad) == (2400, 1200)
    assert (quiet.total, quiet.bad, quiet.status) == (600 + 1140, 0, "met")


@pytest.mark.parametrize(
    ("name", "check", "changes", "passed"),
    [
        ("generator-lag", gates.generator_lag, {}, True),
        ("generator-lag", gates.generator_lag, {"lag_p99_ms": 50.1}, False),
        ("issued-share", gates.issued_share, {"issued": 990.0}, True),
        ("issued-share", gates.issued_share, {"issued": 989.0}, False),
        ("issued-share", gates.issued_share, {"planned": 0.0, "issued": 0.0}, False),
        ("generator-cpu", gates.generator_cpu, {}, True),
        ("generator-cpu", gates.generator_cpu, {"cpu_share": 0.9}, False),
    ],
)
def test_load_gates_compare_with_their_limits(name, check, changes, passed):
    """Each gauge is held against the experiment's limit."""
    found = check(experiment().gates, LoadRecord({**HEALTHY, **changes}, (), 1000))
    assert (found.name, found.passed) == (name, passed)


@pytest.mark.parametrize("check", [gates.generator_lag, gates.issued_share, gates.generator_cpu])
def test_a_gauge_that_is_missing_fails_its_gate(check):
    """No figure is not a good figure."""
    found = check(experiment().gates, LoadRecord({}, (), 1000))
    assert not found.passed
    assert "left no figures" in found.reason


def test_requests_that_left_no_line_were_not_issued():
    """What the generator claims to have sent counts only with a line in the log."""
    assert not gates.issued_share(experiment().gates, LoadRecord(HEALTHY, (), 900)).passed


def test_any_problem_of_the_load_fails_its_gate():
    """The gate's reason quotes the problems word for word."""
    assert gates.load_problems(LoadRecord(HEALTHY, (), 1)).passed
    found = gates.load_problems(LoadRecord(HEALTHY, ("worker 2 was lost",), 1))
    assert (found.passed, found.reason) == (False, "worker 2 was lost")


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (requests(BASELINE, FAULT), True),
        ([request(BASELINE + n, n >= 2) for n in range(100)], False),
        ([request(BASELINE + n, n >= 1) for n in range(100)], True),
        (requests(BASELINE, BASELINE + 19), False),
        (requests(FAULT, END), False),
    ],
)
def test_steady_state_is_the_objective_met_before_the_fault(found, passed):
    """Enough requests in the baseline, and no more bad ones than the target allows."""
    window = phase_windows(experiment().timeline)[0]
    assert gates.steady_state(experiment(), found, baseline=window).passed is passed


@pytest.mark.parametrize(("total", "status", "passed"), [(299, "met", True), (298, "undecided", False), (5, "breached", True)])
def test_samples_are_needed_to_meet_an_objective_only(total, status, passed):
    """A breach with few requests is a breach all the same."""
    assert gates.samples(experiment(), [slo(status, total=total)]).passed is passed


BITTEN = ["intended", "applied", "bitten", "reverting", "reverted", "healed"]
ABSENT = ["intended", "applied", "not-bitten", "reverting", "reverted", "healed"]


@pytest.mark.parametrize(
    ("posture", "whats", "bites", "passed"),
    [
        ("broken", BITTEN, "required", True),
        ("broken", ABSENT, "required", False),
        ("broken", ABSENT, "none-expected", True),
        ("broken", [], "none-expected", False),
        ("broken", ["intended", "defended"], "required", False),
        ("repaired", ["intended", "defended"], "required", True),
        ("repaired", BITTEN, "required", False),
    ],
)
def test_every_step_must_do_what_the_experiment_says(posture, whats, bites, passed):
    """Bitten, or refused where and only where the posture declares it."""
    plan = experiment(schedule=[{**document()["schedule"][0], "bite": bites}])
    results = step_results(plan, history((), [act(FAULT + n, what) for n, what in enumerate(whats)]))
    assert step_gates.bite(plan, plan.postures[posture], results).passed is passed


def test_a_step_that_was_lost_before_its_revert_did_not_do_as_declared():
    """The gate says when it was last seen and what was found then; neither a pass nor a breach is claimed."""
    lost = act(FAULT + 9, "lost", evidence="link:a->b does not hold it any more", seen_s=T0 + FAULT + 7)
    plan = experiment()
    events = [*whole_life()[:-1], lost, whole_life()[-1]]
    results = step_results(plan, history((), events))
    found = step_gates.bite(plan, plan.postures["broken"], results)
    assert not found.passed
    assert "last seen in force at" in found.reason
    assert found.reason.endswith("link:a->b does not hold it any more")
    assert overall([slo("breached")], [found], results)[0] == "inconclusive"
    assert overall([slo("met")], [found], results)[0] == "inconclusive"


@pytest.mark.parametrize(
    ("whats", "failed_step"),
    [(["intended", "defended"], None), (BITTEN, "failover"), ([], "roll")],
)
def test_a_skipped_step_is_judged_by_the_one_it_needs(whats, failed_step):
    """Skipping is right when what the step needs was refused, wrong when it was there."""
    failover = {"name": "failover", "at": "00:30", "role": "mitigation", "fault": "route", "needs": "roll"}
    plan = experiment(schedule=[document()["schedule"][0], failover])
    events = [*(act(FAULT + n, what) for n, what in enumerate(whats)), act(1800, "skipped", "failover")]
    posture = plan.postures["repaired" if "defended" in whats else "broken"]
    found = step_gates.bite(plan, posture, step_results(plan, history((), events)))
    assert found.passed is (failed_step is None)
    assert found.passed or found.reason.startswith(failed_step)


@pytest.mark.parametrize(("whats", "passed"), [(["skipped"], True), (BITTEN, False), ([], False)])
def test_what_the_posture_skips_must_not_have_been_tried(whats, passed):
    """Skipped as declared; tried all the same, or never reached, the step did not do as declared."""
    failover = {"name": "failover", "at": "00:30", "role": "mitigation", "fault": "route"}
    skipping = {"description": "d", "expect": "breach", "skips": ["failover"]}
    plan = experiment(schedule=[document()["schedule"][0], failover], postures={"broken": skipping})
    events = [
        *(act(FAULT + n, what) for n, what in enumerate(BITTEN)),
        *(act(1800 + n, what, "failover") for n, what in enumerate(whats)),
    ]
    assert step_gates.bite(plan, plan.postures["broken"], step_results(plan, history((), events))).passed is passed


def test_an_act_that_could_not_be_done_is_a_harness_error():
    """The gate carries the severity and the reason of the failure."""
    known = lives([act(FAULT, "intended"), act(FAULT, "failed", evidence="no answer"), act(FAULT, "healed")])
    found = gates.acts(known)
    assert (found.passed, found.severity, found.reason) == (False, "harness-error", "roll failed: no answer")
    assert gates.acts(lives(whole_life())).passed


@pytest.mark.parametrize(
    ("whats", "passed", "severity"),
    [(BITTEN, True, "inconclusive"), (BITTEN[:3], False, "inconclusive"), ([*BITTEN[:4], "stuck"], False, "unsafe")],
)
def test_what_is_left_behind_is_never_overlooked(whats, passed, severity):
    """A stuck fault makes the run unsafe; an undo that was not recorded makes it inconclusive."""
    found = gates.healed(lives([act(FAULT + n, what) for n, what in enumerate(whats)]))
    assert (found.passed, found.severity) == (passed, severity)


def test_the_time_of_day_of_the_builders_is_right():
    """The builders' midnight is the experiment's."""
    assert experiment().timeline.epoch_s() == T0


def short_outage(**changes):
    """A fault of ten seconds in forty minutes, all of which are judged, at a target of 99 %."""
    steps = lives_of(whole_life(FAULT + 60, FAULT + 70))
    found = [*requests(BASELINE, FAULT + 60), *requests(FAULT + 60, FAULT + 70, False), *requests(FAULT + 70, END)]
    return judge_slos(experiment(**changes), history(found), steps=steps, end_s=T0 + END)[0]


def lives_of(acts):
    return step_results(experiment(), history((), acts))


def test_an_objective_that_is_met_names_the_fault_within_which_it_was_missed():
    """Ten failures of 2,400 are within 1 %, and all of those that met the fault failed."""
    found = short_outage()
    (window,) = found.in_faults
    assert found.status == "met"
    assert (window.step, window.start_s - T0, window.end_s - T0) == ("roll", FAULT + 60, FAULT + 70)
    assert (window.bad, window.total, window.ratio) == (10, 10, 1.0)
    text = "within roll (00:21:00 to 00:21:10) 0 % of 10 good"
    assert text in found.reason
    verdict, reasons = overall([found], [], [])
    assert verdict == "pass"
    assert reasons[1] == f"tokens is met over onset, fault, heal, recovery, but {text}"


def test_windows_are_counted_in_whatever_phase_and_without_words_where_the_target_was_reached():
    """A window outside the judged phases is counted too; one without requests, or good enough, is no reason."""
    (slo,) = document()["slos"]
    found = short_outage(slos=[{**slo, "phases": ["recovery"]}])
    assert (found.total, found.in_faults[0].bad) == (END - RECOVERY - 60, 10)
    easy = short_outage(slos=[{**slo, "indicator": {"ratioMetric": {"total": {"cohorts": ["others"]}}}}])
    assert (easy.in_faults[0].total, easy.in_faults[0].ratio, easy.missed_in) == (0, None, ())
    assert "within" not in easy.reason


def test_a_fault_that_was_never_released_ends_with_the_record():
    """Its window ends where the record does."""
    open_life = [act(FAULT, "intended"), act(FAULT, "applied"), act(FAULT + 1, "bitten")]
    found = judge_slos(experiment(), history(outage()), steps=lives_of(open_life), end_s=T0 + END)[0]
    assert found.in_faults[0].end_s == T0 + END
    assert found.status == "breached"
    assert "within" not in found.reason


@pytest.mark.parametrize(
    ("check", "changes", "passed"),
    [
        (gates.generator_lag, {"lag_p99_ms": 50.0}, True),
        (gates.generator_lag, {"lag_p99_ms": 50.1}, False),
        (gates.generator_cpu, {"cpu_share": experiment().gates.generator_cpu}, True),
        (gates.generator_cpu, {"cpu_share": experiment().gates.generator_cpu + 0.01}, False),
        (gates.issued_share, {"issued": 2000.0}, True),
        (gates.issued_share, {"planned": 0.0}, False),
    ],
)
def test_a_limit_is_the_last_value_that_passes(check, changes, passed):
    """Each gauge may be at its limit; of nothing planned no share was sent."""
    assert check(experiment().gates, LoadRecord({**HEALTHY, **changes}, (), 1000)).passed is passed


def test_gates_say_what_was_measured_against_what():
    """In the units of the limit."""
    load, plan = LoadRecord(HEALTHY, (), 995), experiment()
    assert (
        gates.generator_lag(plan.gates, load).reason == "99 % of the requests left within 3.0 ms of their time; at most 50 ms"
    )
    assert gates.issued_share(plan.gates, load).reason == (
        "99.5 % of 1,000 planned requests were sent and logged (1,000 sent, 995 logged); at least 99 %"
    )
    assert gates.generator_cpu(plan.gates, load).reason.startswith("the generator used 30 % of a core; at most ")
    window = phase_windows(plan.timeline)[0]
    assert gates.steady_state(plan, requests(BASELINE, BASELINE + 20), baseline=window).reason == (
        "all 1 objectives held before the fault, over 20 requests or more each"
    )
    bad = [request(BASELINE + n, n >= 2) for n in range(100)]
    assert gates.steady_state(plan, bad, baseline=window).reason == "tokens: 98 % good, target 99 %"


def test_what_is_left_behind_is_named_with_its_evidence():
    """What is stuck makes it unsafe whatever else was only not seen; what failed is told by its evidence or its note."""
    known = lives([act(FAULT, "applied", "a"), act(FAULT, "applied", "b"), act(FAULT + 1, "stuck", "b", evidence="no answer")])
    found = gates.healed(known)
    assert (found.severity, found.reason) == ("unsafe", "b could not be reverted: no answer; a was not seen to be reverted")
    assert gates.healed(lives(whole_life())).reason == "no fault was left in place"
    noted = lives([act(FAULT, "intended"), act(FAULT, "failed", note="no such node"), act(FAULT, "healed")])
    assert gates.acts(noted).reason == "roll failed: no such node"


def test_what_counts_either_way_widens_both_bounds():
    """Forty bad ones of a thousand, of which thirty are in doubt, and ten that were not logged."""
    seen = Judged(total=1000, bad=40, doubtful=50, doubtful_bad=30, unlogged=10)
    assert (seen.planned, seen.bad_least, seen.bad_most) == (1010, 10, 70)


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (0.0, 0.01, "met"),
        (0.0, 0.0101, "undecided"),
        (0.01, 0.02, "undecided"),
        (0.0101, 0.02, "breached"),
        (0.01, 0.01, "met"),
    ],
)
def test_an_objective_is_decided_where_its_bounds_leave_no_doubt(low, high, status):
    """Met with an upper bound of just what is allowed, and breached only above it."""
    assert _status(Judged(1000, 10), Interval(low=low, high=high, confidence=0.95), 0.99)[0] == status
