"""Schedules are drawn from the fault files' own declarations, as a pure function of the seed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from brownout.harness.base.keyed_random import keyed_stream
from brownout.harness.experiment import plugins
from brownout.harness.experiment.stack import stack_of
from brownout.harness.fault import Duration, Fault
from brownout.harness.world import Carrier, StackSpec, endpoint_names
from brownout.harness.worlds.catalog import SIMULATION, WORLDS
from brownout.suites.search import domains
from brownout.suites.search.domains import Choice, Range, drawable_kinds, drawn_params, fits
from brownout.suites.search.grounds import ground
from brownout.suites.search.schedule import window_s
from brownout.suites.search.strategies import acts
from brownout.suites.search.swarm import chunk_of

AZURE = ground("azure")


class Tremble(Fault):
    """A fault that nobody knows of yet."""

    kind = "tremble"
    family = "node"
    needs = frozenset({"node:paused"})
    target = ("node",)

    node: str
    strength: float = Field(0.5, ge=0.25, le=0.75)
    every: Duration = Field(ge=2, le=4)
    times: int | None = Field(None, ge=3)

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return (Carrier("node", self.node),)

    def state(self, spec: StackSpec, carrier: Carrier) -> Any:
        return object()


@pytest.mark.parametrize("name", ["azure", "aws"])
def test_every_fault_of_the_simulation_takes_part(name: str) -> None:
    """On the ground of its vendor; one that is about no vendor's half alone, on both."""
    able = {kind: made for kind, made in plugins.faults().items() if made.needs <= WORLDS[SIMULATION].abilities}
    ours = {kind: made for kind, made in able.items() if made.__module__.startswith("brownout.faults.")}
    drawable = set(drawable_kinds(ground(name)))
    assert {kind for kind, made in ours.items() if made.vendor in (None, name)} == drawable & set(ours)
    assert {made.vendor for kind, made in ours.items() if kind not in drawable} == {"aws", "azure"} - {name}


def test_a_fault_about_another_vendor_is_told() -> None:
    """It is left out with the reason, and no try to make it is spent on it."""
    assert domains.undrawable("identity-attach", ground("aws")) == "it is about azure's half of a stack"
    assert domains.undrawable("identity-attach", AZURE) == ""


def test_parameters_fit_on_one_of_the_grounds() -> None:
    """For each fault of the simulation parameters are drawn with which it can be made."""
    chance = keyed_stream(1, "test")
    found = {
        kind
        for place in (AZURE, ground("aws"))
        for kind in drawable_kinds(place)
        if drawn_params(kind, place, chance, tries=40) is not None
    }
    assert {*drawable_kinds(AZURE), *drawable_kinds(ground("aws"))} - found == set()


def test_a_new_fault_takes_part_without_a_change_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own declarations say what may be drawn."""
    monkeypatch.setattr(plugins, "_faults", lambda: ({"tremble": Tremble}, {}))
    assert drawable_kinds(AZURE) == ("tremble",)
    known = domains.domains("tremble", AZURE)
    assert isinstance(known["node"], Choice)
    assert known["every"] == Range(2.0, 4.0, is_duration=True)
    assert known["strength"] == Range(0.25, 0.75)
    assert known["times"] == Range(3.0, 8.0, is_whole=True)
    for number in range(20):
        drawn = drawn_params("tremble", AZURE, keyed_stream(number, "test"))
        assert drawn is not None
        assert 2 <= Tremble.model_validate(drawn).every <= 4


def test_a_parameter_that_means_nothing_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that cannot be made without it is left out, with the reason."""

    class Riddle(Tremble):
        kind = "riddle"
        answer: str

    monkeypatch.setattr(plugins, "_faults", lambda: ({"riddle": Riddle}, {}))
    assert drawable_kinds(AZURE) == ()
    assert domains.undrawable("riddle", AZURE) == "nothing is known of its parameters answer"


def test_only_names_that_every_seed_has_are_drawn() -> None:
    """An account has a name of its own for sign-in; a schedule with it would be refused with any other seed."""
    place = ground("aws")
    names = [set(endpoint_names(stack_of(place.experiment, seed=seed))) for seed in (0, 1, 7)]
    assert len(set.union(*names)) == len(names[0]) + 2
    assert set(domains.vocabulary(place)["name"]) == set.intersection(*names)


def test_a_chunk_is_a_pure_function_of_its_seed() -> None:
    """And other seeds and chunks draw others."""
    first = chunk_of(AZURE, 7, 0, 8)
    assert first == chunk_of(AZURE, 7, 0, 8)
    assert first != chunk_of(AZURE, 8, 0, 8)
    assert first != chunk_of(AZURE, 7, 1, 8)


def test_a_chunk_keeps_to_some_kinds_and_clients() -> None:
    """Swarm testing: a part of what there is, another one in each chunk."""
    chunks = [chunk_of(AZURE, 7, number, 12) for number in range(6)]
    clients = {schedule.cohorts for chunk in chunks for schedule in chunk}
    assert all(len({schedule.cohorts for schedule in chunk}) == 1 for chunk in chunks)
    assert len(clients) > 1
    kinds = [{kind for schedule in chunk for kind in schedule.kinds()} for chunk in chunks]
    assert all(len(each) < len(drawable_kinds(AZURE)) for each in kinds)


def test_acts_lie_within_their_window() -> None:
    """Every act ends before the recovery begins."""
    drawn = [act for number in range(6) for schedule in chunk_of(AZURE, 3, number, 10) for act in schedule.acts]
    assert drawn
    assert all(act.end_s <= window_s(AZURE.experiment) for act in drawn)


@settings(max_examples=30)
@given(st.data())
def test_strategies_make_acts_that_can_be_made(data: st.DataObject) -> None:
    """Hypothesis draws from the same domains."""
    act = data.draw(acts(AZURE))
    assert fits(act.kind, act.params, AZURE)
    assert act.end_s <= window_s(AZURE.experiment)
