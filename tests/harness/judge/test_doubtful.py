"""Requests that the generator did not send as planned count against both verdicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brownout.harness.judge import doubtful as judge_doubtful
from brownout.harness.judge.doubtful import NOTHING_DOUBTFUL, doubtful, plan_of, planned_total
from brownout.harness.judge.verdict import judge_slos
from brownout.harness.load.arrivals import arrivals
from brownout.harness.record.history import GENERATOR_FAULT, LATE
from support.slo_builders import BASELINE, END, FAULT, T0, document, experiment, history, request, requests


def judged(found, *, clock_rate=1.0, **changes):
    """The first objective of a run that logged these requests."""
    known = experiment(**changes)
    doubts = doubtful(known, found, seed=7, clock_rate=clock_rate)
    return judge_slos(known, history(found), doubts)[0]


def late(at_s, good, *, by_s=1.0, **changes):
    return request(at_s, good, sent_s=T0 + at_s + by_s, **changes)


def fault_phase(number, make):
    """A whole log in which the first `number` requests of the fault were made by `make`."""
    return [
        *requests(BASELINE, FAULT),
        *(make(FAULT + second) for second in range(number)),
        *requests(FAULT + number, END),
    ]


@pytest.mark.parametrize(("number", "status"), [(5, "met"), (40, "undecided")])
@pytest.mark.parametrize("good", [True, False])
def test_an_objective_is_met_only_if_it_would_be_with_all_late_ones_bad(number, status, good):
    """Late requests count as bad for a pass, however they ended: 5 of 2,400 are within 1 %, 40 are not."""
    found = judged(fault_phase(number, lambda at_s: late(at_s, good)))
    assert (found.status, found.doubtful, found.bad) == (status, number, 0 if good else number)
    assert f"{number} late, unsent or unlogged requests count either way" in found.reason


def test_an_objective_is_breached_only_if_it_would_be_with_all_late_ones_good():
    """A stall of the generator makes 300 of 2,400 requests bad, which is no breach; 300 that left in time are one."""
    assert judged(fault_phase(300, lambda at_s: late(at_s, False))).status == "undecided"
    assert judged(fault_phase(300, lambda at_s: request(at_s, False))).status == "breached"
    both = judged([late(r.intended_s - T0, False) if n % 2 else r._replace(outcome="refused") for n, r in enumerate(whole())])
    assert both.status == "breached"


def whole():
    return requests(BASELINE, END)


def test_what_was_under_way_while_the_generator_stood_still_is_doubtful():
    """Nobody read its answer, so it looks slow. One that was good, or was not under way then, is not in doubt."""
    within = [{**document()["slos"][0], "indicator": {"ratioMetric": {"total": {}, "good": {"within": "200ms"}}}}]
    stall = [late(FAULT + 100 + tenth / 10, False, by_s=1 - tenth / 10) for tenth in range(9)]
    under_way = [request(FAULT + 99.95 + n / 1000, took_s=1.2, id=f"way-{n}") for n in range(5)]
    after = [request(FAULT + 101.01, took_s=1.2, id="after"), request(FAULT + 98, took_s=1.2, id="before")]
    quick = [request(FAULT + 99.99, took_s=0.1, id="quick")]
    others = [one for one in whole() if not FAULT + 98 <= one.intended_s - T0 < FAULT + 102]
    found = judged([*others, *stall, *under_way, *after, *quick], slos=within)
    assert (found.bad, found.doubtful) == (16, 14)


@pytest.mark.parametrize("error", [LATE, GENERATOR_FAULT])
def test_what_could_not_be_sent_is_doubtful(error):
    """The generator's own failures have a line, and are no failures of the service."""
    found = judged(fault_phase(300, lambda at_s: request(at_s, False, outcome="unknown", error=error)))
    assert (found.status, found.doubtful) == ("undecided", 300)


@pytest.mark.parametrize(
    ("by_s", "clock_rate", "limit", "good", "bad"),
    [
        (0.04, 1, "50ms", 0, 0),
        (0.06, 1, "50ms", 300, 300),
        (0.06, 1, "100ms", 0, 300),
        (0.02, 1, "10ms", 300, 300),
        (0.9, 1, "1h", 0, 300),
        (1.1, 1, "1h", 300, 300),
        (6.0, 200, "50ms", 0, 0),
    ],
)
def test_late_is_beyond_the_gates_limit_and_never_more_than_a_tolerable_one(by_s, clock_rate, limit, good, bad):
    """A file that opens the gate makes no late request timely that may be bad for that, nor one that left after a second.

    The limit is network time, at any clock rate.
    """
    gates = {"lag_p99": limit}
    for is_good, number in ((True, good), (False, bad)):
        log = fault_phase(300, lambda at_s, is_good=is_good: late(at_s, is_good, by_s=by_s))
        assert judged(log, clock_rate=clock_rate, gates=gates).doubtful == number


def planned_log():
    """What a generator would log that sends the whole plan."""
    return [
        request(arrival.at_s - T0, id=arrival.id, home=arrival.home, operation=arrival.operation)
        for arrival in arrivals(plan_of(experiment(), seed=7))
    ]


def test_what_is_in_the_plan_and_not_in_the_log_is_doubtful():
    """A generator that fell behind: whichever requests are missing, nothing is claimed that they could change."""
    log = planned_log()
    assert len(log) == planned_total(experiment()) == 3000
    assert (judged(log).status, judged(log).doubtful) == ("met", 0)
    cut = [one for one in log if one.intended_s < T0 + FAULT + 600]
    found = judged(cut)
    assert found.status == "undecided"
    assert found.total + found.doubtful == sum(one.intended_s >= T0 + FAULT for one in log)


def test_a_run_that_was_cut_short_lacks_nothing_and_its_plan_is_not_made(monkeypatch):
    """What was still to come is not unlogged; a plan of millions would take half a minute to go through, for nothing."""
    monkeypatch.setattr(judge_doubtful, "arrivals", lambda plan: pytest.fail("the plan was made"))
    found = doubtful(experiment(), requests(BASELINE, FAULT), seed=7, clock_rate=1.0, is_finished=False)
    assert found.unlogged == ()


def test_unlogged_requests_count_for_every_objective_that_could_own_them():
    """Cohort and operation are known from the plan, the home is not."""
    cut = planned_log()[:-200]
    (base,) = document()["slos"]

    def of(**selector):
        return judged(cut, slos=[{**base, "indicator": {"ratioMetric": {"total": selector}}}]).doubtful

    assert of() == of(cohorts=["new"]) == of(homes=["melbourne"]) == of(operations=["token"]) == 200
    assert of(operations=["create"]) == of(cohorts=["old"]) == 0


def test_an_objective_of_which_nothing_was_logged_is_undecided():
    """A cohort that never got through to the log."""
    found = judged([])
    planned = sum(one.intended_s >= T0 + FAULT for one in planned_log())
    assert (found.status, found.total, found.ratio, found.doubtful) == ("undecided", 0, None, planned)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.0, 1.0)


def test_without_a_plan_nothing_is_doubtful():
    """A run that was cut short is judged by its log."""
    assert judge_slos(experiment(), history(whole()), NOTHING_DOUBTFUL)[0].doubtful == 0


@pytest.mark.parametrize(
    ("waits", "stalls"),
    [
        ([], []),
        ([(10, 12)], [(10, 12)]),
        ([(10, 12), (13, 15)], [(10, 12), (13, 15)]),
        ([(10, 12), (12, 15)], [(10, 15)]),
        ([(10, 20), (11, 13)], [(10, 20)]),
        ([(10, 20), (11, 13), (15, 25), (30, 31)], [(10, 25), (30, 31)]),
        ([(10, 10.05), (20, 20.06)], [(20, 20.06)]),
    ],
)
def test_a_stall_lasts_from_the_first_request_that_was_due_to_the_last_that_left(waits, stalls):
    """Those that overlap or meet are one; a request that was not late shows none."""
    found = [request(due, sent_s=T0 + sent) for due, sent in waits]
    known = doubtful(experiment(), found, seed=7, clock_rate=1.0, is_finished=False)
    assert known.stalls == tuple((T0 + start, pytest.approx(T0 + end, abs=0.001)) for start, end in stalls)


def test_none_is_missed_because_only_suspects_are_looked_at():
    """Whatever came of the requests: what may be doubtful is found once, and is what left late or was held up."""
    found = [
        request(FAULT, True),
        late(FAULT + 1, True, by_s=0.06),
        late(FAULT + 2, False),
        request(FAULT + 2.5, False, took_s=0.2, id="held up"),
        request(FAULT + 4, False, error=LATE),
        request(FAULT + 5, False),
    ]
    doubts = doubtful(experiment(), found, seed=7, clock_rate=1.0)
    assert doubts.suspects == {one.id for one in found[1:5]}
    for is_good in (lambda one: one.outcome == "happened", lambda _: True, lambda _: False):
        assert doubts.logged(found, is_good) == replace(doubts, suspects=None).logged(found, is_good)
    assert doubts.logged(found, lambda _: True) == doubts.suspects - {"held up"}
