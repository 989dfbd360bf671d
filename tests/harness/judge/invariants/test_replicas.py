"""Replication: when a change is due, which faults may keep it away, and what may come back."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.facts import ACCOUNT, REPLICA, Promises
from brownout.harness.judge.invariants.replicas import bound_s, concerns
from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.history import Event, History
from brownout.harness.record.reach import Reach
from support.invariant_histories import TOKEN, VAULT, look, of, promises, withdrawn
from support.slo_builders import act


def counts(name: str, history: History) -> tuple[int, int]:
    """How often an invariant was exercised, and its violations."""
    return next((one.exercised, one.violations) for one in invariant_results(history) if one.name == name)


def test_identities_and_accounts_are_published_at_their_own_intervals() -> None:
    """Three rounds, half a minute, and five seconds of real time at the clock's rate."""
    said = Promises("t", "a", publish_interval_s=60.0, iam_publish_interval_s=100.0, clock_rate=10.0)
    assert (bound_s(said, REPLICA), bound_s(said, ACCOUNT)) == (260.0, 380.0)


@pytest.mark.parametrize(("at_s", "found"), [(1214, (0, 0)), (1215, (4, 2))])
def test_a_change_is_due_at_the_bound(at_s: float, found: tuple[int, int]) -> None:
    """It was sent at 1,000 s and may be under way for 215 s, no longer: the vault has neither of its two by then."""
    looks = [promises(), look(0, 1), look(1000, 2), look(at_s, 2, held={VAULT: 1})]
    assert counts("changes-arrive", of(looks)) == found


@pytest.mark.parametrize(
    ("reach", "is_concerned"),
    [
        (Reach(replicas=(VAULT,)), True),
        (Reach(nodes=(VAULT,)), True),
        (Reach(nodes=("sydney.store", "sydney.directory")), True),
        (Reach(nodes=("sydney.store",)), False),
        (Reach(nodes=(TOKEN,), replicas=(TOKEN,)), False),
        (Reach(), False),
    ],
)
def test_a_fault_keeps_from_hearing_what_it_reaches_and_all_where_it_reaches_a_directory(
    reach: Reach, is_concerned: bool
) -> None:
    """Other nodes of the region hear of changes as ever."""
    assert concerns(reach, VAULT) is is_concerned


def _cut(until_s: float, **planned: object) -> list[Event]:
    return [act(500, "planned", "cut", **planned), act(500, "applied", "cut"), act(until_s, "reverted", "cut")]


def test_a_fault_excuses_only_while_it_is_in_place() -> None:
    """One whose record does not say what it broke may have broken anything, until it is reverted."""
    looks = [promises(), look(0, 1), look(1000, 2, held={VAULT: 1}), look(3000, 2, held={VAULT: 1})]
    everywhere = {"reach": {"nodes": [VAULT, TOKEN]}}
    assert counts("changes-arrive", of([*looks, *_cut(2000)])) == (0, 0)
    assert counts("changes-arrive", of([*looks, *_cut(2000, **everywhere)])) == (0, 0)
    assert counts("changes-arrive", of([*looks, *_cut(900, **everywhere)])) == (4, 2)


@pytest.mark.parametrize(("subject", "violations"), [("role:AROA1", 1), ("user:AIDA1", 1), ("access-key:AKIA1", 0)])
def test_an_access_key_may_come_back_and_a_role_may_not(subject: str, violations: int) -> None:
    """A key that was made inactive may be made active again, so its deletion is no occasion."""
    history = of([*withdrawn(subject), look(5000, 3, returned=[subject])])
    assert counts("deletions-stay", history) == (3 * violations, violations)


def test_what_was_first_published_in_the_run_is_due_from_its_first_version_on() -> None:
    """A publication that the first look did not tell was at no version."""
    looks = [promises(), look(0, 1, sent={"account:sydney": 1}), look(1000, 1), look(3000, 1)]
    assert counts("changes-arrive", of(looks)) == (2, 0)
