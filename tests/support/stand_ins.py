"""A standing stack that is a file, faults for it, and a command that injects into it: as a process of its own, to be killed.

`stand_ins.py STACK FOR_S|- [FLAG]` injects one fault into STACK. With `block` its apply puts the first of two holds in place,
prints `half` and stays there. Otherwise it prints `bitten`, and how it ended when it ends. `keep` keeps what does not bite.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.experiment import plugins
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.notices import BiteSeen, Notice
from brownout.harness.operate.heal import undo_leftovers
from brownout.harness.operate.inject import InjectRequest, Remaining, inject
from brownout.harness.world import World
from support.fake_world import FakeFault, FileWorld

ON = ("node:a", "link:x->y")


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the test reads it


class StandInWorld(FileWorld):
    """A world that is installed: `stand_ins-1.dist-info` beside this package has its entry point."""

    name = "stand-in"


class Blocked(FakeFault):
    """Its apply holds one carrier and gets no further."""

    kind = "blocked"

    async def apply(self, world: World, fault_id: str) -> None:
        first = self.carriers(world.spec)[0]
        await world.hold(first, fault_id, self.state(world.spec, first))
        say("half")
        await asyncio.sleep(600)


def all_undone() -> tuple[str, ...]:
    """What a command says of the faults that it found without an owner, a line each; each of them could be undone."""
    undone = undo_leftovers()
    assert undone.unsafe is None
    return undone.lines


KINDS = {"fake": FakeFault, "blocked": Blocked}


def make(kind: str, params: Mapping[str, Any]) -> FakeFault:
    """Stands for the plugins, which does not know these faults."""
    return KINDS[kind].model_validate(dict(params))


@dataclass(frozen=True)
class Stand:
    """A standing stack: what its carriers hold and what the ledger says."""

    id: str

    @property
    def folder(self) -> Path:
        return stack_dir(self.id)

    def world(self) -> StandInWorld:
        return StandInWorld(self.folder)

    def held(self) -> dict[str, set[str]]:
        return self.world().held()

    def row(self) -> StackRecord:
        with Ledger(ledger_path()) as ledger:
            return ledger.stack(self.id)

    def faults(self) -> tuple[FaultRecord, ...]:
        with Ledger(ledger_path()) as ledger:
            return ledger.faults(self.id)

    def states(self) -> list[str]:
        return [fault.state for fault in self.faults()]

    def guardians(self) -> list[int]:
        """The living processes that watch this stack."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
                home = f"BROWNOUT_HOME={os.environ['BROWNOUT_HOME']}".encode() in (process / "environ").read_bytes()
            except OSError:
                continue
            if home and b"brownout.harness.injection.guardian" in command and self.id.encode() in command:
                found.append(int(process.name))
        return found


def main(stack_id: str, hold: str, flag: str = "") -> None:
    plugins.fault = make  # type: ignore[assignment]  # the injecting process rebuilds no fault but its own
    kind = Blocked if flag == "block" else FakeFault
    wanted = InjectRequest(kind(on=ON), None if hold == "-" else float(hold), keep=flag == "keep")

    def hear(event: Notice | Remaining) -> None:
        if isinstance(event, BiteSeen):
            say(event.what)

    with Ledger(ledger_path()) as ledger:
        row = ledger.stack(stack_id)
    ended = inject(row, wanted, hear)
    say(ended.ended)


if __name__ == "__main__":
    main(*sys.argv[1:])
