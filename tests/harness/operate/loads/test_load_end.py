"""What a load by hand met: its objectives decide, and only by figures that count."""

from __future__ import annotations

import pytest

from brownout.harness.load.dashboard_stats import ObjectiveStats
from brownout.harness.load.dashboard_view import Health, View
from brownout.harness.operate.loads.load_session import LoadEnd


def _ended(*states: str, problems: tuple[str, ...] = (), seen: tuple[str, ...] = (), **health: float) -> LoadEnd:
    objectives = [
        ObjectiveStats(f"o{number}", "", 0.99, 1, 0, None, 1, 0, None, None, state) for number, state in enumerate(states)
    ]
    own = Health(**{"planned": 100, "issued": 100, "late": 0, "faults": 0, "lag_p99_ms": 1.0, "workers": (), **health})
    view = View("t", 1.0, 0.0, 1.0, (), (), (), objectives, (), True, (), 60.0, own, seen)
    return LoadEnd("the 60 s are over", view, problems)


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (_ended("met", "met"), "pass"),
        (_ended("met", "breached"), "breach"),
        (_ended("met", "undecided"), "inconclusive"),
        (_ended(), "inconclusive"),
        (_ended("breached", problems=("a worker was lost",)), "inconclusive"),
        (_ended("met", seen=("20 arrivals were the share of a worker that was lost",)), "inconclusive"),
        (_ended("met", issued=90), "inconclusive"),
        (_ended("breached", lag_p99_ms=5000.0), "inconclusive"),
        (LoadEnd("interrupted", None, ()), "inconclusive"),
    ],
)
def test_what_a_load_met(ended: LoadEnd, verdict: str) -> None:
    """Pass needs every objective met, breach one breached; where figures are missing neither is claimed."""
    assert ended.verdict() == verdict


def test_a_load_of_which_nothing_is_expected_answers_for_its_requests_only() -> None:
    """A lost worker is said by the exit code always; a generator that was late only where something is claimed."""
    late = _ended("met", lag_p99_ms=5000.0)
    lost = _ended("met", problems=("lost",), seen=("lost", "20 arrivals"))
    assert (late.missing(), len(late.doubts())) == ((), 1)
    assert lost.missing() == lost.doubts() == ("lost", "20 arrivals")


def test_doubts_are_said_once() -> None:
    """A problem that the generator and the dashboard both saw is one sentence."""
    assert _ended("met", problems=("lost",), seen=("lost",)).doubts() == ("lost",)
