"""Impact, detection, mitigation, recovery: on hand-made outages and against slow definitions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.experiment.model import Alert
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge.phases import longest_outage_s
from brownout.harness.judge.times import impact, recovered_s, times, watch
from support.slo_builders import BASELINE, END, FAULT, RECOVERY, T0, experiment, outage, request, requests

WINDOWS = phase_windows(experiment().timeline)


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
def test_recovery_is_the_first_quiet_moment(found, hold_s):
    """Trying every half second finds the same moment, when the requests are on whole seconds."""
    records = [request(RECOVERY + at, good) for at, good in found]

    def is_quiet(at_s):
        window = [r for r in records if at_s < r.intended_s - T0 - RECOVERY <= at_s + hold_s]
        return bool(window) and sum(r.outcome != "happened" for r in window) / len(window) <= 0.01

    tried = [half / 2 for half in range(2 * (120 - hold_s) + 1)]
    expected = next((at_s for at_s in tried if is_quiet(at_s)), None)
    prepared = watched(records, long=f"{hold_s}s", short="1s")
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
    assert longest_outage_s(records, start_s=T0, end_s=T0 + 100) == expected


def all_times(found, fired):
    return times([watched(found)], fired, found, windows=WINDOWS, end_s=T0 + END)


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


def test_two_alerts_recover_with_the_later():
    """The run has recovered when everything that is watched has."""
    early, late = outage(FAULT, RECOVERY, cohort="new"), outage(FAULT + 5, RECOVERY + 100, cohort="warm")
    watches = [watched(early), watch(alert(of={"cohorts": ["warm"]}), late, baseline=WINDOWS[0], confidence=0.95)]
    seen = times(watches, {}, [*early, *late], windows=WINDOWS, end_s=T0 + END)
    assert (seen.impact_start_s, seen.recover) == (T0 + FAULT, 99)
