"""How long a command waits for an undo: as long as it gets on, and not for one that is stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.experiment import plugins
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.operate import heal
from brownout.harness.world import Carrier
from support.fake_world import FileWorld, drive, make
from support.lifecycle_bench import DEAD, fake

LIMIT_S, STEP_S = 0.4, 0.3  # together more than one limit, each less


class SlowWorld(FileWorld):
    """Takes time for a release, and lets the effect show for a while after it; in real seconds."""

    released_s = 0.0

    def now(self) -> float:
        return time.monotonic()

    async def sleep_until(self, at_s: float) -> None:
        await asyncio.sleep(at_s - self.now())

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        await asyncio.sleep(STEP_S)
        await super().release(carrier, fault_id)
        self.released_s = self.now()

    def shows_effect(self, carrier: Carrier) -> bool:
        return not self.released_s or self.now() < self.released_s + 2 * LIMIT_S


class HungWorld(FileWorld):
    """Never answers a release."""

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileWorld:
    """A run's stack with a fault in place, whose owner has died."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path))
    monkeypatch.setattr(plugins, "fault", make)
    folder = stack_dir("s")
    folder.mkdir(parents=True, exist_ok=True)
    world = FileWorld(folder)
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack("s", folder=folder, world=FileWorld.name, run_owned=True)
        drive(LifeCycle(world, ledger, "s", lambda _: None).inject("cut", fake()))
    monkeypatch.setattr(ProcessId, "alive", lambda self: self == DEAD)
    return world


def _attached(monkeypatch: pytest.MonkeyPatch, world: FileWorld) -> None:
    async def attach(_: Any) -> FileWorld:
        return world

    monkeypatch.setattr(heal, "attach_world", attach)


def _states() -> Mapping[str, str]:
    with Ledger(ledger_path()) as ledger:
        return {fault.step: fault.state for fault in ledger.faults("s")}


def test_an_undo_that_gets_on_is_waited_for(left: FileWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than the limit in all, for a slow release and an effect that ends late, and is no fault left in place."""
    _attached(monkeypatch, SlowWorld(stack_dir("s")))
    found = heal.undo_leftovers(limit_s=LIMIT_S)
    assert found.unsafe is None
    assert "healed on stack s" in found.lines[0]
    assert _states() == {"cut": "healed"}


def test_an_undo_that_is_stuck_is_given_up(left: FileWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that does not answer keeps the command for about the limit, and its fault counts as left in place."""
    _attached(monkeypatch, HungWorld(stack_dir("s")))
    began_s = time.monotonic()
    found = heal.undo_leftovers(limit_s=LIMIT_S)
    assert found.unsafe is not None
    assert "its undo has not ended" in found.unsafe.message
    assert time.monotonic() - began_s < heal.STACK_TIMEOUT_S / 2
    assert _states() == {"cut": "reverting"}
