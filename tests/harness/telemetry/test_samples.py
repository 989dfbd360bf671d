"""Labels stay few and short, however much a fault holds and however often it comes."""

from __future__ import annotations

import pytest

from brownout.harness.telemetry.samples import FaultSeries, RequestSeries, merged, target_of


def fault(*, active: bool, bitten: bool = True, step: str = "cut") -> FaultSeries:
    return FaultSeries("link-refuse", step, "client->sydney.host", "fault", active, bitten)


@pytest.mark.parametrize(
    ("names", "told"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_a_target_is_one_short_label(names: list[str], told: str) -> None:
    """Three names are told, and how many more there are."""
    assert target_of(names) == told


@pytest.mark.parametrize("order", [(True, False), (False, True), (True, True)])
def test_one_series_stands_for_the_same_fault_injected_twice(order: tuple[bool, bool]) -> None:
    """It is in place if either is, whichever came first."""
    (one,) = merged(fault(active=active) for active in order)
    assert one.active


def test_a_fault_that_is_over_both_times_is_over() -> None:
    """The newer one's end is told, and other steps keep a series of their own."""
    found = merged([fault(active=False), fault(active=False, bitten=False), fault(active=True, step="other")])
    assert [(one.step, one.active, one.bitten) for one in found] == [("cut", False, False), ("other", True, True)]


def test_a_histogram_has_a_count_for_each_bound_and_one_above_them() -> None:
    """Anything else is a bug of whoever counts."""
    with pytest.raises(AssertionError, match="one count for each bound"):
        RequestSeries("c", "sydney", {}, 0, (5.0, 10.0), (1, 2), 0.0)
