"""Looks at links and nodes that give no answer: how long silence has to last before it proves a fault."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from brownout.faults._looks import SILENCE_MS
from brownout.faults.link_slow import LinkSlow
from brownout.faults.link_stall import LinkStall
from brownout.faults.node_pause import NodePause
from brownout.harness.effects import Effect
from brownout.harness.errors import WorldError
from brownout.harness.fault import Fault
from brownout.harness.world import Carrier, ProbeResult
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.deaf_world import DeafWorld
from support.fault_cases import Trial, on_stack

VAULT_LINK = "client->sydney.vault"
STALL, PAUSE = LinkStall(link=VAULT_LINK), NodePause(node="sydney.vault")
LATE_S = 0.15


class BusyMachine(SimulationWorld):
    """A machine on which each answer to a probe is late by more than a short look waits."""

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        timeout_s = timeout_ms / 1000
        await self.kernel.sleep(min(LATE_S, timeout_s))
        if timeout_s <= LATE_S:
            return ProbeResult("timeout", timeout_ms)
        return await super().probe(link, timeout_ms=1000 * (timeout_s - LATE_S))


class BusyUnderOthers(BusyMachine, DeafWorld):
    """The same, on which other programs keep undoing what is held, as the carriers can tell."""

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        return {**await super().read(carrier), "lacking": ["is not as it is held"]}


class Crowded(SimulationWorld):
    """A machine on which probes that are made at the same time delay each other."""

    under_way = 0

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        self.under_way += 1
        await self.kernel.sleep(0)
        late_s = LATE_S if self.under_way > 1 else 0.0
        await self.kernel.sleep(late_s)
        result = await super().probe(link, timeout_ms=timeout_ms)
        self.under_way -= 1
        return ProbeResult(result.outcome, result.latency_ms + 1000 * late_s)


class Unreadable(SimulationWorld):
    """Whose nodes and links tell nothing about their state."""

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        with suppress(WorldError):  # of the reading that follows it
            await super().hold(carrier, fault_id, effect)
        return {}

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        raise WorldError("no answer")


async def looked(trial: Trial, fault: Fault) -> tuple[str, float]:
    """What a look says, and the milliseconds that it took."""
    began_s = trial.world.now()
    seen = await fault.observe(trial.world)
    return seen.state, round(1000 * (trial.world.now() - began_s), 3)


@pytest.mark.parametrize("fault", [STALL, PAUSE], ids=lambda fault: fault.kind)
def test_short_silence_proves_what_the_carrier_itself_tells(fault: Fault) -> None:
    """A stalled link and a paused node are known after SILENCE_MS."""

    async def story(trial: Trial) -> tuple[str, float]:
        await fault.apply(trial.world, "f")
        return await looked(trial, fault)

    assert on_stack(story) == ("bitten", SILENCE_MS)


@pytest.mark.parametrize("fault", [STALL, PAUSE], ids=lambda fault: fault.kind)
def test_a_busy_machine_is_no_fault(fault: Fault) -> None:
    """Nothing is held: answers that are late by several times SILENCE_MS are waited for, before the fault and after it."""

    async def story(trial: Trial) -> tuple[str, str, str]:
        before = await fault.observe(trial.world)
        await fault.apply(trial.world, "f")
        held = await fault.observe(trial.world)
        await fault.revert(trial.world, "f")
        after = await fault.observe(trial.world)
        return before.state, held.state, after.state

    assert on_stack(story, world_kind=BusyMachine) == ("absent", "bitten", "absent")


@pytest.mark.parametrize("fault", [STALL, PAUSE], ids=lambda fault: fault.kind)
def test_a_hold_that_another_program_undid_is_not_proven_by_a_late_answer(fault: Fault) -> None:
    """The carrier is held and not in that state: short silence proves nothing, and the late answer shows that it is gone."""

    async def story(trial: Trial) -> str:
        await fault.apply(trial.world, "f")
        return (await fault.observe(trial.world)).state

    assert on_stack(story, world_kind=BusyUnderOthers) == "absent"


@pytest.mark.parametrize("fault", [STALL, PAUSE], ids=lambda fault: fault.kind)
def test_on_a_slow_link_silence_has_to_last(fault: Fault) -> None:
    """A link that is slow by more than SILENCE_MS is silent for a reason of its own: its answers are waited for."""
    slow = LinkSlow.model_validate({"link": VAULT_LINK, "latency": "100ms"})

    async def story(trial: Trial) -> tuple[str, bool, str]:
        await slow.apply(trial.world, "slow")
        before, _ = await looked(trial, fault)
        await fault.apply(trial.world, "f")
        held, took_ms = await looked(trial, fault)
        return before, took_ms > 200, held

    assert on_stack(story) == ("absent", True, "bitten")


def test_long_silence_needs_no_witness() -> None:
    """Where the link's state cannot be read, its silence proves the stall once it has lasted."""

    async def story(trial: Trial) -> tuple[str, float]:
        await STALL.apply(trial.world, "f")
        return await looked(trial, STALL)

    assert on_stack(story, world_kind=Unreadable) == ("bitten", SILENCE_MS + STALL.probe_timeout_ms())


def test_a_delay_that_other_probes_may_cause_is_looked_at_alone() -> None:
    """No link of a crowded machine is taken for one that is slow by as much as they delay each other."""
    slow = LinkSlow.model_validate({"link": "melbourne->sydney", "latency": "100ms"})

    async def story(trial: Trial) -> tuple[str, str]:
        before, _ = await looked(trial, slow)
        await slow.apply(trial.world, "f")
        held, _ = await looked(trial, slow)
        return before, held

    assert on_stack(story, world_kind=Crowded) == ("absent", "bitten")


def test_a_long_delay_is_seen_on_all_links_at_once() -> None:
    """A look at many links that are slow by half a minute takes as long as one of them, and keeps the next step no longer."""
    slow = LinkSlow.model_validate({"link": "melbourne->sydney", "latency": "30s"})

    async def story(trial: Trial) -> tuple[int, str, float]:
        await slow.apply(trial.world, "f")
        return len(slow.carriers(trial.world.spec)), *await looked(trial, slow)

    links, state, took_ms = on_stack(story)
    assert links > 5
    assert state == "bitten"
    assert 30_000 < took_ms < 31_000
