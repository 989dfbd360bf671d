"""What claims are answered of a run that lacks what they ask for: that there is no record of it, never a count without it."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import beta

from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import PhaseResult, Result, Share, StepResult, Times
from brownout.suites.incidents.evidence import Counted, Evidence, RollOut, clock, interval_text, share_text
from support.slo_builders import EPOCH_S, request

BORDERS = {"baseline": 8, "onset": 55, "fault": 60, "heal": 120, "recovery": 125}  # minutes of the day
END_MIN = 180
SHARE: dict[str, Any] = {"operation": "token", "region": "sydney", "total": 1, "good": 1, "happened": 1, "refused": 0}
SHARE |= {"unknown": 0, "p50_ms": 1.0, "p99_ms": 1.0, "longest_outage_s": None}


def evidence(*requests: RequestRecord, events: tuple[Event, ...] = (), **said: Any) -> Evidence:
    """A run with the cohort `new`, one of whose two requests in the outage failed, or with these requests."""
    ends = [*list(BORDERS.values())[1:], END_MIN]
    phases = tuple(
        PhaseResult(name=name, start_s=EPOCH_S + 60 * start, end_s=EPOCH_S + 60 * end, shares=(Share(cohort="new", **SHARE),))
        for (name, start), end in zip(BORDERS.items(), ends, strict=True)
    )
    found = requests or tuple(request(4200 + number, number == 0, cohort="new") for number in range(2))
    return Evidence(History(events, found), Result.model_construct(**{"phases": phases, "steps": (), **said}), {})


def at(*minutes: float, **changes: Any) -> tuple[RequestRecord, ...]:
    """A request of `new` at each of these minutes of the day, of which the even ones of the list are good."""
    return tuple(request(60 * minute, number % 2 == 0, **{"cohort": "new", **changes}) for number, minute in enumerate(minutes))


def step(**changes: Any) -> StepResult:
    """A step that was planned at 01:00, came at 01:01 and went at 01:30."""
    times = {"at_s": EPOCH_S + 3600, "applied_s": EPOCH_S + 3660, "released_s": EPOCH_S + 5400}
    return StepResult.model_construct(**{"name": "cut", **times, **changes})


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


@pytest.mark.parametrize(("bad", "total"), [(0, 40), (1, 40), (13, 40), (40, 40)])
def test_a_count_has_exact_bounds_on_each_side(bad: int, total: int) -> None:
    """Those of Clopper and Pearson at 95 % each; in words they are per cent, with the counts."""
    counted = Counted(total, bad)
    assert counted.low == pytest.approx(beta.ppf(0.05, bad, total - bad + 1) if bad else 0.0)
    assert counted.high == pytest.approx(beta.ppf(0.95, bad + 1, total - bad) if bad < total else 1.0)
    assert interval_text(counted) == f"{100 * counted.low:.2f}-{100 * counted.high:.2f} %"
    assert share_text(counted) == f"{100 * bad / total:.1f} % ({bad} of {total})"
    assert (counted.all_bad, counted.none_bad) == (bad == total, bad == 0)


def test_a_count_of_nothing_says_nothing() -> None:
    """Neither that all were bad nor that none was; and it has no share."""
    assert (Counted(0, 0).all_bad, Counted(0, 0).none_bad) == (False, False)
    with pytest.raises(LookupError, match="no request matched"):
        share_text(Counted(0, 0))
    assert share_text(Counted(1, 1)) == "100.0 % (1 of 1)"


def test_an_outage_is_counted_a_minute_off_its_borders() -> None:
    """From 56 minutes, a minute after the onset began, to a minute before the heal phase: the end itself is out."""
    assert evidence(*at(55.9, 56, 60, 118.9, 119)).outage(["new"]) == Counted(3, 2)


def test_an_outage_is_counted_of_some_operations_and_one_front_end() -> None:
    """Each leaves the others out."""
    requests = (*at(60, 61), *at(62, operation="create"), *at(63, front_end="portal"))
    assert evidence(*requests).outage(["new"]) == Counted(4, 1)
    assert evidence(*requests).outage(["new"], ["create"]) == Counted(1, 0)
    assert evidence(*requests).outage(["new"], front_end="portal") == Counted(1, 0)
    assert evidence(*requests).between("01:01", "01:04", ["new"], ["token"]) == Counted(2, 1)


def test_a_window_without_a_request_is_no_count() -> None:
    """And one that ends with the run is counted."""
    with pytest.raises(LookupError, match="no request of new in the window"):
        evidence(*at(60)).between("01:01", "03:00", ["new"])
    assert evidence(*at(179)).between("01:01", "03:00", ["new"]) == Counted(1, 0)


def test_failures_are_counted_that_were_known_in_time() -> None:
    """Sent from the impact's start on, before the span is over, and ended by then at the latest; good ones do not count."""
    bad = {"good": False, "cohort": "new"}
    requests = (
        request(3599, **bad), request(3600, **bad), request(3601, cohort="new"), request(3610, took_s=50, **bad),
        request(3620, took_s=41, **bad), request(3660, **bad), request(3602, False, cohort="old"),
    )  # fmt: skip
    times = Times(impact_start_s=EPOCH_S + 3600)
    assert evidence(*requests, times=times).failures_done_within(60, ["new"]) == 2
    with pytest.raises(LookupError, match="no impact"):
        evidence(*requests, times=Times()).failures_done_within(60, ["new"])


def test_a_step_is_counted_while_it_was_in_place() -> None:
    """A minute off either border; after it, from a minute on for as long as was asked."""
    seen = evidence(*at(61.9, 62, 70, 88.9, 89, 100), steps=(step(name="other"), step()))
    assert seen.during("cut", ["new"]) == Counted(3, 2)
    assert seen.after_step("cut", 28 * 60 + 6, ["new"]) == Counted(4, 2)
    assert seen.after_step("cut", 28 * 60, ["new"]) == Counted(3, 2)
    assert seen.step("cut").name == "cut"


@pytest.mark.parametrize(("lacking", "during", "after"), [("applied_s", True, True), ("released_s", True, False)])
def test_a_step_that_was_not_carried_out_has_no_count(lacking: str, *, during: bool, after: bool) -> None:
    """What never came was not in place; what did not go again has only a time after it."""
    seen = evidence(*at(70), steps=(step(**{lacking: None}),))
    for refuses, ask in ((during, lambda: seen.during("cut", ["new"])), (after, lambda: seen.after_step("cut", 900, ["new"]))):
        if refuses:
            with pytest.raises(LookupError, match="step cut was not carried out"):
                ask()
        else:
            assert ask() == Counted(1, 0)
    with pytest.raises(LookupError, match="no step other"):
        seen.step("other")


def test_a_time_of_day_is_on_the_day_of_the_fault() -> None:
    """Also where the fault begins at midnight's second."""
    assert evidence().time_s("02:30") == EPOCH_S + 9000
    assert clock(EPOCH_S + 9001) == "02:30:01"


def trail(token: str, build: str, key: str, kind: str = "managed") -> str:
    return f"sydney.host;9.9;host-key;manual;miss>{token};{build};{key};{kind};miss>sydney.store;8.8;store-key;managed;"


def test_builds_and_keys_are_those_of_token_nodes_that_machines_without_a_token_met() -> None:
    """Of new machines and of visitors from the other region; hosts and stores do not count, and an empty key is none."""
    told = [
        (3600, "newly-scaled", trail("sydney.token.z1", "1.0", "k1", "manual")),
        (3719, "newly-scaled", trail("sydney.token.z1", "1.1", "k2")),
        (3720, "newly-scaled", trail("sydney.token.z2", "2.0", "k3")),
        (5000, "pair-visitors", trail("melbourne.token.z1", "3.0", "")),
        (5400, "warm-machines", trail("sydney.token.z1", "4.0", "k4")),
        (7200, "newly-scaled", trail("sydney.token.z1", "5.0", "k5")),
    ]
    seen = evidence(
        *(request(at_s, cohort=cohort, trail=way) for at_s, cohort, way in told), steps=(step(at_s=EPOCH_S + 3660),)
    )
    assert seen.builds_after("cut") == {"2.0", "3.0", "5.0"}
    assert seen.keys_between("01:00", "02:00") == {"k1 (manual)", "k2 (managed)", "k3 (managed)"}


def _report(at_s: float, success: object, **actual: list[str]) -> Event:
    regions = {
        name: {"actual": builds, "reported": "pinned to 1.0" if name == "west" else "2.0"} for name, builds in actual.items()
    }
    return Event(EPOCH_S + at_s, "act", "applied", "roll-out", {"report": {"success": success, "regions": regions}})


def test_the_deployers_last_report_is_read() -> None:
    """Whether it called it a success, what moved, and what was pinned; acts of other steps and kinds are no reports."""
    report = _report(10, 1, north=["2.0"], west=["1.0"], south=["1.0", "2.0"])
    others = (
        _report(1, False, north=["1.0"]),
        report,
        Event(EPOCH_S + 20, "act", "healed", "roll-out"),
        Event(EPOCH_S + 21, "act", "applied", "other", {"report": {}}),
        Event(EPOCH_S + 22, "note", "applied", "roll-out", {"report": {}}),
    )
    assert evidence(events=others).roll_out_report() == RollOut(success=True, moved="north, south", pins=("west",))
    assert evidence(events=others[:1]).roll_out_report() == RollOut(success=False, moved="none", pins=())
    with pytest.raises(LookupError, match="deployer's report"):
        evidence(events=others[2:]).roll_out_report()


def test_a_control_run_is_asked_the_same_questions() -> None:
    """Of its own record; one that was not run is a lookup that fails."""
    one, other = evidence(), evidence(*at(60, 61, 62, 63))
    both = Evidence(one.history, one.result, {"thin": (other.history, other.result)})
    assert both.of("thin").outage(["new"]) == Counted(4, 2)
    with pytest.raises(LookupError):
        both.of("thick")
