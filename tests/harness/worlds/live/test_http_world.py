"""The start of a live world: whatever goes wrong on the way up, or interrupts it, nothing stays behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.world import Endpoints
from brownout.harness.worlds.live.carrier_holds import NodeStore
from brownout.harness.worlds.live.http_world import SocketWorld
from brownout.harness.worlds.stack_spec import build_stack


class StubWorld(SocketWorld):
    """A live world whose stack is an object; `ready` decides what its nodes do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(build_stack(seed=1), folder=folder, epoch_s=0.0, rate=1.0)
        self.rising, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.problem = ""
        self.looked_at: list[str] = []
        self.stops = 0

    def _bring_up(self) -> None:
        self.rising.set()
        self.go_on.wait(10)
        if self.problem == "start":
            raise WorldError("no room")
        self._stack = object()

    async def await_ready(self, node: str) -> None:
        self.looked_at.append(node)
        if self.problem == "ready":
            raise WorldError(f"{node} is not ready")

    async def status(self) -> Mapping[str, Any]:
        raise NotImplementedError

    async def stop(self) -> None:
        self.stops += 1
        self._stack = None

    @property
    def is_up(self) -> bool:
        return self._stack is not None

    def endpoints(self) -> Endpoints:
        return Endpoints({}, {}, "")

    def log_hint(self, node: str) -> str:
        return ""

    def node_holds(self) -> NodeStore:
        raise AssertionError("no node is held here")


def test_a_start_returns_when_every_node_is_ready(tmp_path: Path) -> None:
    """Every node is waited for, and a second start is refused without harm to the stack."""
    world = StubWorld(tmp_path)
    asyncio.run(world.start())
    assert world.looked_at == list(world.spec.nodes())
    with pytest.raises(WorldError, match="up already"):
        asyncio.run(world.start())
    assert world.is_up


@pytest.mark.parametrize("problem", ["start", "ready"])
def test_a_start_that_fails_takes_the_stack_down(tmp_path: Path, problem: str) -> None:
    """The first error is the one that is raised, and the world has been stopped by then."""
    world = StubWorld(tmp_path)
    world.problem = problem
    with pytest.raises(WorldError, match="no room" if problem == "start" else "is not ready"):
        asyncio.run(world.start())
    assert world.stops == 1
    assert not world.is_up


def test_an_interrupted_start_waits_for_what_still_comes_up(tmp_path: Path) -> None:
    """Cancelled in the middle of bringing up, it stops the stack only when the thread has ended, so nothing outlives it."""

    async def interrupt(world: StubWorld) -> None:
        world.go_on.clear()
        starting = asyncio.ensure_future(world.start())
        await asyncio.to_thread(world.rising.wait, 10)
        starting.cancel()
        await asyncio.sleep(0)
        assert world.stops == 0
        world.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await starting

    world = StubWorld(tmp_path)
    asyncio.run(interrupt(world))
    assert world.stops == 1
    assert not world.is_up
