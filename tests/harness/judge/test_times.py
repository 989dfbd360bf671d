"""Impact, detection, mitigation, recovery: on hand-made outages and against slow definitions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.experiment.model import Alert, Selector
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge.alerts import Firing
from brownout.harness.judge.phases import Outage, longest_outage
from brownout.harness.judge.times import NOT_DETECTED, NOT_OVER, NOT_RECOVERED, OPEN_OUTAGE, Span, impact, recovered_s, times
from brownout.harness.judge.times import watch as watch_by
from brownout.harness.record.selection import is_good
from support.slo_builders import BASELINE, END, FAULT, RECOVERY, T0, experiment, outage, request, requests

WINDOWS = phase_windows(experiment().timeline)
SPAN = Span(T0 + BASELINE, T0 + FAULT, T0 + RECOVERY, T0 + END)


def watch(rule, found, **changes):
    return watch_by(rule, found, is_good, **changes)


def alert(**changes):
    return Alert.model_validate({"of": {"cohorts": ["new"]}, "target": 0.99, "long": "60s", "short": "10s", **changes})


def watched(found, **changes):
    return watch(alert(**changes), found, baseline=WINDOWS[0], confidence=0.95)


def impact_of(found):
    return impact(watched(found), fault_s=T0 + FAULT, end_s=T0 + END)


def test_impact_spans_first_to_last_bad_request():
    """On a clean baseline every bad request after the fault belongs to the impact."""
    hit = impact_of(outage(FAULT + 7, RECOVERY - 5))
    assert (hit.start_s - T0, hit.end_s - T0) == (FAULT + 7, RECOVERY - 6)


def test_no_bad_request_is_no_impact():
    """A run without failures has no impact."""
    assert impact_of(requests(BASELINE, END)) is None


def test_noise_like_the_baselines_is_not_impact():
    """One failure in a hundred before and after is noise; only the burst beyond it is impact."""
    noisy = [request(at, at % 100 != 0) for at in range(BASELINE, END)]
    assert impact_of(noisy) is None
    burst = [r for r in noisy if not FAULT + 130 <= r.intended_s - T0 < FAULT + 160]
    hit = impact_of(sorted([*burst, *requests(FAULT + 130, FAULT + 160, False)], key=lambda r: r.intended_s))
    assert hit is not None
    assert FAULT + 100 <= hit.start_s - T0 <= FAULT + 130
    assert FAULT + 159 <= hit.end_s - T0 <= FAULT + 200


@pytest.mark.parametrize(("is_noisy", "bad", "is_seen"), [(False, 1, True), (True, 4, False), (True, 5, True)])
def test_where_there_was_noise_an_impact_has_as_many_failures_as_an_alert_needs(is_noisy, bad, is_seen):
    """Five within its long window, however clearly they are beyond the noise; on a clean baseline one is enough."""
    few = [request(at, not (is_noisy and at == BASELINE + 30)) for at in range(BASELINE, FAULT)]
    failed = [request(FAULT + 300 + number, False) for number in range(bad)]
    hit = impact(watched([*few, *failed], at_least=5), fault_s=T0 + FAULT, end_s=T0 + END)
    assert (hit is not None) is is_seen


def test_an_impact_that_outlasts_the_record_has_no_known_end():
    """What still fails when the record ends is right-censored."""
    assert impact_of([*requests(BASELINE, FAULT), *requests(FAULT, END, False)]).end_s is None
    assert impact_of([*requests(BASELINE, FAULT), *requests(FAULT, END - 30, False), *requests(END - 30, END)]).end_s is None


def test_silence_after_the_last_failure_is_not_an_end():
    """Without a request after the last failure, the end of the impact is unknown."""
    assert impact_of([*requests(BASELINE, FAULT), *requests(FAULT, RECOVERY, False)]).end_s is None


def recovery_of(found, **changes):
    at_s = recovered_s(watched(found, **changes), heal_s=T0 + RECOVERY, end_s=T0 + END)
    return None if at_s is None else at_s - T0 - RECOVERY


def test_recovery_without_impact_after_the_heal_is_immediate():
    """When nothing fails after the fault's end, recovery took no time."""
    assert recovery_of(outage()) == 0


@pytest.mark.parametrize(("long", "expected"), [("3s", 7.0), ("10s", 12.0)])
def test_a_long_enough_window_sees_a_flap(long, expected):
    """Bad until 7 s, a flap at 11-12 s: a short window misses the flap, a long one sees it."""
    bad = {*range(8), 12}
    found = [request(RECOVERY + second, second not in bad) for second in range(600)]
    assert recovery_of(found, long=long, short="1s") == expected


def test_exactly_the_budget_is_within_it():
    """One bad request of a hundred is what a target of 99 % allows."""
    found = [request(RECOVERY + second, second % 100 != 50) for second in range(1, 600)]
    assert recovery_of(found, long="100s") == 0


def test_no_whole_quiet_window_is_no_recovery():
    """A recovery must be seen for the whole window within the record."""
    assert recovery_of(outage(FAULT, END - 30)) is None


def test_an_empty_window_proves_nothing():
    """A stretch without requests never counts as recovered."""
    assert recovery_of([*requests(FAULT, RECOVERY + 10, False)]) is None


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=40), st.integers(2, 30))
def test_recovery_is_the_first_quiet_moment_without_a_relapse(found, hold_s):
    """Trying every half second finds the same moment, when the requests are on whole seconds."""
    records = [request(RECOVERY + at, good) for at, good in found]

    def is_quiet(at_s):
        window = [r for r in records if at_s < r.intended_s - T0 - RECOVERY <= at_s + hold_s]
        return bool(window) and sum(r.outcome != "happened" for r in window) / len(window) <= 0.01

    def is_relapse(at_s):
        window = [r for r in records if at_s < r.intended_s - T0 - RECOVERY <= at_s + hold_s]
        return not is_quiet(at_s) and sum(r.outcome != "happened" for r in window) >= 3

    tried = [half / 2 for half in range(2 * (120 - hold_s) + 1)]
    relapses = [at_s for at_s in tried if is_relapse(at_s)]
    quiet = [at_s for at_s in tried if is_quiet(at_s)]
    after = [at_s for at_s in quiet if not any(at_s < relapse for relapse in relapses)]
    expected = min(after, default=None)
    prepared = watched(records, long=f"{hold_s}s", short="1s", at_least=3)
    at_s = recovered_s(prepared, heal_s=T0 + RECOVERY, end_s=T0 + RECOVERY + 120)
    assert (None if at_s is None else at_s - T0 - RECOVERY) == expected


@given(st.lists(st.tuples(st.integers(1, 99), st.booleans()), max_size=40))
def test_longest_outage_is_the_longest_gap_between_good_ones(found):
    """Between neighbouring good requests (or the borders) with a bad one in between, and no other gap counts."""
    records = sorted((request(at, good) for at, good in found), key=lambda r: r.intended_s)
    marks = [(T0, 0), *((r.intended_s, i) for i, r in enumerate(records, 1) if r.outcome == "happened")]
    marks.append((T0 + 100, len(records) + 1))
    gaps = [b - a for (a, i), (b, j) in pairwise(marks) if j - i > 1]
    expected = max(gaps, default=0.0) if records else None
    outage_ = longest_outage(records, is_good, start_s=T0, end_s=T0 + 100)
    assert (None if outage_ is None else outage_.length_s) == expected


def test_an_outage_that_reaches_the_end_is_open():
    """It may have gone on after the record."""
    failing = [*requests(0, 50), *requests(50, 100, False)]
    assert longest_outage(failing, is_good, start_s=T0, end_s=T0 + 100) == Outage(51, is_open=True)
    assert longest_outage([*failing, request(100)], is_good, start_s=T0, end_s=T0 + 101) == Outage(51)


def all_times(found, fired, *, span=SPAN):
    on = {name: () if at_s is None else (Firing(at_s, None),) for name, at_s in fired.items()}
    return times([watched(found)], on, found, is_good, span=span)


def test_times_of_a_plain_outage():
    """Detection counts from the first effect, mitigation to the last, recovery from the fault's planned end."""
    found = outage(FAULT + 10, RECOVERY + 20)
    seen = all_times(found, {"slow": T0 + FAULT + 90, "quick": T0 + FAULT + 40, "never": None})
    assert (seen.detect, seen.detect_by) == (30, "quick")
    assert seen.mitigate == RECOVERY + 19 - (FAULT + 10)
    assert seen.recover == 19
    assert seen.longest_outage == RECOVERY + 20 - (FAULT + 9)


def test_times_without_impact_are_not_seen():
    """A run that stayed whole has no detection, mitigation or recovery time."""
    seen = all_times(requests(BASELINE, END), {"quick": None})
    assert (seen.detect, seen.mitigate, seen.recover, seen.impact_start_s) == (None, None, None, None)
    assert seen.longest_outage == 0


def test_the_longest_outage_is_also_that_of_an_objectives_requests():
    """A cohort of which one half is out has good requests all the time; the objective over that half has none."""
    out = [request._replace(home="melbourne") for request in outage(FAULT, RECOVERY, cohort="new")]
    well = [request._replace(home="sydney") for request in requests(BASELINE, END, cohort="new")]
    homes = Selector(homes=("melbourne",))
    mixed = sorted([*out, *well], key=lambda request: request.intended_s)
    assert times([], {}, mixed, is_good, span=SPAN).longest_outage < 10
    assert times([], {}, mixed, is_good, span=SPAN, judged=[homes]).longest_outage == pytest.approx(RECOVERY - FAULT, abs=2)


def test_two_alerts_recover_with_the_later():
    """The run has recovered when everything that is watched has."""
    early, late = outage(FAULT, RECOVERY, cohort="new"), outage(FAULT + 5, RECOVERY + 100, cohort="warm")
    watches = [watched(early), watch(alert(of={"cohorts": ["warm"]}), late, baseline=WINDOWS[0], confidence=0.95)]
    seen = times(watches, {}, [*early, *late], is_good, span=SPAN)
    assert (seen.impact_start_s, seen.recover, seen.recovered_s) == (T0 + FAULT, 99, T0 + RECOVERY + 99)
    assert seen.notes == {"detect": NOT_DETECTED}


def test_an_alert_that_was_on_before_the_first_effect_detects_nothing():
    """A time to detect is never negative, and an alert of something else gets no credit."""
    seen = all_times(outage(FAULT + 10, RECOVERY), {"early": T0 + FAULT + 5, "quick": T0 + FAULT + 40})
    assert seen.detect is None
    assert seen.notes["detect"] == "before the first effect, early was on already"


def test_a_fault_that_begins_before_its_phase_counts_from_its_beginning():
    """What a step broke in the baseline is impact, and its alert a detection."""
    found = [*requests(BASELINE, FAULT - 60), *requests(FAULT - 60, FAULT, False), *requests(FAULT, END)]
    span = Span(T0 + BASELINE, T0 + FAULT - 60, T0 + RECOVERY, T0 + END)
    quiet = replace(WINDOWS[0], end_s=span.fault_s)
    on = {"quick": (Firing(T0 + FAULT - 50, T0 + FAULT + 5),)}
    seen = times([watch(alert(), found, baseline=quiet, confidence=0.95)], on, found, is_good, span=span)
    assert (seen.detect, seen.mitigate, seen.recover) == (10, 59, 0)


def test_what_fails_again_has_not_recovered():
    """A quiet minute between two outages is no recovery while the second one lasts, and its end is when it is over."""
    again = RECOVERY + 90
    lasting = [*outage(FAULT, RECOVERY)[: again - BASELINE], *requests(again, END, False)]
    seen = all_times(lasting, {})
    assert (seen.mitigate, seen.recover) == (None, None)
    assert seen.notes["mitigate"] == NOT_OVER
    assert seen.notes["recover"] == NOT_RECOVERED
    assert "longest_outage" not in seen.notes
    longer = [*requests(BASELINE, FAULT), *requests(FAULT, END, False)]
    assert all_times(longer, {}).notes["longest_outage"] == OPEN_OUTAGE
    healed = [*lasting[: again + 200 - BASELINE], *requests(again + 200, END)]
    assert all_times(healed, {}).recover == 90 + 199


def test_a_stray_failure_after_the_recovery_is_no_relapse():
    """Fewer than the alert's minimum of bad requests take no recovery back."""
    found = [r._replace(outcome="refused") if r.intended_s == T0 + RECOVERY + 300 else r for r in outage()]
    assert all_times(found, {}).recover == 0
