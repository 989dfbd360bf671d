"""Read-your-writes: whose change counts, from when, and where."""

from __future__ import annotations

from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import InvariantResult
from support.invariant_histories import TOKEN, asked, call, look, of, promises
from support.slo_builders import act

BOUND_S = 3 * 60.0 + 30.0 + 5.0  # of the planted promises
PAUSED = [
    act(90, "planned", "pause", reach={"replicas": [TOKEN]}),
    act(90, "applied", "pause"),
    act(2000, "reverted", "pause"),
]
CHANGE = call(100, 7, "+8", took_s=1.0)


def told(history: History) -> InvariantResult:
    """What the history says of it."""
    return next(one for one in invariant_results(history) if one.name == "read-your-writes")


def used(at_s: float, version: int) -> RequestRecord:
    """A request that a token node judged by that version of the account."""
    return asked(at_s, False, trail=f"{TOKEN};1.0;;;;{version}", machine="")


def seen_in_region(at_s: float, version: int, *events: Event, sent: int = 8) -> InvariantResult:
    """The change, and later a use of what it made."""
    return told(of([promises(), look(0, 7), look(110, sent), *events], CHANGE, used(at_s, version)))


def test_only_an_acknowledged_change_of_the_same_session_counts() -> None:
    """Another cohort's, one that failed, and one that was under way when the question left are not the session's to see."""
    for other in (
        call(100, 7, "+8", cohort="others"),
        call(100, 7, "+8", region="melbourne"),
        call(100, 7, "+8", good=False),
        call(100, 7, "+8", took_s=50.0),
    ):
        assert told(of([promises()], other, call(120, 7, "7"))).status == "not-exercised"


def test_a_question_that_finds_nothing_is_an_answer_too() -> None:
    """An error of the control plane that was made by an older account counts as one that is seen."""
    missed = told(of([promises()], CHANGE, call(120, 7, "7", good=False)))
    assert missed.status == "violated"
    assert "sydney.directory answered by version 7 of the account, 19 s after the same session's change made version 8" in (
        missed.evidence
    )
    assert told(of([promises()], CHANGE, call(120, 7))).status == "not-exercised", "the control plane was not reached"


def test_a_region_has_three_rounds_to_hear_of_it() -> None:
    """Until then an older answer is as promised; from then on it is a violation, and the note tells both places apart."""
    due_s = 101 + BOUND_S
    assert seen_in_region(due_s, 7).status == "not-exercised"
    assert seen_in_region(due_s + 1, 7).status == "violated"
    held = told(of([promises()], CHANGE, call(120, 7, "8"), used(due_s + 1, 8)))
    assert (held.status, held.note) == ("held", "1 times at the control plane, 1 in regions")


def test_a_region_is_not_blamed_for_what_a_fault_keeps_away_or_what_it_is_not_sent() -> None:
    """Where a fault's reach names the node between change and answer, or no look found the change published."""
    late_s = 101 + BOUND_S + 1
    assert seen_in_region(late_s, 7, *PAUSED).status == "not-exercised"
    assert seen_in_region(3000, 7, *PAUSED).status == "not-exercised", "it was kept from hearing when the change was sent"
    assert seen_in_region(late_s, 7, sent=7).status == "not-exercised"
    assert seen_in_region(late_s, 8, sent=7).status == "held"
