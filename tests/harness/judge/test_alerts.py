"""The burn-rate alert against a definition that looks at every window afresh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.base.stats import budget
from brownout.harness.experiment.model import Alert
from brownout.harness.judge.alerts import Firing, firings, was_on
from brownout.harness.judge.alerts import first_firing_s as first_of
from brownout.harness.judge.selection import good_rule
from brownout.harness.record.selection import is_good
from support.slo_builders import BASELINE, T0, experiment, request, requests


def rule(**changes):
    return Alert.model_validate(
        {"of": {"cohorts": ["new"]}, "target": 0.9, "burn": 3.0, "long": "60s", "short": "10s", "at_least": 3, **changes}
    )


def first_firing_s(alert, found, *, after_s):
    return first_of(firings(alert, found, is_good), after_s=after_s)


def by_definition(alert, found, after_s):
    """The module's theory, word for word and slowly."""

    def is_burning(now_s, width_s):
        window = [r for r in found if r.done_s <= now_s and not r.done_s <= now_s - width_s]
        bad = sum(r.outcome != "happened" for r in window)
        return bad, bad / len(window) > round(alert.burn * budget(alert.target), 12)

    was = False
    for now_s in sorted({r.done_s for r in found}):
        (long_bad, is_long), (_, is_short) = is_burning(now_s, alert.long_s), is_burning(now_s, alert.short_s)
        is_on = long_bad >= alert.at_least and is_long and is_short
        if is_on and not was and now_s >= after_s:
            return now_s
        was = is_on
    return None


RECORDS = st.lists(
    st.builds(lambda at, took, good: request(at, good, took_s=took), st.integers(0, 90), st.integers(0, 5), st.booleans()),
    max_size=60,
)


@given(RECORDS, st.integers(-1, 60), st.integers(1, 6), st.sampled_from([1.0, 3.0, 7.0]))
def test_fires_exactly_when_the_definition_says(found, after_s, at_least, burn):
    """The sliding windows agree with looking at every window afresh."""
    alert = rule(at_least=at_least, burn=burn)
    assert first_firing_s(alert, found, after_s=T0 + after_s) == by_definition(alert, found, T0 + after_s)


def test_a_total_failure_is_detected_at_the_third_bad_answer():
    """With everything failing the alert waits only for `at_least` and for the long window to burn."""
    found = [*requests(0, 6), *requests(6, 60, False)]
    assert first_firing_s(rule(), found, after_s=T0 + 6) == T0 + 8


def test_it_knows_nothing_before_the_answers_are_there():
    """Requests that time out after 30 s cannot be detected before."""
    found = [*requests(0, 6), *requests(6, 60, False, took_s=30.0)]
    assert first_firing_s(rule(), found, after_s=T0 + 6) == T0 + 38


def test_a_short_blip_does_not_fire_the_long_window():
    """Enough bad requests for `at_least` burn the short window, but not the long one."""
    found = [*requests(0, 50), *requests(50, 55, False), *requests(55, 100)]
    assert first_firing_s(rule(), found, after_s=T0) is None


def test_old_failures_do_not_fire_the_short_window():
    """What failed a while ago keeps the long window burning, not the short one."""
    found = [*requests(0, 30, False), *requests(30, 60)]
    assert first_firing_s(rule(), found, after_s=T0 + 45) is None


@pytest.mark.parametrize(("good_at_s", "fires"), [(90, True), (91, False)])
def test_the_windows_leave_their_far_end_out(good_at_s, fires):
    """What was done exactly a window's width ago is not in it any more."""
    found = [*requests(60, 66, False), request(good_at_s), request(95), request(96), request(100, False)]
    assert (first_firing_s(rule(), found, after_s=T0 + 99) is not None) is fires


@pytest.mark.parametrize(("bad_at_s", "fires"), [(40, False), (41, True)])
def test_the_long_window_leaves_its_far_end_out_too(bad_at_s, fires):
    """The third bad answer counts towards `at_least` only within the long window."""
    found = [request(bad_at_s, False), request(99, False), request(100, False)]
    assert (first_firing_s(rule(), found, after_s=T0 + 99) is not None) is fires


@pytest.mark.parametrize("older", [[], requests(-20, -15, False)])
def test_burning_is_more_than_the_limit(older):
    """A ratio that equals burn times budget does not fire, not even in one window: three bad of ten at 3 x 10 %."""
    found = [*older, *(request(at, at >= 3) for at in range(10))]
    assert first_firing_s(rule(), found, after_s=T0 + 8) is None


@pytest.mark.parametrize("changes", [{"cohort": "warm"}, {"operation": "secret"}])
def test_it_watches_only_its_selector(changes):
    """Failures of others never fire it."""
    alert = rule(of={"cohorts": ["new"], "operations": ["token"]})
    assert first_firing_s(alert, requests(0, 60, False, **changes), after_s=T0) is None


def test_what_went_off_before_the_fault_is_no_detection():
    """An alert that was on already tells nothing of the fault; one that went off and comes again does."""
    assert first_firing_s(rule(), requests(0, 60, False), after_s=T0 + 20) is None
    again = [*requests(0, 30, False), *requests(30, 50), *requests(50, 100, False)]
    assert first_firing_s(rule(), again, after_s=T0 + 20) == T0 + 53


def test_it_is_known_when_an_alert_was_on():
    """From the answer at which it goes off to the one at which it ends, or to the end of the record."""
    found = [*requests(0, 6), *requests(6, 20, False), *requests(20, 60), *requests(60, 70, False)]
    on = firings(rule(), found, is_good)
    assert on == (Firing(T0 + 8, T0 + 26), Firing(T0 + 64, None))
    assert [was_on(on, T0 + at_s) for at_s in (8, 9, 25, 26, 64, 65)] == [False, True, True, False, False, True]


def test_what_is_bad_for_an_objective_is_bad_for_the_alert():
    """An alert over slow answers goes off, though all of them happened."""
    slow = requests(0, 60, took_s=1.5)
    (slo,) = experiment(slos=[SLOW]).slos
    assert firings(rule(), slow, is_good) == ()
    assert len(firings(rule(), slow, good_rule(experiment(slos=[SLOW])))) == 1
    assert slo.indicator.ratioMetric.good.within_ms == 1000


SLOW = {
    "name": "fast",
    "indicator": {"ratioMetric": {"total": {"cohorts": ["new"]}, "good": {"within": "1s"}}},
    "objectives": [{"target": 0.99}],
}


def test_what_was_done_at_the_records_last_moment_counts_together():
    """Eight good ones and one bad one at once leave a third of the last ten seconds bad: an alert that was on stays on."""
    bad = [request(BASELINE + at, False) for at in (11, 12, 13)]
    last = [request(BASELINE + 20, number > 0, id=f"r-{number}") for number in range(9)]
    found = firings(rule(), [*bad, *last], is_good)
    assert found == (Firing(T0 + BASELINE + 13, None),)
