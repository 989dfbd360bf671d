"""What claims are answered of a run that lacks what they ask for: that there is no record of it, never a count without it."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.record.history import History
from brownout.harness.record.result import PhaseResult, Result, Share
from brownout.suites.incidents.evidence import Counted, Evidence
from support.slo_builders import EPOCH_S, request

BORDERS = {"baseline": 8, "onset": 55, "fault": 60, "heal": 120, "recovery": 125}  # minutes of the day
END_MIN = 180
SHARE: dict[str, Any] = {"operation": "token", "region": "sydney", "total": 1, "good": 1, "happened": 1, "refused": 0}
SHARE |= {"unknown": 0, "p50_ms": 1.0, "p99_ms": 1.0, "longest_outage_s": None}


def evidence() -> Evidence:
    """A run with the cohort `new`, one of whose two requests in the outage failed."""
    ends = [*list(BORDERS.values())[1:], END_MIN]
    phases = tuple(
        PhaseResult(name=name, start_s=EPOCH_S + 60 * start, end_s=EPOCH_S + 60 * end, shares=(Share(cohort="new", **SHARE),))
        for (name, start), end in zip(BORDERS.items(), ends, strict=True)
    )
    requests = tuple(request(4200 + number, number == 0, cohort="new") for number in range(2))
    return Evidence(History((), requests), Result.model_construct(phases=phases, steps=()), {})


def test_what_the_run_has_is_counted() -> None:
    """Up to the end of the run, and not beyond."""
    seen = evidence()
    assert seen.outage(["new"]) == seen.between("01:00", "03:00", ["new"]) == Counted(2, 1)


def test_a_cohort_that_the_run_lacks_is_not_left_out_silently() -> None:
    """Beside another one too: the count would be of something else than the claim says."""
    with pytest.raises(LookupError, match="no request of old at all"):
        evidence().outage(["new", "old"])


def test_a_window_beyond_the_end_is_not_counted() -> None:
    """A run that ends earlier says nothing of later."""
    with pytest.raises(LookupError, match="nothing after 03:00:00"):
        evidence().between("01:00", "03:01", ["new"])
