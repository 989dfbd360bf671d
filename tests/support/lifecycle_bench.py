"""What most tests of the life cycle need: a ledger with one stack, a fake world, and a life cycle over both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from brownout.harness.base.processes import ProcessId
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.notices import Notice
from support.fake_world import FakeFault, FakeWorld, make

DEAD = ProcessId(1, "never")


@dataclass
class Bench:
    """What most tests need; `told` is the list of `what step` that the life cycle noticed."""

    ledger: Ledger
    world: FakeWorld
    folder: Path
    told: list[str] = field(default_factory=list)

    def notice(self, notice: Notice) -> None:
        self.told.append(f"{notice.what} {notice.record.step}")

    def life(self) -> LifeCycle:
        return LifeCycle(self.world, self.ledger, "s", self.notice, make=make)

    async def attach(self, stack: object) -> FakeWorld:
        return self.world

    def states(self) -> list[str]:
        return [fault.state for fault in self.ledger.faults("s")]


def fake(*carriers: str) -> FakeFault:
    return FakeFault(on=carriers or ("node:a",))
