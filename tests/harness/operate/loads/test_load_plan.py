"""A load by hand: clients that fit the stack's machines, at the rates that were asked for."""

from __future__ import annotations

from itertools import islice

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import find, load
from brownout.harness.load.arrivals import LoadPlan, arrivals
from brownout.harness.load.models.model import SignIn
from brownout.harness.operate.loads.load_plan import (
    ManualLoad,
    at_rates,
    experiment_load,
    manual_plan,
    needs_sign_in,
    typical_load,
)
from brownout.harness.worlds.stack_spec import build_stack

SPEC = build_stack(seed=1)
MACHINES = {machine.name for machine in SPEC.machines}


def planned(found: ManualLoad) -> LoadPlan:
    clock = {"epoch_s": 0.0, "monotonic_s": 0.0, "rate": 1.0}
    return manual_plan(found, SPEC, urls={}, clock=clock, now_s=0.0, sign_in=SignIn(), seed=1)


def test_the_builtin_clients_use_machines_that_the_stack_has() -> None:
    """Every region has clients of every kind, none names a machine that is not there, each has an objective."""
    found = typical_load(SPEC)
    kinds = {(cohort.region, cohort.model, cohort.fresh) for cohort in found.cohorts}
    wanted = (("token", False), ("token", True), ("resource", False), ("management", False))
    assert kinds == {(region, *kind) for region in SPEC.regions for kind in wanted}
    assert all(set(cohort.machines) <= MACHINES for cohort in found.cohorts)
    assert [objective.cohorts for objective in found.watch.objectives] == [(cohort.name,) for cohort in found.cohorts]


def test_a_stack_without_machines_still_has_managers() -> None:
    """Where a region has no machines for a kind of client, there are none of that kind."""
    bare = build_stack(seed=1, machines={"lonely": {"region": "sydney", "identities": []}})
    assert {cohort.model for cohort in typical_load(bare).cohorts} == {"management"}


def test_an_experiments_clients_move_to_machines_that_are_there() -> None:
    """The incident's cohorts keep their names and mix; those whose machines are missing say what they use instead."""
    experiment = load(find("ftvr-l9z"))
    found = experiment_load(experiment, SPEC)
    assert {cohort.name for cohort in found.cohorts} == {cohort.name for cohort in experiment.load.cohorts}
    by_name = {cohort.name: cohort for cohort in found.cohorts}
    assert by_name["warm-machines"].machines == ("web-1", "web-2", "web-3")
    assert by_name["resource-callers"].machines == ("web-1", "web-2", "web-3")
    assert any("resource-callers" in note and "app" in note and "web-1" in note for note in found.notes)
    assert [objective.name for objective in found.watch.objectives] == [slo.name for slo in experiment.slos]
    assert all(objective.windows == () for objective in found.watch.objectives)
    assert next(islice(arrivals(planned(found)), 1)).machine in MACHINES | {"scaleout_0"}


def test_rates_are_per_real_second_whatever_the_clocks_rate() -> None:
    """Rates are per real second; a given rate overrides the cohort's share of the total, and 0 leaves the cohort out."""
    cohorts = typical_load(SPEC).cohorts
    for clock_rate in (1.0, 200.0):
        made = at_rates(cohorts, clock_rate=clock_rate, total_per_s=80.0, scale=None, given={})
        assert sum(cohort.rate_per_s for cohort in made) * clock_rate == pytest.approx(80.0)
    given = {"sydney-machines": 12.0, "melbourne-apps": 0.0}
    made = at_rates(cohorts, clock_rate=10.0, total_per_s=80.0, scale=None, given=given)
    rates = {cohort.name: cohort.rate_per_s for cohort in made}
    assert rates["sydney-machines"] == pytest.approx(1.2)
    assert "melbourne-apps" not in rates
    scaled = at_rates(cohorts, clock_rate=10.0, total_per_s=None, scale=3.0, given={})
    assert [cohort.rate_per_s for cohort in scaled] == pytest.approx([3 * cohort.rate_per_s for cohort in cohorts])


def test_wrong_rates_are_told() -> None:
    """A cohort that is not there, a rate below zero, and no cohort at all are bad usage."""
    cohorts = typical_load(SPEC).cohorts
    for given, said in (({"sydney-machine": 1.0}, "sydney-machine"), ({"sydney-apps": -1.0}, "below 0")):
        with pytest.raises(UsageError, match=said):
            at_rates(cohorts, clock_rate=1.0, total_per_s=None, scale=None, given=given)
    nothing = {cohort.name: 0.0 for cohort in cohorts}
    with pytest.raises(UsageError, match="no cohort is left"):
        at_rates(cohorts, clock_rate=1.0, total_per_s=None, scale=None, given=nothing)


def test_an_endless_plan_costs_nothing_to_begin() -> None:
    """Ten years at fifty requests per second begin with the next ten seconds, and only those who need a user's token do."""
    found = typical_load(SPEC)
    fast = ManualLoad(at_rates(found.cohorts, clock_rate=1.0, total_per_s=None, scale=None, given={}), found.watch)
    first = list(islice(arrivals(planned(fast)), 500))
    assert first[-1].at_s == pytest.approx(10.0, rel=0.05)
    assert needs_sign_in(fast.cohorts)
    assert not needs_sign_in(cohort for cohort in fast.cohorts if cohort.model != "management")
