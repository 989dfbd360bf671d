"""The simulated world's own ways of looking at its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier, states_asked
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.simulated_stacks import on_world

DOWN = "sydney.token.z1"


@pytest.mark.parametrize("vendor", ["azure", "aws"])
def test_nodes_are_looked_at_as_their_control_planes_would_tell(vendor: str) -> None:
    """The states of all nodes are the pages that they would be asked for; one that is down has none."""

    async def story(world: SimulationWorld) -> tuple[list[Mapping[str, Any] | None], list[Mapping[str, Any] | None]]:
        await world.sleep_until(world.now() + 90)
        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("down"))
        return await world.states(world.spec.nodes()), await states_asked(world, world.spec.nodes())

    looked, asked = on_world(story, vendors=(vendor,))
    assert looked == asked
    assert len(looked) > 10
    assert looked.count(None) == 1


def test_a_node_that_is_paused_is_asked_and_does_not_answer() -> None:
    """A look at it takes as long as its control plane is waited for, and the others' states are there all the same."""

    async def story(world: SimulationWorld) -> tuple[list[Mapping[str, Any] | None], float]:
        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("paused"))
        began_s = world.now()
        return await world.states(["sydney.vault", DOWN, "sydney.store"]), world.now() - began_s

    (vault, paused, store), took_s = on_world(story)
    assert vault is not None
    assert vault["node"] == "sydney.vault"
    assert paused is None
    assert store is not None
    assert store["node"] == "sydney.store"
    assert took_s > 1
