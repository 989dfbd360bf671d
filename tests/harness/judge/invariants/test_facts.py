"""Requests in groups of such as are alike: what each invariant says of them is what it says of each alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from brownout.harness.judge.invariants.facts import Facts
from brownout.harness.judge.invariants.table import INVARIANTS
from brownout.harness.record.history import History
from support.approved_runs import PLAIN, record_of
from support.invariant_controls import CONTROLS
from support.invariant_histories import asked, of, token


def histories() -> Iterator[History]:
    """Each invariant's two, and runs of either vendor, one of them with mixed builds."""
    for pair in CONTROLS.values():
        yield from (pair.held, pair.violated)
    yield from (record_of(name, PLAIN).history for name in ("azure-cold-start", "aws-surge", "build-rolled-out"))


def test_every_invariant_says_the_same_where_each_request_is_a_group_of_its_own() -> None:
    """Groups are there to ask less often, and must not change what is found."""
    for history in histories():
        facts = Facts.of(history)
        alone = replace(facts, alike=tuple((request,) for request in facts.requests))
        for invariant in INVARIANTS:
            assert invariant.seen(alone) == invariant.seen(facts), invariant.name


def test_requests_are_alike_whatever_their_times_ids_and_errors_are() -> None:
    """One group, in the order of the history."""
    history = of([], asked(10, False), asked(20, False, took_s=1, id="other", error="timeout", status=0))
    assert Facts.of(history).alike == (list(history.requests),)


@pytest.mark.parametrize(
    "other",
    [
        {"cohort": "old"},
        {"operation": "secret"},
        {"region": "melbourne"},
        {"machine": "vm2"},
        {"outcome": "unknown"},
        {"trail": "melbourne.vault;1.0;;;"},
        {"credentials": str(token(key_id="k2"))},
    ],
)
def test_requests_that_differ_in_what_a_check_asks_once_are_not_alike(other: dict[str, str]) -> None:
    """A group of each, by the first request of it."""
    first, second, third = asked(10, True, token()), asked(20, True, token())._replace(**other), asked(30, True, token())
    assert Facts.of(of([], first, second, third)).alike == ([first, third], [second])
