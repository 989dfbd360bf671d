"""The plan is a pure function of its seed, and issues exactly what it promises."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan, NameCaches, arrivals, operations_of, plan_json, planned_count
from brownout.harness.load.models.model import Operation
from brownout.identity.core.edge.names import NameCache

WARM = Cohort(name="warm", model="token", region="sydney", rate_per_s=5, machines=("vm1", "vm2", "vm3"))
SCALED = Cohort(name="scaled", model="token", region="sydney", rate_per_s=1, machines=("vmss",), fresh=True)
OPERATORS = Cohort(
    name="operators",
    model="management",
    region="melbourne",
    rate_per_s=8,
    mix={"create": 1, "delete": 1, "list": 6, "assign": 0},
    homes={"sydney": 3, "melbourne": 1},
    front_ends={"portal": 1, "arm": 4},
)


def plan(*cohorts: Cohort, seed: int = 3) -> LoadPlan:
    return LoadPlan(seed=seed, start_s=1000.0, end_s=1500.0, cohorts=cohorts)


def test_same_seed_gives_the_same_arrivals() -> None:
    """Two plans with one seed issue equal arrivals, also after a trip through JSON."""
    first = plan(WARM, SCALED, OPERATORS)
    again = LoadPlan.model_validate(plan_json(first))
    assert list(arrivals(first)) == list(arrivals(again))


def test_another_seed_moves_the_arrivals() -> None:
    """The seed decides when clients arrive, and not how many do."""
    first, other = list(arrivals(plan(WARM))), list(arrivals(plan(WARM, seed=4)))
    assert len(first) == len(other)
    assert [a.at_s for a in first] != [a.at_s for a in other]


def test_counts_are_the_planned_ones_and_times_lie_inside_in_order() -> None:
    """Each cohort issues rate times duration arrivals, ordered in time, inside the plan, with ids of their own."""
    made = plan(WARM, SCALED, OPERATORS)
    found = list(arrivals(made))
    assert Counter(a.cohort for a in found) == {c.name: planned_count(made, c) for c in made.cohorts}
    assert Counter(a.cohort for a in found) == {"warm": 2500, "scaled": 500, "operators": 4000}
    assert [a.at_s for a in found] == sorted(a.at_s for a in found)
    assert made.start_s < found[0].at_s
    assert found[-1].at_s < made.end_s
    assert len({a.id for a in found}) == len(found)


def test_gaps_are_exponential() -> None:
    """Arrivals are Poisson-like: the gaps' standard deviation is about their mean, and e^-1 of them are longer than it."""
    times = [a.at_s for a in arrivals(plan(OPERATORS))]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation / mean == pytest.approx(1.0, abs=0.06)
    assert sum(gap > mean for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.03)


def test_taking_one_cohort_away_leaves_the_others_alone() -> None:
    """A cohort's arrivals depend on the seed and on itself only."""
    together = [a for a in arrivals(plan(WARM, SCALED, OPERATORS)) if a.cohort == "operators"]
    assert together == list(arrivals(plan(OPERATORS)))


def test_mix_homes_and_front_ends_come_in_their_shares() -> None:
    """Weights become shares within sampling error, and a weight of zero never occurs."""
    found = list(arrivals(plan(OPERATORS)))
    operations = Counter(a.operation for a in found)
    assert set(operations) == {"create", "delete", "list"} == set(operations_of(OPERATORS))
    assert operations["list"] / len(found) == pytest.approx(6 / 8, abs=0.03)
    named = [a.home for a in found if a.operation != "list"]
    assert named.count("sydney") / len(named) == pytest.approx(3 / 4, abs=0.05)
    assert sum(a.front_end == "portal" for a in found) / len(found) == pytest.approx(1 / 5, abs=0.03)


def test_machines_of_plain_cohorts_come_back_and_fresh_ones_never_do() -> None:
    """Plain cohorts reuse their machines; a fresh cohort's arrivals each come from a machine of its scale set never seen."""
    found = list(arrivals(plan(WARM, SCALED)))
    assert {a.machine for a in found if a.cohort == "warm"} == {"vm1", "vm2", "vm3"}
    scaled = [a.machine for a in found if a.cohort == "scaled"]
    assert len(set(scaled)) == len(scaled)
    assert all(name.startswith("vmss_") and name.removeprefix("vmss_").isdigit() for name in scaled)


def test_defaults_without_a_mix() -> None:
    """A cohort without a mix has its model's operation, and its model's front end if there is one."""
    for cohort, operation, home, front_end in ((WARM, "token", WARM.region, ""), (OPERATORS, "list", "", "arm")):
        bare = cohort.model_copy(update={"mix": {}, "homes": {}, "front_ends": {}})
        arrival = next(arrivals(plan(bare)))
        assert (arrival.operation, arrival.home, arrival.front_end) == (operation, home, front_end)


def test_the_home_is_that_of_the_identity_that_is_asked_for() -> None:
    """A machine's own, whatever its cohort is called; drawn for what names an identity; none where no identity is concerned."""
    homes = {"vmss": "melbourne", "vm1": ""}
    of_machines = plan(WARM, SCALED).model_copy(update={"machine_homes": homes})
    met = {(a.machine.partition("_")[0], a.home) for a in arrivals(of_machines)}
    assert met == {("vm1", ""), ("vm2", "sydney"), ("vm3", "sydney"), ("vmss", "melbourne")}
    assert {a.home for a in arrivals(plan(OPERATORS)) if a.operation == "list"} == {""}
    assert {a.home for a in arrivals(plan(OPERATORS)) if a.operation == "delete"} == {"sydney", "melbourne"}


def test_whose_home_counts_follows_from_what_an_operation_needs() -> None:
    """A model that does not say asks as its machine where it needs one, and for an identity of the drawn home otherwise."""
    found = [Operation("a", needs_machine=True).home_of, Operation("b").home_of, Operation("c", home="none").home_of]
    assert found == ["machine", "drawn", "none"]


def test_front_ends_given_to_a_model_without_any_make_no_difference() -> None:
    """Clients that have one way in use it."""
    assert {a.front_end for a in arrivals(plan(WARM.model_copy(update={"front_ends": {"portal": 1}})))} == {""}


def in_blocks(plan_: LoadPlan, block_s: float) -> LoadPlan:
    return plan_.model_copy(update={"block_s": block_s})


def test_a_plan_in_blocks_has_the_planned_count_in_each_and_in_all() -> None:
    """However long it is, every block has what its rate promises, ids are never used twice, and time goes forward."""
    long = in_blocks(plan(WARM, SCALED, OPERATORS), 60.0)
    found = list(arrivals(long))
    assert Counter(arrival.cohort for arrival in found) == {"warm": 2500, "scaled": 500, "operators": 4000}
    assert len({arrival.id for arrival in found}) == len(found)
    assert all(before.at_s <= after.at_s for before, after in pairwise(found))
    first = [arrival for arrival in found if arrival.at_s < 1060.0]
    assert Counter(arrival.cohort for arrival in first) == {"warm": 300, "scaled": 60, "operators": 480}
    assert [arrival.number for arrival in found if arrival.cohort == "scaled"] == list(range(500))


def test_leaving_out_what_is_past_leaves_the_rest_as_it_is() -> None:
    """With `after_s` the arrivals from the first block that is kept on are the same as without it."""
    long = in_blocks(plan(WARM, SCALED), 60.0)
    late = list(arrivals(long, after_s=1130.0))
    assert late == [arrival for arrival in arrivals(long) if arrival.at_s >= 1120.0]


def test_a_plan_of_one_block_is_the_plan_without_blocks() -> None:
    """Blocks change nothing but how much is planned at a time."""
    whole = plan(WARM, OPERATORS)
    assert list(arrivals(in_blocks(whole, 500.0))) == list(arrivals(whole))


OFFICES = Cohort(
    name="offices",
    model="sign-in",
    region="sydney",
    rate_per_s=1,
    name_caches=NameCaches(count=20, ttl="5m", negative_ttl="15m"),
)


def test_clients_have_caches_of_names_with_records_of_every_age() -> None:
    """Each arrival uses one of the cohort's caches, which are told with their times; first records are of different ages."""
    told = {NameCache.of(arrival.name_cache) for arrival in arrivals(plan(OFFICES))}
    assert sorted(cache.name for cache in told) == sorted(f"offices-{number}" for number in range(20))
    assert {(cache.ttl_s, cache.negative_ttl_s) for cache in told} == {(300.0, 900.0)}
    firsts = sorted(cache.first_s for cache in told)
    assert len(set(firsts)) == 20
    assert 0 <= firsts[0] < 100 < 200 < firsts[-1] <= 300


def test_caches_survive_a_trip_through_json() -> None:
    """A worker's arrivals use the same caches as the master's."""
    made = plan(OFFICES)
    assert list(arrivals(LoadPlan.model_validate(plan_json(made)))) == list(arrivals(made))


def test_clients_without_caches_name_none() -> None:
    """And nobody else's arrivals change when a cohort gets some."""
    without = list(arrivals(plan(OFFICES.model_copy(update={"name_caches": None}))))
    assert {arrival.name_cache for arrival in without} == {""}
    assert [arrival._replace(name_cache="") for arrival in arrivals(plan(OFFICES))] == without
