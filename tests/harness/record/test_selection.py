"""Which requests a filter means, and which of them are good: against what the words say, written out plainly."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.record.history import GENERATOR_FAULT, LATE, RequestOutcome, RequestRecord
from brownout.harness.record.selection import LATE_MOST_S, LATE_S, GoodRule, Lateness, is_good, matcher

FIELDS = {"cohorts": "cohort", "operations": "operation", "regions": "region", "homes": "home"}
NAMES = st.sampled_from("ab")
FILTERS = st.builds(
    SimpleNamespace,
    **{name: st.lists(NAMES, max_size=2) for name in FIELDS},
    within_ms=st.sampled_from((None, 10.0, 20.0)),
)


def request(
    *,
    cohort: str = "a",
    operation: str = "a",
    region: str = "a",
    home: str = "a",
    latency_ms: float = 10.0,
    outcome: RequestOutcome = "happened",
    late_s: float = 0.0,
    error: str = "",
) -> RequestRecord:
    times = (100.0, 100.0 + late_s, 101.0)
    return RequestRecord("r", cohort, operation, region, home, "m", *times, latency_ms, 200, outcome, error)


REQUESTS = st.builds(
    request,
    cohort=NAMES,
    operation=NAMES,
    region=NAMES,
    home=NAMES,
    latency_ms=st.sampled_from((9.9, 10.0, 15.0, 20.0, 20.1)),
    outcome=st.sampled_from(("happened", "refused", "unknown")),
)


def is_meant(wanted: SimpleNamespace, one: RequestRecord) -> bool:
    """Each list that is not empty has the request's."""
    lists = {field: getattr(wanted, name) for name, field in FIELDS.items()}
    return all(getattr(one, field) in names for field, names in lists.items() if names)


@given(wanted=FILTERS, one=REQUESTS)
def test_a_filter_means_what_each_of_its_lists_has(wanted: SimpleNamespace, one: RequestRecord) -> None:
    """An empty list means all."""
    assert matcher(wanted)(one) is is_meant(wanted, one)


@given(objectives=st.lists(FILTERS, max_size=3), some=st.lists(REQUESTS, min_size=1, max_size=6))
def test_a_request_is_good_within_the_limit_of_every_objective_about_it(
    objectives: list[SimpleNamespace], some: list[RequestRecord]
) -> None:
    """One rule is asked about many requests: what it has found of one holds for others alike only."""
    rule = GoodRule(objectives)
    for one in some:
        limits = [each.within_ms for each in objectives if each.within_ms is not None and is_meant(each, one)]
        assert rule(one) is (one.outcome == "happened" and all(one.latency_ms <= limit for limit in limits))


@pytest.mark.parametrize(
    ("outcome", "within_ms", "good"),
    [
        ("happened", None, True),
        ("happened", 10.0, True),
        ("happened", 9.9, False),
        ("refused", None, False),
        ("unknown", 10.0, False),
    ],
)
def test_a_good_request_happened_within_its_limit(outcome: RequestOutcome, within_ms: float | None, good: bool) -> None:
    """At the limit it still is."""
    assert is_good(request(outcome=outcome), within_ms) is good


@pytest.mark.parametrize(
    ("allowed_s", "rate", "good_s", "bad_s"),
    [
        (0.01, 1.0, 0.01, 0.01),
        (0.2, 1.0, 0.2, LATE_S),
        (0.2, 60.0, 12.0, LATE_S * 60),
        (5.0, 2.0, LATE_MOST_S * 2, LATE_S * 2),
    ],
)
def test_a_file_may_allow_more_lateness_of_good_requests(allowed_s: float, rate: float, good_s: float, bad_s: float) -> None:
    """Up to a second of network time; of a bad one no more than fifty milliseconds."""
    assert (LATE_S, LATE_MOST_S) == (0.05, 1.0)
    assert Lateness.of(allowed_s, rate) == Lateness(pytest.approx(good_s), pytest.approx(bad_s))


@pytest.mark.parametrize(
    ("late_s", "error", "good", "doubtful"),
    [
        (0.5, "", True, False),
        (0.5, "", False, True),
        (0.25, "", False, False),
        (0.75, "", True, True),
        (0.0, LATE, False, True),
        (0.0, GENERATOR_FAULT, True, True),
        (0.0, "refused", False, False),
    ],
)
def test_a_request_that_left_too_late_is_doubtful(late_s: float, error: str, good: bool, doubtful: bool) -> None:
    """So is one that the generator never sent."""
    assert Lateness(0.5, 0.25).is_doubtful(request(late_s=late_s, error=error), good=good) is doubtful


def test_without_a_limit_no_sent_request_is_doubtful() -> None:
    """However late it left."""
    assert not Lateness().is_doubtful(request(late_s=1e6), good=False)
    assert Lateness() == Lateness(math.inf, math.inf)
