"""Doing many things at once: results in order, no call left out, nothing still running when it is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.world import World
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.world_drivers import EPOCH_S, spec_for


@pytest.fixture
def live(tmp_path: Path) -> ComposeWorld:
    """A live world over no stack, which is enough for this."""
    return ComposeWorld(spec_for(), folder=tmp_path, epoch_s=EPOCH_S, rate=1.0)


async def noted(number: int, notes: list[int], *, fails: bool = False) -> int:
    notes.append(number)
    if fails:
        raise WorldError(f"number {number} failed")
    return number


@pytest.mark.parametrize("kind", ["simulation", "live"])
def test_results_are_in_order_and_the_first_error_comes_last(kind: str, live: ComposeWorld) -> None:
    """When some calls fail the others are carried out all the same; then the first error is raised."""
    simulated = SimulationWorld(spec_for(), epoch_s=EPOCH_S)
    world: World = live if kind == "live" else simulated
    notes: list[int] = []

    async def story() -> list[int]:
        assert await world.together([]) == []
        with pytest.raises(WorldError, match="number 2 failed"):
            await world.together(noted(number, notes, fails=number in (2, 3)) for number in range(6))
        assert notes == list(range(6))
        return await world.together(noted(number, notes) for number in (5, 3, 4))

    assert (asyncio.run(story()) if kind == "live" else simulated.run(story())) == [5, 3, 4]


def test_a_live_world_does_things_at_once(live: ComposeWorld) -> None:
    """Calls that wait for each other come to their end."""

    async def story() -> list[str]:
        met = asyncio.Barrier(3)

        async def meet(name: str) -> str:
            async with asyncio.timeout(5):
                await met.wait()
            return name

        return await live.together(meet(name) for name in ("a", "b", "c"))

    assert asyncio.run(story()) == ["a", "b", "c"]


def test_who_is_cancelled_waits_for_what_it_began(live: ComposeWorld) -> None:
    """What a thread still does must not come after its undoing, so it is over when the cancellation is heard of."""

    async def story() -> tuple[bool, bool]:
        begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            begun.set()
            await go_on.wait()
            done.set()

        whole = asyncio.create_task(live.together([slow()]))
        await begun.wait()
        whole.cancel()
        await asyncio.sleep(0)
        waits = not whole.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await whole
        return waits, done.is_set()

    assert asyncio.run(story()) == (True, True)
