"""A run in the simulation: the conductor of every world, on the virtual clock and with a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.record.history import Event, History, Recorder
from brownout.harness.record.in_memory import MemoryRecorder
from brownout.harness.run.conductor import Conductor
from brownout.harness.run.journal import Journal
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.worlds.catalog import SIMULATION
from brownout.harness.worlds.simulation.world import SimulationWorld

SIMULATED_STACK = "simulation"
WARM_UP_ROOM_S = 30.0


def simulate(run: PreparedRun, folder: Path, *, heard: Callable[[Event], None] | None = None) -> bool:
    """Carries the run out on the virtual clock; its record is in `folder` afterwards. False when it was interrupted.

    `heard` is called with each event. Raises RecordLost when the record could not be written.
    """
    recorder = Recorder(folder, heard, keeps=True)
    try:
        is_whole = _carried_out(run, recorder)
    finally:
        recorder.close()
    if is_whole:
        recorder.require_whole()
    return is_whole


def simulate_in_memory(run: PreparedRun) -> History | None:
    """Carries the run out on the virtual clock and returns the history that `simulate` would record; None when interrupted.

    No file is written or read. Raises TypeError and ValueError for what could not be read from a record.
    """
    recorder = MemoryRecorder()
    return recorder.history() if _carried_out(run, recorder) else None


def _carried_out(run: PreparedRun, recorder: Recorder | MemoryRecorder) -> bool:
    """False when it was interrupted."""
    timeline = run.experiment.timeline
    epoch_s = timeline.epoch_s() + timeline.warm_up - WARM_UP_ROOM_S - run.options.offset_s
    world = SimulationWorld(run.stack, epoch_s=epoch_s, recorder=recorder)
    ledger = Ledger(":memory:")
    ledger.add_stack(SIMULATED_STACK, folder=recorder.folder, world=SIMULATION, run_owned=True)
    journal = Journal(run, recorder, world.now)
    lifecycle = LifeCycle(world, ledger, SIMULATED_STACK, journal.notice, monotonic=world.now)
    try:
        world.run(Conductor(run, world, lifecycle, journal).conduct())
    except KeyboardInterrupt:
        journal.event("run", "interrupted")
        return False
    finally:
        world.kernel.close()
        ledger.close()
    return True
