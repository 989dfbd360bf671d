"""Every invariant: it is exercised by a history that holds it, violated by its control, and idle where nothing happened."""

from __future__ import annotations

import dataclasses

import pytest

from brownout.harness.judge.invariants.facts import Facts
from brownout.harness.judge.invariants.table import INVARIANTS, invariant_results
from brownout.harness.judge.verdict import overall
from brownout.harness.record.history import History
from support.invariant_controls import CONTROLS, LATER
from support.invariant_histories import KNOWN_AT, TOKEN, VAULT, asked, look, of, promises, starved, token, withdrawn
from support.slo_builders import T0, act

RESTS_ON = {"mixed-builds-keep-every-promise": {"audience-isolation"}}  # it judges the others again, where builds differ
NAMES = [invariant.name for invariant in INVARIANTS]


def result(name: str, history: History):  # type: ignore[no-untyped-def]
    """What the history says of one invariant."""
    return next(one for one in invariant_results(history) if one.name == name)


def without_control(names: list[str]) -> list[str]:
    """The invariants that no control can make fail."""
    return [name for name in names if name not in CONTROLS]


def test_every_invariant_has_a_control() -> None:
    """An invariant that nothing can violate proves nothing, so one without a control is refused; names are used once."""
    assert without_control(NAMES) == []
    assert without_control([*NAMES, "new-one"]) == ["new-one"]
    assert set(CONTROLS) == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_a_look_that_tells_the_same_counts_like_one_that_tells_something_new() -> None:
    """Each version of each node is beside the one before, but for a version of 0, which is none."""
    lost = {VAULT: 0, "sydney.token.z2": 0}
    same = of([look(500 * n, 5, held=lost) for n in range(4)])
    new = of([look(500 * n, 5 + n, held=lost) for n in range(4)])
    assert [result("replicas-never-go-back", each).exercised for each in (same, new)] == [6, 6]


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_where_it_is_kept_and_counts_the_occasions(name: str) -> None:
    """A history that exercises it and keeps it: held, so many times, without evidence of a violation."""
    found = result(name, CONTROLS[name].held)
    assert (found.status, found.violations, found.evidence) == ("held", 0, "")
    assert found.exercised > 0


@pytest.mark.parametrize("name", NAMES)
def test_its_control_violates_it_and_no_other(name: str) -> None:
    """The control is told with its first evidence; no other invariant takes it for a violation of its own."""
    every = {one.name: one for one in invariant_results(CONTROLS[name].violated)}
    assert every[name].status == "violated"
    assert every[name].evidence
    assert {other for other, one in every.items() if one.status == "violated"} == {name} | RESTS_ON.get(name, set())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_happened_is_not_held(name: str) -> None:
    """A history without an occasion says nothing about it."""
    found = result(name, History((), ()))
    assert (found.status, found.exercised, found.evidence) == ("not-exercised", 0, "")
    assert name.startswith("mixed") or found.note == "", "what was not exercised has nothing to note"


def test_a_violation_is_a_breach_unless_a_gate_distrusts_the_record() -> None:
    """The verdict names the invariant and its evidence first; a failed gate on which figures rest makes it a doubt."""
    from brownout.harness.record.result import GateResult

    violated = invariant_results(CONTROLS["no-revoked-store-key"].violated)
    verdict, reasons = overall((), (), (), violated)
    assert verdict == "breach"
    assert reasons[0].startswith("no-revoked-store-key was violated: request r-")
    lag = GateResult(name="generator-lag", passed=False, reason="it lagged")
    verdict, reasons = overall((), (lag,), (), violated)
    assert verdict == "inconclusive"
    assert "not trusted" in reasons[-1]


@pytest.mark.parametrize(
    "name", ["no-token-for-a-deleted-identity", "a-deleted-identity-is-not-let-in", "no-revoked-access-key"]
)
def test_a_node_that_has_not_heard_is_not_blamed(name: str) -> None:
    """The same answers by nodes that still hold the older version, as in a cut, violate nothing: they cannot know."""
    pair = CONTROLS[name]
    subject = next(iter(Facts.of(pair.violated).looks[0].withdrawn))
    deaf = dataclasses.replace(pair.violated, events=tuple(withdrawn(subject, hears=False)))
    assert result(name, deaf).status == "not-exercised"


def test_requests_beside_a_fault_that_comes_or_goes_are_no_evidence() -> None:
    """Between two looks with a change of a fault in between, nobody can say what was withdrawn at a request's moment."""
    pair = CONTROLS["a-deleted-identity-is-not-let-in"]
    touched = of([*pair.violated.events, act(LATER + 100, "intended"), act(LATER + 101, "applied")], *pair.violated.requests)
    assert result("a-deleted-identity-is-not-let-in", touched).status == "not-exercised"


def test_a_silent_directory_leaves_open_what_is_withdrawn() -> None:
    """Where the later look did not reach the directory, a deletion might have been taken back."""
    silent = look(4000, 2)
    del silent.detail["sent"]  # type: ignore[attr-defined]
    events = [*withdrawn("identity:oid-1")[:-1], silent]
    assert result("a-deleted-identity-is-not-let-in", of(events, asked(LATER, True, token("shown")))).status == "not-exercised"


def test_an_older_token_from_a_cache_is_no_new_one() -> None:
    """A host may hand out a token of before the deletion until its end; one that was issued afterwards it may not have."""
    looks = withdrawn("identity:oid-1")
    cached = asked(LATER, True, token(from_s=T0 + 10), trail="sydney.host")
    assert result("no-token-for-a-deleted-identity", of(looks, cached)).status == "held"
    newer = asked(LATER, True, token(from_s=T0 + KNOWN_AT + 10), trail="sydney.host")
    assert result("no-token-for-a-deleted-identity", of(looks, newer)).status == "violated"


def test_a_change_that_a_fault_keeps_away_need_not_arrive() -> None:
    """While a fault's reach names a replica it may lag; its neighbours must not."""
    looks = [promises(), look(0, 1), look(1500, 2, held={VAULT: 1, TOKEN: 1}), look(3000, 2, held={VAULT: 1, TOKEN: 1})]
    assert result("changes-arrive", of([*looks, *starved()])).status == "not-exercised"
    assert result("changes-arrive", of(looks)).violations == 4  # of identities and of the account, at two nodes


def test_static_stability_promises_nothing_to_newcomers_or_past_a_day() -> None:
    """Who was not served before the fault, who needs what another fault broke, and what comes after 24 hours do not count."""
    before, day_s = asked(500, True), 24 * 3600.0
    newcomer = asked(2000, False, machine="vm2")
    late = asked(1000 + day_s + 10, False)
    assert result("static-stability", of(starved(2 * day_s), before, newcomer, late)).status == "not-exercised"
    killed = [
        act(1500, "planned", "kill", reach={"nodes": [VAULT]}),
        act(1500, "applied", "kill"),
        act(3000, "reverted", "kill"),
    ]
    assert result("static-stability", of([*starved(), *killed], before, asked(2000, False))).status == "not-exercised"


def test_requests_that_never_tell_what_they_show_open_nothing() -> None:
    """One without credentials is let in wrongly only where others of its cohort and operation tell theirs."""
    silent, telling = asked(2000, True), asked(500, True, token("shown"))
    found = [
        result("nothing-opens-without-proof", of(starved(), *before, silent))
        for before in ((), (telling,), (telling._replace(cohort="others"),), (telling._replace(operation="read"),))
    ]
    assert [(one.exercised, one.violations) for one in found] == [(0, 0), (1, 1), (0, 0), (0, 0)]


@pytest.mark.parametrize(("use", "words"), [("given", "were given"), ("shown", "were accepted")])
def test_credentials_of_another_tenant_are_told_by_what_became_of_them(use: str, words: str) -> None:
    """Whether the stack handed them out or let them in."""
    found = result("tenant-isolation", of([promises()], asked(20, True, token(use, owner="theirs"))))
    assert (found.status, found.violations) == ("violated", 1)
    assert found.evidence.endswith(f"credentials of theirs {words}, another tenant's")
