"""Grants: together the workers' shares are the plan, whichever workers join, fall silent or are lost."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan, arrivals
from brownout.harness.load.grants import EVERYTHING, Grant, Granter, Schedule

STEP_S, AHEAD_S = 0.5, 3.0


def plan(*, block_s: float | None = None) -> LoadPlan:
    cohorts = tuple(
        Cohort(name=name, model="token", region="sydney", rate_per_s=rate, machines=("vm1",))
        for name, rate in (("many", 40.0), ("few", 3.0))
    )
    return LoadPlan(seed=5, start_s=100.0, end_s=160.0, cohorts=cohorts, block_s=block_s)


def all_before(schedule: Schedule, until_s: float) -> list[str]:
    found = []
    while (arrival := schedule.take_before(until_s)) is not None:
        found.append(arrival.id)
    return found


def test_a_worker_alone_has_the_whole_plan_in_order() -> None:
    """With everything granted, the schedule is the plan, and it knows when it has come to the end."""
    schedule = Schedule(plan())
    assert not schedule.finished
    schedule.grant(EVERYTHING)
    assert all_before(schedule, 1000.0) == [arrival.id for arrival in arrivals(plan())]
    assert schedule.finished


def test_nothing_is_taken_before_its_time_or_without_a_grant() -> None:
    """What is later than asked for, or than was granted, stays for later."""
    schedule = Schedule(plan())
    assert schedule.take_before(1000.0) is None
    schedule.grant(Grant(-1e9, 110.0, 0, 1))
    early, rest = all_before(schedule, 105.0), all_before(schedule, 1000.0)
    expected = [arrival.id for arrival in arrivals(plan()) if arrival.at_s < 110.0]
    assert early + rest == expected
    assert early
    assert rest
    schedule.grant(Grant(110.0, 1e9, 0, 1))
    assert len(expected) + len(all_before(schedule, 1000.0)) == sum(1 for _ in arrivals(plan()))


@pytest.mark.parametrize("seed", range(20))
def test_members_that_come_and_go_never_share_an_arrival(seed: int) -> None:
    """Whatever the membership in each step, each arrival is granted to one worker, or to none while there are no members."""
    chance = random.Random(seed)
    granter, workers = Granter(plan(), AHEAD_S), {name: Schedule(plan()) for name in "abcd"}
    taken: Counter[str] = Counter()
    now_s = 95.0
    while now_s < 165.0:
        members = [name for name in workers if chance.random() < 0.7]
        for name, grant in granter.hand_out(members, now_s).items():
            workers[name].grant(grant)
        taken.update(one for schedule in workers.values() for one in all_before(schedule, now_s))
        now_s += STEP_S
    assert taken == Counter(arrival.id for arrival in arrivals(plan()))


def test_a_lost_worker_costs_its_own_grants_and_nothing_else() -> None:
    """What it had been granted is left out; from the next slice on the others have all."""
    granter = Granter(plan(), AHEAD_S)
    stays, lost = Schedule(plan()), Schedule(plan())
    for name, grant in granter.hand_out(["stays", "lost"], 110.0).items():
        (stays if name == "stays" else lost).grant(grant)
    done = all_before(lost, 111.0)
    for grant in granter.hand_out(["stays"], 111.0).values():
        stays.grant(grant)
    kept = all_before(stays, 114.0)
    every = [arrival for arrival in arrivals(plan()) if arrival.at_s < 114.0]
    left_out = {arrival.id for arrival in every} - set(done) - set(kept)
    assert left_out == set(all_before(lost, 1000.0))
    assert left_out
    assert not set(done) & set(kept)


def test_a_plan_that_waits_for_its_generator_has_no_past() -> None:
    """Time without members is skipped in a plan in blocks, and in a run's plan is handed out to the first members."""
    waiting, run = Granter(plan(block_s=10.0), AHEAD_S), Granter(plan(), AHEAD_S)
    assert waiting.hand_out([], 120.0) == run.hand_out([], 120.0) == {}
    assert waiting.hand_out(["a"], 120.0) == {"a": Grant(120.0, 123.0, 0, 1)}
    assert run.hand_out(["a"], 120.0) == {"a": Grant(float("-inf"), 123.0, 0, 1)}


def test_skipping_drops_what_is_past_only() -> None:
    """After `skip_to`, a schedule continues with the arrivals that come later."""
    schedule = Schedule(plan())
    schedule.grant(EVERYTHING)
    schedule.skip_to(130.0)
    assert all_before(schedule, 1000.0) == [arrival.id for arrival in arrivals(plan()) if arrival.at_s >= 130.0]
