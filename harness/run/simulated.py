"""A run in the simulation: the same conductor, on the virtual clock."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import Experiment, Posture
from brownout.harness.experiment.prepare import stack_of
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle, Notice
from brownout.harness.record.history import Event, Recorder
from brownout.harness.run.conductor import Conductor, RunState
from brownout.harness.worlds.simulation.world import SimulationWorld

SIMULATED_STACK = "simulation"
WARM_UP_ROOM_S = 30.0


def simulate(experiment: Experiment, posture: Posture, seed: int, folder: Path) -> bool:
    """One run on the virtual clock; its record is in `folder` afterwards. False when it was interrupted."""
    recorder = Recorder(folder)
    epoch_s = experiment.timeline.epoch_s() + experiment.timeline.warm_up - WARM_UP_ROOM_S
    world = SimulationWorld(stack_of(experiment, posture, seed=seed), epoch_s=epoch_s, recorder=recorder)
    ledger = Ledger(":memory:")
    ledger.add_stack(SIMULATED_STACK, folder=folder, world="simulation", run_owned=True)

    def lifecycle(notice: Notice) -> LifeCycle:
        return LifeCycle(world, ledger, SIMULATED_STACK, notice, monotonic=world.now)

    conductor = Conductor(world, experiment, posture, recorder, plugins.fault, lifecycle, RunState())
    try:
        world.run(conductor.conduct())
    except KeyboardInterrupt:
        recorder.event(Event(round(world.now(), 6), "run", "interrupted"))
        return False
    finally:
        world.kernel.close()
        ledger.close()
        recorder.close()
    return True
