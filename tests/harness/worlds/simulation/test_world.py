"""The simulated world's own ways of looking at its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.errors import WorldError
from brownout.harness.run.journal import Journal
from brownout.harness.run.state_watch import StateWatch
from brownout.harness.world import STATE_PATH, Carrier, Request, states_asked
from brownout.harness.worlds.simulation.world import LATE_S, SimulationWorld
from support.simulated_stacks import on_world

DOWN = "sydney.token.z1"


@pytest.mark.parametrize("vendor", ["azure", "aws"])
def test_nodes_are_looked_at_as_their_control_planes_would_tell(vendor: str) -> None:
    """The states of all nodes are parts of their pages, of vendors too; one that is down has none."""

    async def story(world: SimulationWorld) -> tuple[list[Mapping[str, Any] | None], list[Mapping[str, Any] | None]]:
        await world.sleep_until(world.now() + 90)
        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("down"))
        return await world.states(world.spec.nodes()), await states_asked(world, world.spec.nodes())

    looked, asked = on_world(story, vendors=(vendor,))
    for told, page in zip(looked, asked, strict=True):
        assert (told is None) == (page is None)
        assert _is_part(told or {}, page or {})
    assert len(looked) > 10
    assert looked.count(None) == 1


def _is_part(told: Mapping[str, Any], page: Mapping[str, Any]) -> bool:
    return all(page[name] == part or _is_part(part, page[name]) for name, part in told.items())


class _AskedAlone:
    """A simulated world whose nodes are asked for their whole pages."""

    def __init__(self, world: SimulationWorld) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    async def states(self, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        return await states_asked(self._world, nodes)


@pytest.mark.parametrize("vendor", ["azure", "aws"])
def test_the_watch_over_the_state_reads_nothing_of_a_page_that_the_states_lack(vendor: str) -> None:
    """Its look tells the same of what the simulation shows as of the whole pages."""

    async def story(world: SimulationWorld) -> list[Mapping[str, Any]]:
        await world.sleep_until(world.now() + 90)
        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("down"))
        for seen in (world, cast(SimulationWorld, _AskedAlone(world))):
            await StateWatch(seen, cast(Journal, told), frozenset).look()
        return told.details

    told = _Told()
    short, whole = on_world(story, vendors=(vendor,))
    assert short == whole
    assert all(short[name] for name in ("sent", "held", "refused_keys", "published_keys", "accepted_keys"))
    assert any("account" in versions for versions in short["held"].values()) == (vendor == "aws")


class _Told:
    """The details of the events of a journal."""

    def __init__(self) -> None:
        self.details: list[Mapping[str, Any]] = []

    def event(self, kind: str, what: str, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        self.details.append({**(detail or {}), "began_s": None})


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
    """A look at it takes the second after which a node that is paused is named, and the others' states are there."""

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
    assert took_s == LATE_S


def asked_while_paused(*, for_s: float) -> tuple[str, float]:
    """What a node that is paused for so long answers to a request that arrives meanwhile, and after how long."""

    async def story(world: SimulationWorld) -> tuple[str, float]:
        began_s = world.now()
        answers: list[tuple[str, float]] = []

        async def ask() -> None:
            try:
                answer = str((await world.control(DOWN, Request("GET", STATE_PATH))).status)
            except WorldError as error:
                answer = error.message
            answers.append((answer, round(world.now() - began_s, 6)))

        async def end() -> None:
            await world.sleep_until(began_s + for_s)
            await world.release(Carrier("node", DOWN), "f-1")

        await world.hold(Carrier("node", DOWN), "f-1", NodeEffect("paused"))
        await world.together([ask(), end()])
        return answers[0]

    return on_world(story)


def test_a_short_pause_is_waited_out() -> None:
    """A node that goes on within a second has been slow, and no more."""
    assert asked_while_paused(for_s=0.5) == ("200", 0.5)


def test_a_long_pause_is_named_after_a_second() -> None:
    """The answer names the hold that is to end first, as in live worlds."""
    answer, took_s = asked_while_paused(for_s=20.0)
    assert answer == f"{DOWN} does not answer: it is paused, held by f-1"
    assert took_s == LATE_S
