"""What claims about AWS's events read of runs in which steps take time to come and to go, as they do in real processes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import PhaseResult, Result, Share, StepResult
from brownout.suites.incidents.aws_evidence import AccountVersions, account_versions, failures
from brownout.suites.incidents.evidence import Counted, Evidence

DAY_S = 1_719_705_600.0  # a midnight
FAULT_S, UNTIL_S, RELEASED_S = DAY_S + 3600.0, DAY_S + 7200.0, DAY_S + 7500.0
APPLIED_S = FAULT_S + 240.0
OVER_S = DAY_S + 10800.0
WHOLE = ("01:00", "03:00")


def request(number: int, at_s: float, *, ok: bool) -> RequestRecord:
    outcome = "happened" if ok else "refused"
    return RequestRecord(f"c-{number}", "c", "op", "sydney", "", "", at_s, at_s, at_s + 1, 1.0, 200 if ok else 500, outcome)


def look(at_s: float, held: Mapping[str, int]) -> Event:
    detail = {"began_s": at_s - 1, "held": {node: {"account": version} for node, version in held.items()}, "sent": {}}
    return Event(at_s, "look", "state", detail=detail)


def evidence(*requests: RequestRecord, looks: tuple[Event, ...] = (), released_s: float = RELEASED_S) -> Evidence:
    """A run whose one step was planned from 01:00 to 02:00, came four minutes late and went five minutes late."""
    step = StepResult.model_construct(name="cut", at_s=FAULT_S, applied_s=APPLIED_S, released_s=released_s)
    shares = tuple(Share.model_construct(cohort=name) for name in {each.cohort for each in requests})
    phases = tuple(
        PhaseResult.model_construct(name=name, start_s=start_s, end_s=end_s, shares=shares)
        for name, start_s, end_s in (("onset", FAULT_S, UNTIL_S), ("heal", UNTIL_S, OVER_S))
    )
    acts = (Event(UNTIL_S, "phase", "heal"), Event(released_s - 60, "act", "reverting", "cut"))
    history = History(requests=requests, events=(*acts, *looks))
    return Evidence(history, Result.model_construct(phases=phases, steps=(step,)), {})


def test_what_was_asked_while_a_step_came_or_went_counts_for_neither() -> None:
    """Successes before it was in place, and failures before it was gone, are no evidence against it."""
    seen = evidence(
        request(1, APPLIED_S - 1, ok=True),
        request(2, APPLIED_S + 1, ok=False),
        request(3, UNTIL_S + 120, ok=False),
        request(4, RELEASED_S + 1, ok=True),
    )
    assert failures(seen, WHOLE, ["c"]) == Counted(2, 1)
    assert failures(seen, ("02:01", "03:00"), ["c"]) == Counted(1, 0)
    with pytest.raises(LookupError, match="no request of c"):
        failures(seen, ("02:01", "02:04"), ["c"])


def test_a_step_that_goes_with_the_stack_hides_nothing() -> None:
    """A change that stays to the end of the run is not on its way from the recovery until then."""
    seen = evidence(request(1, UNTIL_S + 120, ok=False), released_s=OVER_S + 300)
    assert failures(seen, ("02:01", "03:00"), ["c"]) == Counted(1, 1)


def test_looks_while_a_step_came_or_went_count_for_neither() -> None:
    """Only those in which it was in place tell what a region holds; too few tell nothing."""
    looks = tuple(look(FAULT_S + at_s, {"melbourne.vault": 7 + int(at_s > 400)}) for at_s in (60, 300, 390, 1500))
    assert account_versions(evidence(looks=looks), WHOLE, ["melbourne"])["melbourne"].first == {"melbourne.vault": 7}
    with pytest.raises(LookupError, match="fewer than 2 looks"):
        account_versions(evidence(looks=looks[:2]), WHOLE, ["melbourne"])


def test_nodes_that_stand_at_versions_of_their_own_stand() -> None:
    """The last publication before a cut may have reached one node and not another; neither moves on."""
    apart = {"melbourne.token.z1": 246, "melbourne.token.z2": 239}
    stands = AccountVersions(apart, apart)
    assert (stands.stand, str(stands)) == (True, "239 to 239 and 246 to 246")
    moved = AccountVersions(apart, {**apart, "melbourne.token.z2": 246})
    assert (moved.stand, str(moved)) == (False, "239 to 246")
