"""A run as a process of its own, for tests to kill: a stack in a file, a lease, a guardian, faults applied when told.

`runner_process.py FOLDER LEDGER TTL_S [UNTIL_S]` applies one fault and prints `applied`. Then each line on stdin is a
command: `apply` (another fault; prints `applied` or the name of what refused it), `freeze` (stops in the middle of a change of
the ledger, as SIGSTOP may; prints `thawed` once it goes on), `release` (ends the lease and leaves).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from brownout.harness.errors import BrownoutError
from brownout.harness.injection.guardian_start import start_guardian
from brownout.harness.injection.lease import Lease, LeaseRenewer
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from support.fake_world import FakeFault, FileWorld, drive


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the test reads it


def main(folder: Path, ledger_path: Path, ttl_s: float, until_s: float | None) -> None:
    world = FileWorld(folder)
    ledger = Ledger(ledger_path)
    ledger.add_stack("s", folder=folder, world=FileWorld.name, run_owned=True)
    keeper = LeaseRenewer(Lease(folder, ttl_s))
    keeper.start()
    guardian = start_guardian("s", ttl_s, ledger=ledger_path, make="support.fake_world:make", grace_s=1.0)
    guardian.wait_ready()
    say(str(guardian.pid))
    life = LifeCycle(world, ledger, "s", lambda notice: None)
    drive(life.inject("cut", FakeFault(on=("node:a", "link:x->y")), until_s=until_s))
    say("applied")
    for line in sys.stdin:
        if line.strip() == "release":
            keeper.stop()
            say(str(guardian.wait()))
            return
        if line.strip() == "freeze":
            with ledger._change():
                os.kill(os.getpid(), signal.SIGSTOP)
            say("thawed")
            continue
        try:
            drive(life.inject("again", FakeFault(on=("node:b",))))
            say("applied")
        except BrownoutError as error:
            say(type(error).__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]) if len(sys.argv) > 4 else None)
