"""The simulated world's own ways of looking at its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import STATE_PATH, Carrier, Request, states_asked
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.simulated_stacks import on_world

DOWN = "sydney.token.z1"


@pytest.mark.parametrize("vendor", ["azure", "aws"])
def test_nodes_are_looked_at_as_their_control_planes_would_tell(vendor: str) -> None:
    """The states of all nodes are what their pages have of role and vendors; one that is down has none."""

    async def story(world: SimulationWorld) -> tuple[list[Mapping[str, Any] | None], list[Mapping[str, Any] | None]]:
        await world.sleep_until(world.now() + 90)
        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("down"))
        return await world.states(world.spec.nodes()), await states_asked(world, world.spec.nodes())

    looked, asked = on_world(story, vendors=(vendor,))
    common = {"node", "build", "image_build", "now_s", "holds", "reports"}
    assert looked == [page and {name: told for name, told in page.items() if name not in common} for page in asked]
    assert len(looked) > 10
    assert looked.count(None) == 1


@pytest.mark.parametrize("vendor", ["azure", "aws"])
def test_a_nodes_state_is_the_page_that_it_would_answer(vendor: str) -> None:
    """The page is taken where it is, and it is what the node answers on the way that other control requests take."""

    async def story(world: SimulationWorld) -> list[tuple[Any, Any]]:
        asked = [(name, world._nodes[name].node) for name in world.spec.nodes()]
        return [
            (
                await world.control(name, Request("GET", STATE_PATH)),
                await node.handle(node.internal("GET", STATE_PATH)),
            )
            for name, node in asked
            if node is not None
        ]

    pages = on_world(story, vendors=(vendor,))
    assert len(pages) > 10
    assert all(taken == answered for taken, answered in pages)


def test_a_node_that_is_paused_is_asked_and_does_not_answer() -> None:
    """A look at it takes as long as its control plane is waited for, and the others' states are there all the same."""

    async def story(world: SimulationWorld) -> tuple[list[Mapping[str, Any] | None], float]:
        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("paused"))
        began_s = world.now()
        return await world.states(["sydney.vault", DOWN, "sydney.store"]), world.now() - began_s

    (vault, paused, store), took_s = on_world(story)
    assert vault is not None
    assert "key_ids" in vault
    assert paused is None
    assert store is not None
    assert "keys" in store
    assert took_s > 1
