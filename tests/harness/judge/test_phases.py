"""Phases and their shares on hand-made records."""

from __future__ import annotations

import pytest

from brownout.harness.experiment.model import Good, Selector
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge.phases import Outage, longest_outage
from brownout.harness.judge.phases import phase_results as results_of
from brownout.harness.judge.selection import Count, count, good_rule, select
from brownout.harness.load.watched_objectives import WatchedObjective
from brownout.harness.record.selection import GoodRule, is_good
from support.slo_builders import BASELINE, END, FAULT, RECOVERY, T0, experiment, outage, request, requests

WINDOWS = phase_windows(experiment().timeline)


def phase_results(found, windows, is_good=is_good):
    return results_of(found, windows, is_good)


def test_phases_tile_the_timeline():
    """Onset and heal are the first `edge` of fault and recovery, and no second is in two phases or in none."""
    spans = [(window.name, window.start_s - T0, window.end_s - T0) for window in WINDOWS]
    assert spans == [
        ("baseline", BASELINE, FAULT),
        ("onset", FAULT, FAULT + 60),
        ("fault", FAULT + 60, RECOVERY),
        ("heal", RECOVERY, RECOVERY + 60),
        ("recovery", RECOVERY + 60, END),
    ]


def test_a_request_belongs_to_the_phase_of_its_intent():
    """A request that was meant to leave in the baseline and was answered in the fault is the baseline's."""
    phases = phase_results([request(FAULT - 1, False, took_s=30.0), request(FAULT)], WINDOWS)
    assert [sum(share.total for share in phase.shares) for phase in phases] == [1, 1, 0, 0, 0]


def test_warm_up_is_in_no_phase():
    """What happens before the baseline is not counted."""
    assert all(not phase.shares for phase in phase_results(requests(0, BASELINE), WINDOWS))


def test_shares_are_apart_by_cohort_operation_and_region():
    """Each combination is a row of its own, in a fixed order."""
    found = [
        request(FAULT, cohort="warm"),
        request(FAULT, operation="create"),
        request(FAULT, region="melbourne"),
        request(FAULT),
    ]
    onset = phase_results(found, WINDOWS)[1]
    keys = [(share.cohort, share.operation, share.region) for share in onset.shares]
    assert keys == [
        ("new", "create", "sydney"),
        ("new", "token", "melbourne"),
        ("new", "token", "sydney"),
        ("warm", "token", "sydney"),
    ]


def test_a_share_counts_all_three_outcomes_and_measures_latency():
    """Unknown is neither happened nor refused; percentiles are over all requests."""
    found = [
        request(FAULT + 10, took_s=0.010),
        request(FAULT + 20, False, took_s=0.020),
        request(FAULT + 30, outcome="unknown", took_s=2.0),
        request(FAULT + 40, took_s=0.030),
    ]
    (share,) = phase_results(found, WINDOWS)[1].shares
    assert (share.total, share.good, share.happened, share.refused, share.unknown) == (4, 2, 2, 1, 1)
    assert (share.p50_ms, share.p99_ms) == (20, 2000)
    assert share.longest_outage_s == 30


def test_percentiles_are_those_they_are_named_after():
    """Of a hundred requests, the 50th and the 99th in order of their latency."""
    found = [request(FAULT + 0.1 * number, took_s=number / 1000) for number in range(1, 101)]
    (share,) = phase_results(found, WINDOWS)[1].shares
    assert (share.p50_ms, share.p99_ms) == (pytest.approx(50), pytest.approx(99))


def test_an_outage_is_cut_at_the_phase():
    """Within a phase that failed throughout, the outage is as long as the phase and no longer."""
    outages = [phase.shares[0].longest_outage_s for phase in phase_results(outage(), WINDOWS)]
    assert outages == [0, 60, RECOVERY - FAULT - 60, 0, 0]


@pytest.mark.parametrize(
    ("changes", "good", "expected"),
    [
        ({}, Good(), True),
        ({"outcome": "unknown"}, Good(), False),
        ({"outcome": "refused"}, Good(), False),
        ({"latency_ms": 300.0}, Good(within="300ms"), True),
        ({"latency_ms": 300.1}, Good(within="300ms"), False),
        ({"latency_ms": 1.0, "outcome": "refused"}, Good(within="300ms"), False),
    ],
)
def test_good_is_happened_and_in_time(changes, good, expected):
    """Only an answer that says so, within the limit, is good."""
    assert is_good(request(0, **changes), good.within_ms) is expected


def slow_objective(within, **selector):
    indicator = {"ratioMetric": {"total": selector, "good": {"within": within} if within else {}}}
    return {"name": f"o-{within}-{len(selector)}", "indicator": indicator, "objectives": [{"target": 0.9}]}


@pytest.mark.parametrize(
    ("objectives", "good"),
    [
        ([slow_objective(None)], True),
        ([slow_objective("300ms")], False),
        ([slow_objective("500ms")], True),
        ([slow_objective("500ms"), slow_objective("300ms", cohorts=["new"])], False),
        ([slow_objective("500ms"), slow_objective("300ms", cohorts=["warm"])], True),
        ([slow_objective(None), slow_objective("300ms", homes=["melbourne"])], True),
    ],
)
def test_good_is_good_by_every_objective_that_is_about_it(objectives, good):
    """A figure beside the objectives never looks better than they do: the strictest limit of a request's objectives counts."""
    known = experiment(slos=objectives)
    assert good_rule(known)(request(FAULT, took_s=0.4)) is good
    assert not good_rule(known)(request(FAULT, False))
    (share,) = phase_results([request(FAULT + 1, took_s=0.4)], WINDOWS, good_rule(known))[1].shares
    assert (share.happened, share.good) == (1, int(good))
    assert (share.longest_outage_s == 60) is not good


def test_without_objectives_good_is_happened():
    """Whatever it took."""
    assert GoodRule()(request(FAULT, took_s=99.0))


@pytest.mark.parametrize(
    ("selector", "total"),
    [
        ({}, 4),
        ({"cohorts": ["new"]}, 2),
        ({"cohorts": ["new", "warm"], "regions": ["sydney"]}, 2),
        ({"homes": ["melbourne"]}, 1),
        ({"operations": ["create"]}, 1),
        ({"operations": ["create"], "cohorts": ["new"]}, 0),
    ],
)
def test_a_selector_is_the_meeting_of_its_lists(selector, total):
    """An empty list means all; several lists must all agree."""
    found = [
        request(1),
        request(2, region="melbourne"),
        request(3, cohort="warm"),
        request(4, cohort="calls", operation="create", home="melbourne"),
    ]
    assert len(select(found, Selector(**selector))) == total


def test_the_ratio_of_nothing_is_unknown():
    """No requests have no bad ratio."""
    assert count([], is_good).ratio is None
    assert Count(4, 1).ratio == 0.25


def test_a_quiet_stretch_is_no_outage():
    """Nor is the time before the first good request: only a bad one makes a stretch an outage."""
    assert longest_outage([request(100), request(400)], is_good, start_s=T0, end_s=T0 + 500) == Outage(0.0)
    assert longest_outage([], is_good, start_s=T0, end_s=T0 + 500) is None


def test_a_request_as_slow_as_the_limit_is_good():
    """The limit of an objective is the slowest that it takes."""
    limited = GoodRule([watched(within_ms=250.0)])
    assert [limited(request(0, took_s=ms / 1000)) for ms in (249.0, 250.0, 251.0)] == [True, True, False]


def test_a_request_is_good_within_the_limits_of_the_objectives_about_it_alone():
    """The least of them, whatever another cohort's is; without a limit any latency is good, and never what did not happen."""
    limited = GoodRule([watched(within_ms=100.0, cohorts=("old",)), watched(within_ms=300.0), watched(within_ms=None)])
    good = {
        name: [ms for ms in (100, 300, 301) if limited(request(0, took_s=ms / 1000, cohort=name))] for name in ("old", "new")
    }
    assert good == {"old": [100], "new": [100, 300]}
    assert GoodRule([])(request(0, took_s=1e6))
    assert not limited(request(0, False))


def watched(**changes):
    """An objective about every request, but for changes."""
    return WatchedObjective(name="one", target=0.99, **changes)
