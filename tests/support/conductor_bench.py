"""Runs of a small day in the simulation, conducted with hooks that a test has the say over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brownout.harness.errors import WorldError
from brownout.harness.experiment.model import Experiment
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.record.history import Event, Recorder, read_history
from brownout.harness.run.conductor import Conductor, RunHooks, RunState
from brownout.harness.run.journal import Journal
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.small_day import small_day

THIN = {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.02, "machines": ["web"]}]}
TRUSTING = {"steady_state": False}


def day(**changed: Any) -> Experiment:
    """A small day with few requests and without the gate that so few cannot pass."""
    return small_day(**{"load": THIN, "gates": TRUSTING, **changed})


@dataclass
class Bench:
    """One run to be conducted in the simulation."""

    experiment: Experiment
    folder: Path
    hooks: RunHooks = field(default_factory=RunHooks)
    state: RunState = field(default_factory=RunState)
    fails_at_start: bool = False
    world_kind: type[SimulationWorld] = SimulationWorld

    def conduct(self) -> tuple[Event, ...]:
        """Conducts the run; its events, also when it raised, which `pytest.raises` around this would see."""
        run = prepare(self.experiment, Options())
        recorder, ledger = Recorder(self.folder), Ledger(":memory:")
        ledger.add_stack("s", folder=self.folder, world="simulation", run_owned=True)
        epoch_s = self.experiment.timeline.epoch_s()
        world = self.world_kind(run.stack, epoch_s=epoch_s, recorder=recorder)
        if self.fails_at_start:
            world.start = failing  # type: ignore[method-assign]  # a stack that cannot come up
        journal = Journal(run, recorder, world.now)
        lifecycle = LifeCycle(world, ledger, "s", journal.notice, monotonic=world.now)
        try:
            world.run(Conductor(run, world, lifecycle, journal, self.hooks, self.state).conduct())
        finally:
            world.kernel.close()
            ledger.close()
            recorder.close()
        return self.events()

    def events(self) -> tuple[Event, ...]:
        return read_history(self.folder).events


async def failing() -> None:
    raise WorldError("no room", hint="make some")


class Watching(RunHooks):
    """Writes down when it is called, and stops the run at a time if asked to."""

    def __init__(self, state: RunState, *, tick_s: float | None = None, stop_after: int = 0, problem: str = "") -> None:
        self.tick_s, self.calls, self.ticks = tick_s, list[str](), 0
        self._state, self._stop_after, self._problem = state, stop_after, problem
        self.sleep = ""
        self.short: tuple[str, ...] | None = None

    def tick(self) -> None:
        self.ticks += 1
        if self.ticks == self._stop_after:
            self._state.stop_requested = True

    async def load_started(self, plan: LoadPlan) -> None:
        assert plan.account.sign_in.user_token
        self.calls.append("load started")

    async def load_stopped(self) -> None:
        self.calls.append("load stopped")

    def unprotected(self) -> str:
        self.calls.append("asked for protection")
        return self._problem

    def ran_out(self, problems: Iterable[str]) -> tuple[str, ...] | None:
        return None if self.short is None else (*self.short, *problems)

    def disturbed(self) -> str:
        return self.sleep
