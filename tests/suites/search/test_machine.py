"""The stateful machine on a stack that lives: it holds on a sound service, and finds what is planted."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from brownout.harness.worlds.simulation import world
from brownout.suites.search.clients import Visit
from brownout.suites.search.grounds import ground
from brownout.suites.search.machine import StackMachine, Stand
from brownout.suites.search.trial import carried_out

SHORT = settings(
    max_examples=4,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
KINDS = ("link-refuse", "node-pause", "clock-skew", "replication-pause", "store-read-only", "freeze")


@pytest.mark.parametrize("name", ["azure", "aws"])
def test_it_holds_on_a_sound_service(name: str) -> None:
    """Nothing goes back, nothing is left behind, and no client sees what must not be."""

    class Sound(StackMachine):
        ground_name, kinds = name, KINDS

    run_state_machine_as_test(Sound, settings=SHORT)


def test_a_hold_that_is_left_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that does nothing fails the machine."""

    async def idle(*_: object) -> None: ...

    class Leaving(StackMachine):
        kinds = ("clock-skew",)

    monkeypatch.setattr(world, "release_switch", idle)
    with pytest.raises(AssertionError, match="left behind"):
        run_state_machine_as_test(Leaving, settings=settings(SHORT, max_examples=20))


@pytest.mark.parametrize("name", ["azure", "aws"])
def test_every_client_is_served_where_nothing_is_broken(name: str) -> None:
    """One visit of each kind happens, and no invariant is violated by it."""
    stand = Stand(ground(name), (), seed=2)
    try:
        assert {visit: stand.clients.visit(visit) for visit in stand.clients.visits()} == dict.fromkeys(
            stand.clients.visits(), "happened"
        )
        stand.look()
        assert stand.violated() == {}
    finally:
        stand.close()


def test_what_clients_saw_is_judged() -> None:
    """A token for another audience than the one that was asked for is a violation, as in any run."""
    stand = Stand(ground("azure"), (), seed=2)
    try:
        stand.clients.visit(Visit("apps", "token"))
        told = stand.clients.requests[-1]
        other = told.credentials.replace("vault.azure.net", "graph.microsoft.com", 1)
        stand.clients.requests[-1] = told._replace(credentials=other)
        assert set(stand.violated()) == {"audience-isolation"}
    finally:
        stand.close()


@pytest.mark.parametrize("asks", [True, False])
def test_a_planted_bug_needs_an_act_of_a_client(asks: bool) -> None:
    """While token nodes are away a host gives out what it has: the bug shows to a client that asks for another audience."""
    stand = Stand(ground("azure"), ("stale-without-audience",), seed=2)
    try:
        for _ in range(3):  # each of the machines in turn
            stand.clients.visit(Visit("apps", "token"))
        stand.apply("node-kill", {"node": "sydney.token"})
        if asks:
            stand.clients.visit(Visit("new-audience", "token"))
        for fault_id in tuple(stand.held):
            stand.revert(fault_id)
        assert set(stand.violated()) == ({"audience-isolation"} if asks else set())
    finally:
        stand.close()


def test_its_acts_are_a_schedule() -> None:
    """What was done on the stand can be carried out again, and written like any other."""
    stand = Stand(ground("azure"), ("release-lifts-others",), seed=3)
    try:
        stand.apply("clock-skew", {"node": "melbourne.host", "by": "3s"})
        stand.wait(5)
        stand.apply("clock-skew", {"node": "melbourne.host", "by": "5s"})
        stand.wait(5)
        second = sorted(stand.held)[-1]
        stand.revert(second)
        stand.wait(15)
        assert len(stand.held) == 1
        for fault_id in tuple(stand.held):
            stand.revert(fault_id)
    finally:
        stand.close()
    schedule = stand.schedule()
    assert [act.kind for act in schedule.acts] == ["clock-skew", "clock-skew"]
    assert carried_out(schedule, stand.ground).has("lost:clock-skew")
